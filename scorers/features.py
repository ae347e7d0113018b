"""What is kept of a recipe's pictures: embeddings, statistics, readings; enough to score them again."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from engine.files import readable, replaced
from scorers.errors import ScorerError

FORMAT = "2"
"""The file format's number; a file of another number is refused."""
DIGEST = "digest"
"""Key of the file's own hash of its numbers; older files have none."""
EMBEDDING, READING, STATISTICS = "embedding:", "reading:", "statistics"
"""Prefixes (``embedding:clip``) and name of the features in ``versions``, in a scorer's ``needs`` and in the file."""
_ARRAYS = (STATISTICS, "brightest", "dhash")
_LISTS = ("broken", "prompts", "seeds")

Slot = tuple[str, int]
"""Prompt and seed of a picture."""
RowIndices = Sequence[int] | npt.NDArray[np.intp]
Values = npt.NDArray[np.float64]
"""One float64 number per picture, ``(n,)``."""
FloatArray = npt.NDArray[np.float64]
"""Float64 numbers of any shape; the docstring where it is used says which."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Features:
    """One row per picture.

    Attributes:
        embeddings: by name of the embedding, ``(n, d)`` float32, unit rows; NaN rows where the picture itself was not
            finite.
        statistics: ``(n, k)`` float32, columns as in ``scorers.extraction.statistics.STATISTICS``.
        brightest: ``(n,)`` float32, the picture's greatest value; NaN where it was not finite.
        dhash: ``(n,)`` uint64, difference hash of ``scorers.extraction.dhash``.
        readings: by scorer, ``(n,)`` float64: the numbers of scorers that read the pictures themselves.
        broken: why a picture is broken, or "".
        prompts: the pictures' prompts; "" for references.
        seeds: the seeds of the pictures' noise.
        versions: the version of whatever computed each embedding, each reading and the statistics.
        weights: ``(n,)``, above 0: how much each picture counts in its recipe's value; None: all alike. The panel gives
            them, and they are not kept in files.
    """

    embeddings: Mapping[str, npt.NDArray[np.float32]]
    statistics: npt.NDArray[np.float32]
    brightest: npt.NDArray[np.float32]
    dhash: npt.NDArray[np.uint64]
    readings: Mapping[str, npt.NDArray[np.float64]] = field(default_factory=dict[str, Any])
    broken: tuple[str, ...]
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]
    versions: Mapping[str, str] = field(default_factory=dict[str, str])
    weights: Values | None = None

    def __post_init__(self) -> None:
        weights = {} if self.weights is None else {"weights": self.weights}
        rows = {name: len(value) for name, value in {**self.arrays(), **self._lists(), **weights}.items()}
        if len(set(rows.values())) > 1:
            counts = ", ".join(f"{count} {name}" for name, count in rows.items())
            raise ScorerError(f"features of different lengths: {counts}")

    def __len__(self) -> int:
        return len(self.broken)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Prompt and seed of every picture; two recipes' pictures are paired by them."""
        return tuple(zip(self.prompts, self.seeds, strict=True))

    @property
    def intact(self) -> npt.NDArray[np.intp]:
        """Rows of the pictures that are not broken."""
        return np.flatnonzero([not reason for reason in self.broken])

    def embedding(self, name: str) -> npt.NDArray[np.float32]:
        """One embedding, ``(n, d)``.

        Raises:
            ScorerError: that encoder has not embedded the pictures.
        """
        if name not in self.embeddings:
            known = ", ".join(self.embeddings) or "none"
            raise ScorerError(
                f"these pictures have no embedding {name!r} (they have: {known})", remedy="compute their features again"
            )
        return self.embeddings[name]

    def lacks(self, versions: Mapping[str, str]) -> tuple[str, ...]:
        """Names in ``versions`` (name to version) that are missing here, or have another version."""
        return tuple(name for name, version in versions.items() if self.versions.get(name) != version)

    def resembles(self, other: Features) -> bool:
        """Whether the two differ by rounding alone: embeddings within 1e-4, statistics within 1e-3."""
        if (
            self.slots != other.slots
            or self.broken != other.broken
            or self.embeddings.keys() != other.embeddings.keys()
        ):
            return False
        near = [np.allclose(self.embeddings[n], other.embeddings[n], 0, 1e-4, equal_nan=True) for n in self.embeddings]
        return all(near) and np.allclose(self.statistics, other.statistics, 1e-3, 1e-3, equal_nan=True)

    def take(self, rows: RowIndices) -> Features:
        """Return the given rows, in the given order."""
        return Features(
            embeddings={name: values[rows] for name, values in self.embeddings.items()},
            statistics=self.statistics[rows],
            brightest=self.brightest[rows],
            dhash=self.dhash[rows],
            readings={name: values[rows] for name, values in self.readings.items()},
            broken=tuple(self.broken[i] for i in rows),
            prompts=tuple(self.prompts[i] for i in rows),
            seeds=tuple(self.seeds[i] for i in rows),
            versions=self.versions,
            weights=None if self.weights is None else self.weights[rows],
        )

    def save(self, path: Path) -> None:
        """Write a safetensors file: under a temporary name first, so that ``path`` is whole or not there.

        Raises:
            OSError: the folder is missing or not writable, or the disk is full; ``path`` is left as it was.
        """
        words = {**self._lists(), "versions": dict(self.versions)}
        metadata = {"format": FORMAT, **{name: json.dumps(value) for name, value in words.items()}}
        metadata |= {DIGEST: _digest(self.arrays())}
        data = save({name: np.ascontiguousarray(array) for name, array in self.arrays().items()}, metadata)
        with replaced(path) as temporary:
            temporary.write_bytes(data)

    @classmethod
    def load(cls, path: Path) -> Features:
        """Read what ``save`` wrote.

        Raises:
            ScorerError: the file is missing, damaged, or not a features file of this format.
        """
        try:
            with safe_open(readable(path), framework="numpy") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != FORMAT:
                    raise ScorerError(
                        f"not a features file of format {FORMAT} (format {metadata.get('format')})",
                        place=(path,),
                        remedy="delete it, it is made again",
                    )
                arrays: dict[str, Any] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                lists: dict[str, Any] = {name: tuple(json.loads(metadata[name])) for name in _LISTS}
                columns = {name: arrays[name] for name in _ARRAYS}
                versions = dict(json.loads(metadata["versions"]))
                if metadata.get(DIGEST, _digest(arrays)) != _digest(arrays):
                    raise ValueError("its numbers are not those that were written")
            named = {"embeddings": _under(arrays, EMBEDDING), "readings": _under(arrays, READING)}
            return cls(**named, **columns, **lists, versions=versions)
        except FileNotFoundError:
            raise ScorerError("no such file", place=(path,)) from None
        except OSError as error:
            raise ScorerError(f"cannot be read ({error.strerror})", place=(path,)) from error
        except (SafetensorError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise ScorerError(
                f"damaged, or not a features file ({error})", place=(path,), remedy="delete it, it is made again"
            ) from error

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Every array by its name in a file: ``embedding:clip``, ``statistics``, ..."""
        columns: dict[str, npt.NDArray[Any]] = {name: getattr(self, name) for name in _ARRAYS}
        columns |= {EMBEDDING + name: values for name, values in self.embeddings.items()}
        return columns | {READING + name: values for name, values in self.readings.items()}

    def _lists(self) -> dict[str, tuple[Any, ...]]:
        return {name: getattr(self, name) for name in _LISTS}


def _digest(arrays: Mapping[str, npt.NDArray[Any]]) -> str:
    """SHA-256 of arrays by name, so that a file whose numbers were damaged is noticed."""
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def _under(arrays: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def joined(parts: Sequence[Features]) -> Features:
    """Concatenate features, in order; all must have the same embeddings and readings."""
    first = parts[0]
    return Features(
        embeddings={name: np.concatenate([part.embedding(name) for part in parts]) for name in first.embeddings},
        statistics=np.concatenate([part.statistics for part in parts]),
        brightest=np.concatenate([part.brightest for part in parts]),
        dhash=np.concatenate([part.dhash for part in parts]),
        readings={name: np.concatenate([part.readings[name] for part in parts]) for name in first.readings},
        broken=tuple(reason for part in parts for reason in part.broken),
        prompts=tuple(prompt for part in parts for prompt in part.prompts),
        seeds=tuple(seed for part in parts for seed in part.seeds),
        versions=first.versions,
        weights=_joined_weights(parts),
    )


def _joined_weights(parts: Sequence[Features]) -> Values | None:
    if all(part.weights is None for part in parts):
        return None
    return np.concatenate([np.ones(len(part)) if part.weights is None else part.weights for part in parts])

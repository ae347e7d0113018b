"""What is kept of a recipe's pictures: embeddings and statistics, enough to score them again without rendering."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from scorers.errors import ScorerError

FORMAT = "1"
Slot = tuple[str, int]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Features:
    """One row per picture.

    Attributes:
        embeddings: ``(n, d)`` float32, unit rows; NaN rows where the picture itself was not finite.
        statistics: ``(n, k)`` float32, columns as in ``scorers.statistics.STATISTICS``.
        broken: why a picture is broken, or "".
        prompts: what was asked for; "" for references.
        seeds: of the pictures' noise.
    """

    embeddings: npt.NDArray[np.float32]
    statistics: npt.NDArray[np.float32]
    broken: tuple[str, ...]
    prompts: tuple[str, ...]
    seeds: tuple[int, ...]

    def __post_init__(self) -> None:
        counts = {len(rows) for rows in (self.embeddings, self.statistics, self.broken, self.prompts, self.seeds)}
        if len(counts) > 1:
            raise ScorerError(
                f"features of different lengths: {len(self.embeddings)} embeddings, {len(self.statistics)} statistics, "
                f"{len(self.broken)} broken, {len(self.prompts)} prompts, {len(self.seeds)} seeds"
            )

    def __len__(self) -> int:
        return len(self.broken)

    @property
    def slots(self) -> tuple[Slot, ...]:
        """Prompt and seed of every picture; what two recipes' pictures are paired by."""
        return tuple(zip(self.prompts, self.seeds, strict=True))

    @property
    def sound(self) -> npt.NDArray[np.intp]:
        """Rows of the pictures that are not broken."""
        return np.flatnonzero([not reason for reason in self.broken])

    def take(self, rows: Sequence[int] | npt.NDArray[np.intp]) -> Features:
        """The given rows, in the given order."""
        return Features(
            embeddings=self.embeddings[rows],
            statistics=self.statistics[rows],
            broken=tuple(self.broken[i] for i in rows),
            prompts=tuple(self.prompts[i] for i in rows),
            seeds=tuple(self.seeds[i] for i in rows),
        )

    def save(self, path: Path) -> None:
        """Write a safetensors file: under a temporary name first, so that ``path`` is whole or not there.

        Raises:
            OSError: the folder is missing or not writable, or the disk is full; ``path`` is left as it was.
        """
        words = {"broken": self.broken, "prompts": self.prompts, "seeds": self.seeds}
        metadata = {"format": FORMAT, **{name: json.dumps(value) for name, value in words.items()}}
        arrays = {"embeddings": self.embeddings, "statistics": self.statistics}
        data = save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, metadata)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)

    @classmethod
    def load(cls, path: Path) -> Features:
        """Read what ``save`` wrote.

        Raises:
            ScorerError: the file is missing, damaged, or not a features file.
        """
        try:
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata() or {}
                if metadata.get("format") != FORMAT:
                    raise ScorerError(
                        f"{path}: not a features file of format {FORMAT} (format {metadata.get('format')})"
                    )
                words = {name: tuple(json.loads(metadata[name])) for name in ("broken", "prompts", "seeds")}
                return cls(embeddings=file.get_tensor("embeddings"), statistics=file.get_tensor("statistics"), **words)
        except FileNotFoundError:
            raise ScorerError(f"{path}: no such file") from None
        except (SafetensorError, KeyError, json.JSONDecodeError) as error:
            raise ScorerError(
                f"{path}: damaged, or not a features file ({error}); delete it, it is made again"
            ) from error

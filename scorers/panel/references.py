"""Features of the reference pictures: computed once for each picture, and kept in a folder for the next start.

A file for each picture, named after the SHA-256 of the picture's own file, holds what ``Features`` hold, with the
version of whatever computed each part. So another encoder embeds the pictures again, and nothing else does. What is
kept is used only if it is whole (its own hash, the picture's hash, its widths) and of the versions that are asked for;
anything else is computed again, one picture in memory at a time.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from torch import Tensor

from engine.errors import Problems
from engine.files import file_kind
from scorers.catalogue.tensor_files import sha256_of
from scorers.encoders.preprocess import load_picture
from scorers.errors import ScorerError
from scorers.extraction import guards
from scorers.extraction.observer import Observer
from scorers.extraction.statistics import STATISTICS
from scorers.features import EMBEDDING, READING, Features, joined
from scorers.panel.large_blocks import returned_at_once

log = logging.getLogger(__name__)

VERSION = "1"
"""Version of how picture files are read and resized for features; what another version kept is not used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class References:
    """The reference pictures of a panel.

    Attributes:
        features: one row per picture, in the order of the files.
        hashes: SHA-256 of the files.
    """

    features: Features
    hashes: tuple[str, ...]

    @classmethod
    def look_up(cls, observer: Observer, paths: Sequence[Path], kept: Path | None = None) -> References:
        """Look the references' features up, and compute those that are not kept.

        Args:
            observer: computes features.
            paths: the picture files, of any sizes.
            kept: the folder to keep features in, made if the folder above it is there; None: they are not kept.

        Raises:
            ScorerError: pictures that cannot be read or show nothing; all are named. Or a scorer failed.
        """
        store = FeatureStore(kept, observer) if kept is not None and file_kind(kept.parent) == "folder" else None
        rows: list[Features] = []
        hashes: list[str] = []
        problems = Problems()
        with returned_at_once():
            for number, path in enumerate(paths):
                one: _Reference | None = None
                with problems.collecting():
                    one = _Reference.read(path, observer, store)
                if one is None:
                    continue
                row = one.features(observer, store)  # outside: what a scorer raises ends all
                if row.broken[0]:
                    problems.add((path,), f"shows nothing: {row.broken[0]}")
                hashes.append(one.sha256)
                rows.append(replace(row, prompts=("",), seeds=(number,)))
        problems.raise_as(ScorerError, "the references")
        return cls(features=joined(rows), hashes=tuple(hashes))


class FeatureStore:
    """The folder with the references' features, apart for each kind of device, since they differ by rounding."""

    def __init__(self, folder: Path, observer: Observer) -> None:
        self._folder = folder / f"{observer.device.type}-{VERSION}"
        self._versions = observer.versions
        self._widths = observer.widths
        self._writable = True

    def load(self, sha256: str) -> Features | None:
        """Features of one picture, each part of any version; None where there are none, or where they are damaged.

        Args:
            sha256: of the picture's file; it is the prompt of the one row that is returned.
        """
        path = self._path(sha256)
        if not path.exists():
            return None
        try:
            found = Features.load(path)
        except ScorerError as error:
            log.info("%s; the picture is looked at again", error)
            return None
        return found if self._is_whole(found, sha256) else None

    def _is_whole(self, found: Features, sha256: str) -> bool:
        current = {name for name, version in self._versions.items() if found.versions.get(name) == version}
        fits = [
            found.embeddings[name].shape == (1, width)
            for name, width in self._widths.items()
            if EMBEDDING + name in current and name in found.embeddings
        ]
        return (
            all(fits)
            and found.versions.keys() <= found.arrays().keys()
            and found.prompts == (sha256,)
            and found.statistics.shape == (1, len(STATISTICS))
        )

    def keep(self, sha256: str, features: Features) -> None:
        """Keep features of one picture; what cannot be kept is computed again at the next start."""
        if not self._writable:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            features.save(self._path(sha256))
        except OSError as error:
            self._writable = False
            log.warning("%s: cannot be written (%s), so references are not kept", self._folder, error.strerror)

    def _path(self, sha256: str) -> Path:
        return self._folder / f"{sha256}.safetensors"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reference:
    """One picture file, read as far as needed: its hash, what is kept of it, and its pixels if that lacks some."""

    path: Path
    sha256: str
    kept: Features | None
    pixels: Tensor | None

    @classmethod
    def read(cls, path: Path, observer: Observer, store: FeatureStore | None) -> _Reference:
        sha256 = sha256_of(path)
        kept = store.load(sha256) if store else None
        pixels = load_picture(path) if kept is None or kept.lacks(observer.versions) else None
        return cls(path=path, sha256=sha256, kept=kept, pixels=pixels)

    def features(self, observer: Observer, store: FeatureStore | None) -> Features:
        """What is kept, and whatever that lacks."""
        whole = self.kept
        if self.pixels is not None:
            lacking = observer.versions if whole is None else whole.lacks(observer.versions)
            seen = observer.only(lacking).see(self.pixels[None], [self.sha256], [0])
            whole = seen if whole is None else _both(whole, seen)
            if store and sha256_of(self.path) == self.sha256:  # else the file was replaced while it was read
                store.keep(self.sha256, whole)
        return guards.marked(_asked_for(cast("Features", whole), observer), None)


def _both(kept: Features, seen: Features) -> Features:
    """Features of one picture, with what was computed now in the place of what was kept."""
    return replace(
        seen,
        embeddings={**kept.embeddings, **seen.embeddings},
        readings={**kept.readings, **seen.readings},
        versions={**kept.versions, **seen.versions},
    )


def _asked_for(kept: Features, observer: Observer) -> Features:
    """The embeddings and readings that an observer computes, in its order, without those that are kept besides."""
    readings = [name.removeprefix(READING) for name in observer.versions if name.startswith(READING)]
    return replace(
        kept,
        embeddings={name: kept.embeddings[name] for name in observer.widths},
        readings={name: kept.readings[name] for name in readings},
        versions=observer.versions,
    )

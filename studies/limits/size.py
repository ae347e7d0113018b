"""How much of a disk a study takes, by what it is."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from studies.amounts import size_text

PICTURES = frozenset({".webp", ".png", ".jpg"})
"""Endings of pictures."""
FEATURES = ".safetensors"
"""Ending of files of features."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudySize:
    """Bytes of a study's folder."""

    pictures: int = 0
    """Contact sheets, and the proof's single pictures."""
    features: int = 0
    """Embeddings and statistics of recipes and references."""
    exports: int = 0
    """What was exported: checkpoints and what lies beside them."""
    records: int = 0
    """The journal, the outcome, reports and everything else."""

    @property
    def whole(self) -> int:
        """All of it."""
        return self.pictures + self.features + self.exports + self.records

    def sentence(self) -> str:
        """Return it for people."""
        parts = {"pictures": self.pictures, "features": self.features, "exports": self.exports, "rest": self.records}
        named = ", ".join(f"{name} {size_text(size)}" for name, size in parts.items() if size)
        return f"on disk: {size_text(self.whole)}" + (f" ({named})" if named else "")


def size_of(folder: Path) -> StudySize:
    """Return what a study's folder takes; what vanishes while it is counted is left out, and links are not followed."""
    sizes = {"pictures": 0, "features": 0, "exports": 0, "records": 0}
    for path, size in _files(str(folder)):
        sizes[_kind(os.path.relpath(path, folder))] += size
    return StudySize(**sizes)


def _kind(path: str) -> str:
    parts = path.split(os.sep)  # noqa: PTH206 - of very many files
    if "exports" in parts[:-1]:
        return "exports"
    if "artifacts" in parts[:-1]:  # those of earlier versions have no ending
        return "pictures"
    ending = os.path.splitext(path)[1]  # noqa: PTH122 - of very many files
    return "pictures" if ending in PICTURES else "features" if ending == FEATURES else "records"


def _files(folder: str) -> Iterator[tuple[str, int]]:
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except OSError:
        return
    for entry in found:
        try:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(entry.path)
            else:
                yield entry.path, entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue

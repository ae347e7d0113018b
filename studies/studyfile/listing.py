"""Finds the study files of a folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from engine.files import file_kind, readable
from studies.errors import StudyError

MOST = 500
"""The most study files that a folder is searched for."""
DEPTH = 3
"""How many folders deep they may lie."""
_TABLES = re.compile(rb"^\s*\[(?:models|references|target|study)\]", re.MULTILINE)
"""What a study file has, and other TOML files have not: at least the models beside one of the others."""


def refuse_missing(places: Sequence[Path]) -> None:
    """Refuse places of studies, files or folders, where one does not exist.

    Raises:
        StudyError: names it.
    """
    for place in places:
        if not file_kind(place):
            raise StudyError("does not exist", place=(place,), remedy="name a study file, or a folder of studies")


def all_study_files(places: Sequence[Path]) -> list[Path]:
    """Return the study files of several places; one that links of folders lead to by several ways comes once."""
    kept: dict[Path, Path] = {}
    for place in places:
        for path in study_files(place):
            kept.setdefault(path.parent.resolve() / path.name, path)
    return list(kept.values())


def study_files(place: Path) -> list[Path]:
    """Return the study files of a place: a file itself; the ``study.toml`` of a folder, or else all that it holds."""
    if file_kind(place) != "folder":
        return [place]
    if file_kind(place / "study.toml") == "file":
        return [place / "study.toml"]
    levels = ("/".join(["*"] * depth + ["*.toml"]) for depth in range(DEPTH))
    found = (path for level in levels for path in sorted(place.glob(level)) if _is_study(path))
    return [path for path, _ in zip(found, range(MOST), strict=False)]


def _is_study(path: Path) -> bool:
    try:
        with readable(path).open("rb") as file:
            tables = {match.group().strip() for match in _TABLES.finditer(file.read(1 << 16))}
    except OSError:
        return False
    return b"[models]" in tables and len(tables) > 1

"""The studies that a server shows: files and folders as they were named, each under a name for its address."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.files import file_kind, readable
from studies.errors import StudyError
from studies.pages.reading.reader import StudyReader

MOST = 500
"""The most study files that a folder is searched for."""
DEPTH = 3
"""How many folders deep they may lie."""
_TABLES = re.compile(rb"^\s*\[(?:models|references|target|study)\]", re.MULTILINE)
"""What a study file has, and other TOML files have not: at least the models beside one of the others."""


class Library:
    """All studies of a server; folders are searched again at every call of `studies`."""

    def __init__(self, places: Sequence[Path]) -> None:
        """Take study files, or folders that hold some.

        Raises:
            StudyError: a place does not exist.
        """
        for place in places:
            if not file_kind(place):
                raise StudyError("does not exist", place=(place,), remedy="name a study file, or a folder of studies")
        self._places = tuple(place.resolve() for place in places)
        self._readers: dict[Path, StudyReader] = {}
        self._lock = threading.Lock()

    def studies(self) -> Mapping[str, StudyReader]:
        """Return the studies by the names that their addresses have, in the order of their files."""
        named: dict[str, StudyReader] = {}
        with self._lock:
            for file in dict.fromkeys(file for place in self._places for file in _files(place)):
                reader = self._readers.setdefault(file, StudyReader(file))
                named[_free(_slug(reader), named)] = reader
        return named


def _files(place: Path) -> list[Path]:
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


def _slug(reader: StudyReader) -> str:
    """The study's name for an address; where its file has mistakes, the last one, or else that of the file."""
    try:
        name = reader.spec().storage.name
    except StudyError:
        name = reader.last_name or (reader.file.parent.name if reader.file.name == "study.toml" else reader.file.stem)
    return re.sub(r"[^\w.-]+", "-", name).strip(".-") or "study"


def _free(name: str, taken: Mapping[str, object]) -> str:
    numbered = (f"{name}-{number}" if number > 1 else name for number in range(1, len(taken) + 2))
    return next(one for one in numbered if one not in taken)

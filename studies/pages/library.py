"""The studies that a server shows: files and folders as they were named, each under a name for its address."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from studies.errors import StudyError
from studies.pages.reading.reader import StudyReader
from studies.studyfile.listing import all_study_files, refuse_missing


class Library:
    """All studies of a server; folders are searched again at every call of `studies`."""

    def __init__(self, places: Sequence[Path]) -> None:
        """Take study files, or folders that hold some.

        Raises:
            StudyError: a place does not exist.
        """
        refuse_missing(places)
        self._places = tuple(place.resolve() for place in places)
        self._readers: dict[Path, StudyReader] = {}
        self._lock = threading.Lock()

    @property
    def places(self) -> tuple[Path, ...]:
        """The study files and folders that were named."""
        return self._places

    def studies(self) -> Mapping[str, StudyReader]:
        """Return the studies by the names that their addresses have, in the order of their files."""
        named: dict[str, StudyReader] = {}
        with self._lock:
            for file in all_study_files(self._places):
                reader = self._readers.setdefault(file, StudyReader(file))
                named[_free(_slug(reader), named)] = reader
        return named


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

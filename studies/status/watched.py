"""The studies that are watched: each with its journal as far as it was read, so that a second look is quick."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from engine.files import file_kind
from studies.errors import StudyError
from studies.status.journal_scan import JournalScan
from studies.status.status import StudyStatus, study_status
from studies.status.study_place import StudyPlace
from studies.studyfile.listing import study_files


class WatchedStudies:
    """Study files, and folders that hold some; folders are searched again at every look."""

    def __init__(self, places: Sequence[Path]) -> None:
        """Take study files and folders.

        Raises:
            StudyError: a place does not exist.
        """
        for place in places:
            if not file_kind(place):
                raise StudyError("does not exist", place=(place,), remedy="name a study file, or a folder of studies")
        self._places = tuple(places)
        self._scans: dict[Path, JournalScan] = {}

    def files(self) -> list[Path]:
        """Return the study files, as they are now."""
        return list(dict.fromkeys(file for place in self._places for file in study_files(place)))

    def look(self, *, size: bool = True, messages: bool = True) -> list[StudyStatus]:
        """Return how every study stands; arguments as for ``study_status``."""
        found: list[StudyStatus] = []
        for file in self.files():
            place = StudyPlace.of(file)
            journal = place.folder / "journal.log"
            scan = self._scans.setdefault(journal, JournalScan(journal))
            found.append(study_status(place, scan, size=size, messages=messages))
        return found

"""The studies that are watched: each with its journal as far as it was read, so that a second look is quick."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from studies.status.journal_scan import JournalScan
from studies.status.status import StudyScan, StudyStatus, folder_bytes, study_status
from studies.status.study_place import StudyPlace
from studies.studyfile.listing import all_study_files, refuse_missing


class WatchedStudies:
    """Study files, and folders that hold some; folders are searched again at every look. Several threads may look."""

    def __init__(self, places: Sequence[Path]) -> None:
        """Take study files and folders.

        Raises:
            StudyError: a place does not exist.
        """
        refuse_missing(places)
        self._places = tuple(places)
        self._scans: dict[Path, StudyScan] = {}
        self._sizes: dict[Path, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def files(self) -> list[Path]:
        """Return the study files, as they are now."""
        return all_study_files(self._places)

    def look(self, *, messages: bool = True, size_age_s: float = 0.0) -> list[StudyStatus]:
        """Return how every study stands.

        Args:
            messages: whether to read its log.
            size_age_s: how old the size of a folder may be, in seconds: many files take a while to add up.
        """
        with self._lock:
            return [self._look(file, size_age_s, messages=messages) for file in self.files()]

    def _look(self, file: Path, size_age_s: float, *, messages: bool) -> StudyStatus:
        place, now = StudyPlace.of(file), time.monotonic()
        scan = self._scan(place)
        seen, size = self._sizes.get(place.folder, (-math.inf, 0))
        if now - seen > size_age_s:
            size = folder_bytes(place.folder)
            self._sizes[place.folder] = (now, size)
        return study_status(place, scan, size_bytes=size, messages=messages)

    def _scan(self, place: StudyPlace) -> StudyScan:
        key = place.file if place.is_in_database else place.folder / "journal.log"
        if key not in self._scans:
            self._scans[key] = _database_scan(key) if place.is_in_database else JournalScan(key)
        return self._scans[key]


def _database_scan(file: Path) -> StudyScan:
    from studies.status.database_scan import DatabaseScan  # which needs Optuna; journals do not

    return DatabaseScan(file)

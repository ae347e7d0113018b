"""The disk of a study: what a trial and the proof need there, and a night that waits while it is full."""

from __future__ import annotations

import errno
import math
import shutil
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from engine.shots.shot import Shot
from studies.amounts import size_text, time_text
from studies.errors import StudyError, disk_problem
from studies.limits.deadline import Clock

R = TypeVar("R")

SHEET_BYTES = 0.25
"""Bytes a pixel of a contact sheet (WebP)."""
PICTURE_BYTES = 2.0
"""Bytes a pixel of a picture kept for the finalists' sheet (PNG)."""
RECORD_BYTES = 40_000
"""Bytes of a trial's record and features, beside its pictures."""
PATIENCE_S = 2 * 3600.0
"""Seconds for which a night waits for room on its disk, before it ends."""
POLL_S = 5.0
"""Seconds between two looks at a full disk."""
MARGIN_BYTES = 64_000_000
"""Bytes that are to stay free beside what is needed: for journals, reports and others who write there."""
PASSES = frozenset({errno.ENOSPC, errno.EDQUOT})
"""Errors of a full disk that end when somebody frees space."""


def trial_bytes(shots: Sequence[Shot]) -> int:
    """Return the bytes that a trial of these shots takes; its sheet is kept with its renders and as its artifact."""
    return int(2 * _pixels(shots) * SHEET_BYTES) + RECORD_BYTES


def proved_bytes(shots: Sequence[Shot]) -> int:
    """Return the bytes that one recipe of the proof takes, whose single pictures are kept."""
    return int(_pixels(shots) * (SHEET_BYTES + PICTURE_BYTES)) + RECORD_BYTES


def _pixels(shots: Sequence[Shot]) -> int:
    return sum(math.prod(shot.picture_size) for shot in shots)


class DiskWatch:
    """Lets a night wait for room; may be asked by its writer's thread."""

    def __init__(self, folder: Path, clock: Clock, say: Callable[[str], None], until: float | None = None) -> None:
        """Watch the disk of a folder; ``until`` is when the night ends, in seconds since 1970."""
        self._folder, self._clock, self._say, self._until = folder, clock, say, until
        self._given_up = threading.Event()

    def give_up(self) -> None:
        """Wait no more: the night ends."""
        self._given_up.set()

    def wait_for(self, needed: int, check: Callable[[], None] = lambda: None) -> None:
        """Wait until so many bytes are free, and some more.

        Args:
            needed: bytes.
            check: called again and again while it waits; may raise what ends the night.

        Raises:
            StudyError: they did not become free in time.
        """
        if self._free() >= needed + MARGIN_BYTES:
            return
        end = self._begin_waiting(f"{size_text(self._free())} are free, and {size_text(needed + MARGIN_BYTES)} needed")
        while self._free() < needed + MARGIN_BYTES:
            self._wait_or_end(end, None)
            check()
        self._say("there is room on the disk again")

    def patient(self, job: Callable[[], R]) -> R:
        """Do what writes, again and again while the disk is full; it must leave nothing half done where it fails.

        Raises:
            StudyError: the disk stayed full.
            OSError: anything else went wrong, or the night ends.
        """
        end: float | None = None
        while True:
            try:
                done = job()
            except OSError as error:
                if error.errno not in PASSES or self._given_up.is_set():
                    raise
                end = self._begin_waiting(error.strerror or "it is full") if end is None else end
                self._wait_or_end(end, error)
                continue
            if end is not None:
                self._say("there is room on the disk again")
            return done

    def _free(self) -> int:
        return shutil.disk_usage(self._folder).free

    def _begin_waiting(self, why: str) -> float:
        end = self._clock.now() + PATIENCE_S
        end = end if self._until is None else min(end, self._until)
        seconds = max(end - self._clock.now(), 0.0)
        self._say(f"{self._folder}: the disk is full ({why}); waiting {time_text(seconds)} at most for room")
        return end

    def _wait_or_end(self, end: float, error: OSError | None) -> None:
        if self._clock.now() >= end or self._given_up.is_set():
            raise StudyError(
                "the disk stayed full, and every finished trial is kept",
                place=(self._folder,),
                remedy="free some space, and run again; `[study] keep` says how many pictures are kept",
            ) from error
        self._clock.sleep(POLL_S)


@contextmanager
def disk_errors_named(folder: Path) -> Generator[None]:
    """Turn a full or unwritable disk into a message that also says that nothing is lost."""
    try:
        yield
    except OSError as error:
        problem = disk_problem(error, folder)
        if problem is None:
            raise
        what = f"{problem.what}, and every finished trial is kept"
        raise StudyError(what, place=problem.place, remedy=f"{problem.remedy}, and run again") from error

"""What takes seconds to work out of a study: in a thread, so that no page waits for it, and kept until trials come."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from engine.errors import ProblemError
from search.importance import FEWEST_SCORES
from studies.pages.reading.snapshot import Snapshot

T = TypeVar("T")

AGAIN_S = 60.0
"""Seconds after which it is worked out again while a night is at work, which needs the processor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FinderState(Generic[T]):
    """What is known at this moment."""

    found: T | None
    is_working: bool
    """Whether a newer one is being worked out."""
    problem: str = ""
    """Why there is none, for people."""


class Finder(Generic[T]):
    """Works out one thing of one study; keeps the newest."""

    def __init__(self, work: Callable[[Snapshot], T | None]) -> None:
        """``work`` takes the study; it returns None where there is nothing to tell."""
        self._work = work
        self._lock = threading.Lock()
        self._found: T | None = None
        self._problem = ""
        self._of: object = None
        self._begun = -AGAIN_S
        self._thread: threading.Thread | None = None

    def state(self, study: Snapshot) -> FinderState[T]:
        """Return the newest that is known, and begin to work out a newer one where it is time."""
        with self._lock:
            working = self._thread is not None and self._thread.is_alive()
            due = not study.is_at_work or time.monotonic() - self._begun >= AGAIN_S
            if not working and due and self._of != _trials_of(study) and len(study.scored) >= FEWEST_SCORES:
                self._of, self._begun = _trials_of(study), time.monotonic()
                self._thread = threading.Thread(target=self._find, args=(study,), daemon=True)
                self._thread.start()
                working = True
            return FinderState(found=self._found, is_working=working, problem=self._problem)

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait until nothing is being worked out."""
        if self._thread is not None:
            self._thread.join(timeout_s)

    def _find(self, study: Snapshot) -> None:
        found, problem = None, ""
        try:
            found = self._work(study)
        except ProblemError as error:
            problem = str(error)
        with self._lock:
            self._found, self._problem = found, problem


class FinderList(Generic[T]):
    """One thing of all studies of a server."""

    def __init__(self, work: Callable[[Snapshot], T | None]) -> None:
        """``work`` as for `Finder`."""
        self._work = work
        self._lock = threading.Lock()
        self._studies: dict[str, Finder[T]] = {}

    def of(self, key: str) -> Finder[T]:
        """Return the finder of a study."""
        with self._lock:
            return self._studies.setdefault(key, Finder(self._work))


def _trials_of(study: Snapshot) -> object:
    """What it is worked out from."""
    return len(study.scored), len(study.history), study.rescored, study.spec.search.space

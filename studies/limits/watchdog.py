"""A watchdog over work that hangs: a device that no longer answers, a scorer that never returns.

Every step of denoising is a beat. Where none comes for many times as long as it ever took, the process writes down
where all its threads are, and ends; what it had in work is taken up again. Time in which the process itself was
suspended (a laptop asleep, Ctrl+Z) does not count. What never lets go of Python's lock cannot be noticed from inside.
"""

from __future__ import annotations

import faulthandler
import os
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from studies.amounts import time_text

HUNG = 75
"""Exit status of a process that found itself hung: a temporary failure, after which the same command goes on."""
TIMES = 10.0
"""Work hangs when nothing happens for so many times the longest time that anything took before."""
SHORTEST_S = 15 * 60.0
"""Seconds of silence that are never taken for a hang."""
FIRST_S = 60 * 60.0
"""Seconds of silence that are a hang before the first work has ended: compiling and warming up take their time."""
POLLS = 100
"""How many times within the shortest limit the watchdog looks."""
LAST_WORDS_S = 30.0
"""Seconds for what is done before the end, such as marking the trial; it may hang as well."""


class Watchdog:
    """Watches the work of one process from a thread of its own."""

    def __init__(self, hung: Callable[[str], None], limit_s: float | None = None) -> None:
        """Watch nothing yet.

        Args:
            hung: called from another thread with the reason, for people; ends the process.
            limit_s: seconds of silence that are a hang; None: by what was usual; 0: none.
        """
        self._hung, self._limit_s = hung, limit_s
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = threading.Event()
        self._at: str | None = None
        self._silent_s = 0.0
        self._longest_s = 0.0
        self._is_warm = False

    @property
    def limit_s(self) -> float:
        """Seconds of silence that are a hang now."""
        if self._limit_s is not None:
            return self._limit_s
        return max(SHORTEST_S, TIMES * self._longest_s) if self._is_warm else FIRST_S

    def beat(self) -> None:
        """Say that the work goes on."""
        with self._lock:
            self._longest_s = max(self._longest_s, self._silent_s)
            self._silent_s = 0.0

    @contextmanager
    def watching(self, what: str) -> Generator[None]:
        """Watch the block; ``what`` says what is in work, for people. A block within a block is another piece of it."""
        if self._limit_s == 0:
            yield
            return
        self._start()
        before = self._at
        self.beat()
        self._at = what
        try:
            yield
            self._is_warm = True
        finally:
            self.beat()
            self._at = before

    @contextmanager
    def resting(self) -> Generator[None]:
        """Do not watch the block, which waits for something."""
        before, self._at = self._at, None
        try:
            yield
        finally:
            self.beat()
            self._at = before

    def close(self) -> None:
        """Watch no more."""
        self._closed.set()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
            self._thread.start()

    def _watch(self) -> None:
        poll = (SHORTEST_S if self._limit_s is None else self._limit_s) / POLLS
        looked = time.monotonic()
        while not self._closed.wait(poll):
            now = time.monotonic()
            with self._lock:
                # A longer time between two looks was one in which the whole process stood still.
                self._silent_s += min(now - looked, 2 * poll) if self._at is not None else 0.0
                is_hung = self._at is not None and self._silent_s > self.limit_s
            looked = now
            if is_hung:
                self._hung(f"{self._at} hangs: nothing has happened for {time_text(self._silent_s)}")
                return


def keep_stacks(folder: Path, reason: str) -> Path:
    """Write where all threads of this process are to a file in a study's folder; its first line is the reason."""
    path = folder / f"hung-{os.getpid()}.txt"
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{reason}\n\n")
        file.flush()
        faulthandler.dump_traceback(file=file, all_threads=True)
    return path


def do_in_time(last_words: Callable[[], None], seconds: float = LAST_WORDS_S) -> None:
    """Do something that may hang or fail as well, for so many seconds at most."""
    thread = threading.Thread(target=last_words, daemon=True)
    thread.start()
    thread.join(seconds)

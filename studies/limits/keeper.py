"""What may hold up a night, or end it, between two pieces of its work: requests, Ctrl+C, the disk, work that hangs."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path

from studies.limits.deadline import Clock
from studies.limits.disk import DiskWatch
from studies.limits.signals import PatientEnd
from studies.limits.watchdog import HUNG, Watchdog, do_in_time, keep_stacks
from studies.store.backends.requests import NightRequests

POLL_S = 2.0
"""Seconds between two checks whether a pause is over."""
STOPPED = "stopped as asked; run the same command again to go on"


class NightStopped(Exception):  # noqa: N818 - a person's wish, not an error
    """A stop was asked for, between two pieces of work; nothing is lost."""


class NightKeeper:
    """Stands between two pieces of a night's work."""

    def __init__(
        self,
        folder: Path,
        say: Callable[[str], None],
        *,
        requests: NightRequests,
        patient: PatientEnd,
        clock: Clock,
        until: float | None = None,
        hang_s: float | None = None,
        begin_again: Callable[[], None] = lambda: None,
    ) -> None:
        """Keep the night of a study's folder.

        Args:
            folder: of the study.
            say: takes a line for people.
            requests: what is asked of the night.
            patient: knows of Ctrl+C.
            clock: of the night.
            until: when the night is to end, in seconds since 1970.
            hang_s: seconds of silence that are a hang; None: by what was usual; 0: none.
            begin_again: puts a new process in the place of one that hangs; where it returns, the process ends.
        """
        self.patient, self.clock = patient, clock
        self.disk = DiskWatch(folder, clock, say, until)
        self.watchdog = Watchdog(self._hung, hang_s)
        self.lost: Callable[[str], None] = lambda _: None
        self.before_pause: Callable[[], None] = lambda: None
        self._folder, self._say, self._begin_again = folder, say, begin_again
        self._requests = requests
        self._needed = 0
        self._in_trial = False

    def need(self, needed: int) -> None:
        """Say how many bytes the disk is to have before a recipe is rendered."""
        self._needed = needed

    @contextmanager
    def working(self, what: str) -> Generator[None]:
        """Do a piece of work, which the first Ctrl+C lets end, and which the watchdog watches.

        Raises:
            KeyboardInterrupt: it has ended, and Ctrl+C was pressed meanwhile.
        """
        with self.patient.finishing(), self.watchdog.watching(what):
            yield

    @contextmanager
    def trying(self, what: str) -> Generator[None]:
        """Do a trial, which goes on to its end: nothing but a second Ctrl+C or a signal comes between its recipes."""
        with self.working(what):
            self._in_trial = True
            try:
                yield
            finally:
                self._in_trial = False

    def between(self) -> None:
        """Wait before the next recipe, or end the night, where that was asked for; within a trial nothing is.

        Raises:
            NightStopped: a stop is asked.
            KeyboardInterrupt: Ctrl+C was pressed.
            StudyError: the disk stayed full.
        """
        if self._in_trial:
            return
        with self.watchdog.resting():
            if not self.may_go_on():
                raise NightStopped(STOPPED)

    def may_go_on(self) -> bool:
        """Wait while a pause is asked or the disk is full; returns False when a stop is asked.

        Raises:
            KeyboardInterrupt: Ctrl+C was pressed.
            StudyError: the disk stayed full.
        """
        self.patient.end_if_asked()
        asked = self._requests.asked()
        if "pause" in asked:
            self.before_pause()
            self._say("paused as asked; `recipe-search resume` goes on")
        while "pause" in asked and "stop" not in asked:
            self.clock.sleep(POLL_S)
            self.patient.end_if_asked()
            asked = self._requests.asked()
        if "stop" in asked:
            return False
        self.disk.wait_for(self._needed, self.patient.end_if_asked)
        return True

    def close(self) -> None:
        """Watch no more."""
        self.disk.give_up()
        self.watchdog.close()

    def _hung(self, reason: str) -> None:
        """End this process, whose main thread no longer answers; or put a new one in its place."""
        stacks = keep_stacks(self._folder, reason)
        self._say(f"{reason}; where it hangs: {stacks}")
        do_in_time(lambda: self.lost(reason))
        self._begin_again()
        os._exit(HUNG)

"""Signals that end a night: a first Ctrl+C lets what is in work be finished, everything else ends it at once."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from types import FrameType

LOST = re.compile(r"Signal (\d+) ignored due to race condition")
"""What Python says of such a signal (``Modules/signalmodule.c``)."""
FINISHING = b"\nCtrl+C: what is in work is finished first; press it again to end at once\n"


class PatientEnd:
    """Whether somebody pressed Ctrl+C once, and whether something is in work that is finished before the end."""

    def __init__(self, first: Callable[[], None] = lambda: None) -> None:
        """``first`` is called, in the signal's handler, when Ctrl+C is pressed while something is in work."""
        self._first = first
        self._depth = 0
        self.is_asked = False

    @contextmanager
    def finishing(self) -> Generator[None]:
        """Let a first Ctrl+C wait until the block has ended.

        Raises:
            KeyboardInterrupt: it has ended, and Ctrl+C was pressed meanwhile.
        """
        with self.putting_off():
            yield
        self.end_if_asked()

    @contextmanager
    def putting_off(self) -> Generator[None]:
        """Let a first Ctrl+C wait for ``end_if_asked``, in the block or after it."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1

    def end_if_asked(self) -> None:
        """End where Ctrl+C was pressed.

        Raises:
            KeyboardInterrupt: it was.
        """
        if self.is_asked:
            raise KeyboardInterrupt("Ctrl+C")

    def put_off(self) -> bool:
        """Note Ctrl+C; returns whether the end waits for what is in work, which it does once."""
        if self.is_asked or not self._depth:
            return False
        self.is_asked = True
        with suppress(OSError):
            os.write(2, FINISHING)  # print could be in the middle of a line here
        self._first()
        return True


def resend_lost_signals() -> None:
    """Let a signal that comes while its handler is taken away go to what handles it now, until the program ends.

    Python has noted it for the old handler, does not find that any more, and would print a traceback and forget it.
    """
    before = sys.unraisablehook

    def resend(problem: sys.UnraisableHookArgs) -> None:
        if lost := LOST.fullmatch(str(problem.exc_value)):
            signal.raise_signal(int(lost[1]))
        else:
            before(problem)

    sys.unraisablehook = resend


@contextmanager
def termination_as_interrupt(patient: PatientEnd | None = None) -> Generator[None]:
    """Let a termination signal, or a closed terminal, end the night as Ctrl+C does: the trial in flight is marked.

    Only the first of them ends it: a further Ctrl+C would break into the end, and leave locks and half a record. What a
    library makes of it where it was interrupted, such as a ValueError while safetensors reads, is the interrupt still.

    Args:
        patient: lets the first Ctrl+C wait for what is in work; None: it ends at once.
    """
    ending = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal ending
        if ending or (number == signal.SIGINT and patient is not None and patient.put_off()):
            return
        ending = True
        _tell_outer(before.get(signal.SIGINT), number, frame)
        raise KeyboardInterrupt(f"signal {number}")

    hang_up = getattr(signal, "SIGHUP", None)  # a terminal was closed; nohup ignores that, and so it stays
    numbers = [signal.SIGTERM, *([hang_up] if hang_up and signal.getsignal(hang_up) == signal.SIG_DFL else [])]
    numbers += [signal.SIGINT] if signal.getsignal(signal.SIGINT) != signal.SIG_IGN else []
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if ending and isinstance(error := sys.exception(), Exception):
            raise KeyboardInterrupt("turned into another error by what it interrupted") from error


def _tell_outer(outer: object, number: int, frame: FrameType | None) -> None:
    """Let the handler around this one know, which may raise the interrupt itself."""
    if callable(outer):
        outer(number, frame)

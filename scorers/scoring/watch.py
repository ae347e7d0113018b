"""Code of a user's own, run so that it can neither hang for ever nor end the program without a word.

A Python function cannot be stopped from outside in every case. Three means follow one another:

1. In the main thread, where the system has alarms, an exception is raised inside the code when its time is up. That
   ends all Python code, and waiting for the network or a disk, but not one long call into compiled code.
2. `GRACE_S` later, or at once where there are no alarms, the process writes the scorer's name and ends itself, as if it
   was killed: the trial in work is tried again by the next night, or by another worker.
3. `GRACE_S` after that, where compiled code keeps all threads of Python from running, Python's own fault handler writes
   where the code is, and ends the process.

``sys.exit``, ``os._exit`` and a KeyboardInterrupt of the code's own become errors. Ctrl+C and signals stay what they
are.
"""

from __future__ import annotations

import faulthandler
import os
import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from scorers.errors import ScorerError

TIME_LIMIT_S = 600.0
"""Seconds that one call of a user's scorer may take, unless a setting says otherwise."""
GRACE_S = 30.0
"""Seconds between two means to stop it."""
ENDED = 70
"""Exit status of a process that ended itself since a scorer did not stop; EX_SOFTWARE of sysexits.h."""
_REMEDY = "mend it, or give it more time: time_limit in [scorers]"
_STDERR = 2
_real_exit = os._exit


class _TimeIsUpError(BaseException):
    """Raised inside the code; no Exception, since code that goes on after every Exception would go on after this."""


class _ExitError(BaseException):
    """What ``os._exit`` raises inside the code."""


@contextmanager
def watched(name: str, limit_s: float) -> Generator[None]:
    """Run a user's code in this block.

    Args:
        name: of the scorer, for what is written when the process ends; errors come without it.
        limit_s: seconds that it may take; 0: as long as it likes.

    Raises:
        ScorerError: it took too long, or tried to end the program.
    """
    asked: list[int] = []
    try:
        with _ended_after(name, limit_s), _exits_caught(), _signals_noted(asked), _interrupted_after(limit_s):
            yield
    except _TimeIsUpError:
        raise ScorerError(f"gave no answer in {limit_s:g} s", remedy=_REMEDY) from None
    except _ExitError as error:
        raise ScorerError(f"tried to end the program: os._exit({error})") from error
    except SystemExit as error:
        raise ScorerError(f"tried to end the program: sys.exit({error})") from error
    except KeyboardInterrupt as error:
        if asked:
            raise
        raise ScorerError("raised a KeyboardInterrupt of its own") from error


def _has_alarms() -> bool:
    """Whether an alarm can raise an exception here: in the main thread, on systems with ``SIGALRM``."""
    return hasattr(signal, "SIGALRM") and threading.current_thread() is threading.main_thread()


@contextmanager
def _interrupted_after(limit_s: float) -> Generator[None]:
    """The first means; an alarm that was set already goes on afterwards."""
    if not limit_s or not _has_alarms():
        yield
        return

    def raise_in_code(number: int, frame: FrameType | None) -> NoReturn:
        raise _TimeIsUpError

    handler, started = signal.signal(signal.SIGALRM, raise_in_code), time.monotonic()
    left, interval = signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        try:
            signal.setitimer(signal.ITIMER_REAL, 0)
        finally:
            signal.signal(signal.SIGALRM, handler)
            if left:
                signal.setitimer(signal.ITIMER_REAL, max(0.001, left - (time.monotonic() - started)), interval)


@contextmanager
def _ended_after(name: str, limit_s: float) -> Generator[None]:
    """The second and third means."""
    if not limit_s:
        yield
        return
    patience = limit_s + (GRACE_S if _has_alarms() else 0.0)

    def end() -> None:
        text = (
            f"scorer {name!r} gave no answer in {limit_s:g} s and cannot be stopped, so this process ends; {_REMEDY}\n"
        )
        os.write(_STDERR, text.encode(errors="backslashreplace"))
        _real_exit(ENDED)

    timer = threading.Timer(patience, end)
    timer.daemon = True
    timer.start()
    faulthandler.dump_traceback_later(patience + GRACE_S, exit=True, file=_STDERR)
    try:
        yield
    finally:
        timer.cancel()
        faulthandler.cancel_dump_traceback_later()


@contextmanager
def _exits_caught() -> Generator[None]:
    """Let ``os._exit`` raise meanwhile; processes that the code forks end by it as they must."""
    own = os.getpid()

    def caught(status: int) -> NoReturn:
        if os.getpid() != own:
            _real_exit(status)
        raise _ExitError(status)

    before, os._exit = os._exit, caught
    try:
        yield
    finally:
        os._exit = before


@contextmanager
def _signals_noted(asked: list[int]) -> Generator[None]:
    """Note the signals that ask this program to stop, so that a KeyboardInterrupt of theirs is told from others."""
    if threading.current_thread() is not threading.main_thread():
        asked.append(signal.SIGINT)  # only the main thread gets one, so here nobody can tell
        yield
        return
    names = [getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP")]
    before = {number: signal.getsignal(number) for number in names if number is not None}

    def noting(handler: Callable[[int, FrameType | None], object]) -> Callable[[int, FrameType | None], None]:
        def note(number: int, frame: FrameType | None) -> None:
            asked.append(number)
            handler(number, frame)

        return note

    own = {number: noting(handler) for number, handler in before.items() if callable(handler)}
    try:
        for number, handler in own.items():
            signal.signal(number, handler)
        yield
    finally:
        for number in own:
            signal.signal(number, before[number])

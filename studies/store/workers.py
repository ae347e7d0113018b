"""The workers of a study, processes that search it together, each with a file lock that shows that it lives.

The operating system holds the lock for as long as the process is there, and lets go of it the moment the process ends,
however it ends; a process that is only stalled (a laptop asleep, Ctrl+Z) still has it. So a trial in work is lost when
its worker's lock is free, and there are no clocks, no heartbeats and no periods of grace. All locks of a study lie in
its folder `locks`; they hold between the processes of one machine.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock

from studies.errors import StudyError
from studies.store.journal import lock_file, repair

PATIENCE_S = 2.0
"""Seconds for which a lock that is usually held for a moment is waited for in silence."""


class BusyError(StudyError):
    """Another process has what only one can have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One process of those that search a study."""

    folder: Path
    """Of the study."""
    name: str
    """Unlike that of any other worker, dead ones too; begins with the number of the process."""
    since: float
    """When it joined, in seconds as `time.time` counts them."""

    @contextmanager
    def turn(self) -> Generator[None]:
        """Let no other worker ask for a trial meanwhile; all wait for one that is stalled right here."""
        with held(self.folder, "turn"):
            yield

    def others(self) -> frozenset[str]:
        """Names of the other workers that live."""
        return at_work(self.folder, besides=self.name)


@contextmanager
def joined(folder: Path, waiting: Callable[[], None]) -> Generator[Worker]:
    """Be a worker of a study; the first one repairs the journal, since nobody else writes.

    Args:
        folder: of the study.
        waiting: called once if another command has the whole study; it is waited for.
    """
    worker = Worker(folder=folder, name=f"{os.getpid()}-{secrets.token_hex(2)}", since=time.time())
    path = _path_of(worker.name, folder)
    lock = filelock.FileLock(path)
    with held(folder, "night", patience_s=PATIENCE_S, busy=waiting):
        if not at_work(folder):
            for left_behind in path.parent.glob("worker-*.lock"):
                left_behind.unlink()
            repair(folder / "journal.log")
        lock.acquire()
    try:
        yield worker
    finally:
        lock.release()
        path.unlink(missing_ok=True)


@contextmanager
def alone(folder: Path) -> Generator[None]:
    """Have a study for this process alone: no worker is at it, and none begins.

    Raises:
        BusyError: a worker is at it, or another command.
    """

    def refuse(who: str = "another `recipe-search` command is") -> None:
        raise BusyError(f"{who} working on this study", place=(folder,), remedy="wait for it, or stop it first")

    with held(folder, "night", busy=refuse):
        if workers := at_work(folder):
            count = len(workers)
            refuse("another `recipe-search run` is" if count == 1 else f"{count} `recipe-search run` are")
        yield


@contextmanager
def held(
    folder: Path, name: str, *, patience_s: float = 0.0, busy: Callable[[], None] = lambda: None
) -> Generator[None]:
    """Hold one of the study's locks.

    Args:
        folder: of the study.
        name: of the lock.
        patience_s: seconds before ``busy`` is called.
        busy: called once if another process has the lock, which is then waited for unless this raises.
    """
    lock = filelock.FileLock(lock_file(folder, name))
    try:
        lock.acquire(timeout=patience_s)
    except filelock.Timeout:
        busy()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def at_work(folder: Path, besides: str = "") -> frozenset[str]:
    """Names of the workers of a study that live, but for one."""
    names = [path.stem.removeprefix("worker-") for path in (folder / "locks").glob("worker-*.lock")]
    return frozenset(name for name in names if name != besides and _lives(_path_of(name, folder)))


def _path_of(name: str, folder: Path) -> Path:
    return lock_file(folder, f"worker-{name}")


def _lives(path: Path) -> bool:
    try:
        with filelock.FileLock(path, timeout=0):
            return False
    except filelock.Timeout:
        return True

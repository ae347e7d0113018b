"""The workers of a study, processes that search it together, each with a file lock that shows that it lives.

The operating system holds the lock for as long as the process is there, and lets go of it the moment the process ends,
however it ends; a process that is only stalled (a laptop asleep, Ctrl+Z) still has it. So a trial in work is lost when
its worker's lock is free, and there are no clocks, no heartbeats and no periods of grace. All locks of a study lie in
its folder `locks`; they hold between the processes of one machine, so a worker's name says its machine, and what
another machine left there is refused: whether it lives cannot be told from here.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from engine.files import remove_left_behind
from studies.errors import StudyError
from studies.store.backends.journal.journal import cut_torn_record, journal_of
from studies.store.backends.locks import Machine, NoLocksError, file_lock, held, is_held, lock_file, taken, this_machine

PATIENCE_S = 2.0
"""Seconds for which a lock that is usually held for a moment is waited for in silence."""
WORKER, ALONE = "worker", "alone"
"""What the names of the locks begin with that show who is at a study: a worker, or a command that has it for itself."""


class BusyError(StudyError):
    """Another process has what only one can have."""


class ElsewhereError(BusyError):
    """Another machine is at the study, or was when its process was killed."""


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
        """Let no other worker ask for a trial meanwhile; all wait for one that is stalled right here.

        Raises:
            ElsewhereError: a process of another machine came to the study.
        """
        with held(self.folder, "turn"):
            refuse_elsewhere(self.folder)
            yield

    def others(self) -> frozenset[str]:
        """Names of the other workers that live."""
        return at_work(self.folder, besides=self.name)


@contextmanager
def joined(folder: Path, waiting: Callable[[], None]) -> Generator[Worker]:
    """Be a worker of a study; the first one cuts off what was never finished, since nobody else writes.

    Args:
        folder: of the study.
        waiting: called once if another command has the whole study; it is waited for.

    Raises:
        NoLocksError: the folder's file system has no locks.
        ElsewhereError: another machine is at the study.
    """
    worker = Worker(folder=folder, name=_new_name(), since=time.time())
    with ExitStack() as presence:
        with held(folder, "night", patience_s=PATIENCE_S, busy=waiting):
            refuse_elsewhere(folder)
            _clear(folder, ALONE)
            if not at_work(folder):
                _clear(folder, WORKER)
                cut_torn_record(journal_of(folder))
                remove_left_behind(folder, below=True)
            presence.enter_context(_present(folder, f"{WORKER}-{worker.name}"))
        refuse_elsewhere(folder)  # both may have looked before either was there
        yield worker


@contextmanager
def alone(folder: Path) -> Generator[None]:
    """Have a study for this process alone: no worker is at it, and none begins.

    Raises:
        BusyError: a worker is at it, or another command.
        NoLocksError: the folder's file system has no locks.
    """

    def refuse(who: str = "another `recipe-search` command is") -> None:
        raise BusyError(f"{who} working on this study", place=(folder,), remedy="wait for it, or stop it first")

    with held(folder, "night", busy=refuse):
        refuse_elsewhere(folder)
        if workers := at_work(folder):
            count = len(workers)
            refuse("another `recipe-search run` is" if count == 1 else f"{count} `recipe-search run` are")
        _clear(folder, ALONE)
        with _present(folder, f"{ALONE}-{_new_name()}"):
            refuse_elsewhere(folder)
            yield


@contextmanager
def _present(folder: Path, name: str) -> Generator[None]:
    """Show that this process is there; the lock's file vanishes when it ends well."""
    path = lock_file(folder, name)
    lock = file_lock(path)
    taken(lock)
    try:
        yield
    finally:
        lock.release()
        path.unlink(missing_ok=True)


def _clear(folder: Path, kind: str) -> None:
    """Delete the locks of processes of one kind, all of which have ended."""
    for left_behind in (folder / "locks").glob(f"{kind}-*.lock"):
        left_behind.unlink(missing_ok=True)


def _new_name() -> str:
    return f"{os.getpid()}-{secrets.token_hex(2)}-{this_machine()}"


def refuse_elsewhere(folder: Path) -> None:
    """Refuse a study that a process of another machine is at, or was at when it was killed.

    Raises:
        ElsewhereError: names that machine.
    """
    for path in sorted((folder / "locks").glob("*-*-*-*-*.lock")):
        machine = Machine.parse(path.stem.split("-", 3)[3])
        if machine is not None and not machine.is_same_as(this_machine()):
            raise ElsewhereError(
                f"the machine {machine.host} works on this study too, or did when it was stopped; locks do not reach "
                "from one machine to another",
                place=(folder,),
                remedy=f"run it on one machine only; if none of it runs on {machine.host} any more, delete {path}",
            )


def at_work(folder: Path, besides: str = "") -> frozenset[str]:
    """Names of the workers of a study that live, but for one; those of which nobody can tell count as living."""
    names = [path.stem.removeprefix(f"{WORKER}-") for path in (folder / "locks").glob(f"{WORKER}-*.lock")]
    return frozenset(name for name in names if name != besides and _lives(lock_file(folder, f"{WORKER}-{name}")))


def _lives(path: Path) -> bool:
    machine = Machine.parse("-".join(path.stem.split("-")[3:]))
    if machine is not None and not machine.is_same_as(this_machine()):
        return True
    try:
        return is_held(path)
    except NoLocksError:
        return True

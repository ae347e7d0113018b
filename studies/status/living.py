"""Which workers of a study live, seen without taking a lock and without writing anything."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from engine.files import readable
from studies.store.backends.locks import Machine, is_held, this_machine

_PREFIX = "worker-"
"""How the names of workers' locks begin; see ``studies.store.backends.journal.workers``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LivingWorker:
    """A process that searches a study."""

    name: str
    """As its trials have it."""
    process: int
    """Number of the process on its machine; 0 where the name does not say it."""
    machine: str
    """Name of its machine; "" where the name does not say it."""
    since: datetime
    """When it joined, with the zone."""


def living_workers(folder: Path) -> tuple[LivingWorker, ...]:
    """Return the workers of a study's folder that live, the first to join first.

    A worker of another machine counts as living: nobody can tell from here.
    """
    found = (_living(path) for path in (folder / "locks").glob(f"{_PREFIX}*.lock"))
    return tuple(sorted((one for one in found if one is not None), key=lambda one: (one.since, one.name)))


def worker_of(name: str, since: datetime) -> LivingWorker:
    """Return what a worker's name says of it: number of its process, and its machine."""
    process, _, rest = name.partition("-")
    machine = Machine.parse(rest.partition("-")[2])
    return LivingWorker(
        name=name,
        process=int(process) if rest and process.isdigit() else 0,
        machine=machine.host if machine else "",
        since=since,
    )


def _living(path: Path) -> LivingWorker | None:
    name = path.stem.removeprefix(_PREFIX)
    machine = Machine.parse(name.partition("-")[2].partition("-")[2])
    try:
        if (machine is None or machine.is_same_as(this_machine())) and not _is_locked(path):
            return None
        since = datetime.fromtimestamp(path.stat().st_mtime, UTC).astimezone()
    except OSError:  # it ended meanwhile
        return None
    return worker_of(name, since)


def _is_locked(path: Path) -> bool:
    """Whether a process has a lock; the lock is asked for as a reader, and let go of at once.

    Raises:
        OSError: the file is gone.
    """
    if sys.platform == "win32":  # it cannot tell a reader
        return is_held(path)
    import fcntl

    with readable(path).open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False

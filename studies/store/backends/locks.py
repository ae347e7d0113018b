"""The locks of a study: files that the operating system locks for one process at a time, and lets go when it ends.

They hold between the processes of one machine. A file system that has no locks is refused, since a file that merely
exists says nothing of whether its process lives.
"""

from __future__ import annotations

import errno
import hashlib
import platform
import re
import sys
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

import filelock

from studies.errors import CLOSED, StudyError

BOOT = Path("/proc/sys/kernel/random/boot_id")
"""Where Linux has the id of the running system, which a restart changes and which containers share."""
MISSING = frozenset({errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP})
"""What a file system without locks answers."""


class NoLocksError(StudyError):
    """The file system of a study's folder has no locks."""


class ReadOnlyError(StudyError):
    """A study's folder cannot be written, so no lock in it can be taken."""


def lock_file(folder: Path, name: str) -> Path:
    """Where a lock of a study lies."""
    return folder / "locks" / f"{name}.lock"


def file_lock(path: Path) -> filelock.BaseFileLock:
    """A lock of the operating system; take it with `taken`."""
    return filelock.FileLock(path, fallback_to_soft=False)


def taken(lock: filelock.BaseFileLock, *, timeout_s: float = -1, poll_s: float = 0.05) -> None:
    """Take a lock.

    Args:
        lock: of `file_lock`.
        timeout_s: seconds to wait for it; below 0: for ever.
        poll_s: seconds between two tries.

    Raises:
        filelock.Timeout: another process has it.
        NoLocksError: its file system has no locks.
        ReadOnlyError: its folder cannot be written.
    """
    try:
        lock.acquire(timeout=timeout_s, poll_interval=poll_s)
    except NotImplementedError as error:
        raise _no_locks(_study_of(lock)) from error
    except OSError as error:
        if error.errno in CLOSED:
            raise _read_only(lock, error) from error
        if error.errno not in MISSING:
            raise
        raise _no_locks(_study_of(lock)) from error
    if isinstance(lock, filelock.SoftFileLock):  # versions that do not know `fallback_to_soft`
        lock.release()
        raise _no_locks(_study_of(lock))


def _study_of(lock: filelock.BaseFileLock) -> Path:
    """The folder of the study that a lock is of."""
    return Path(lock.lock_file).parent.parent


def _no_locks(folder: Path) -> NoLocksError:
    return NoLocksError(
        "the file system of this folder has no locks, so nobody could tell who works on the study",
        place=(folder,),
        remedy="put [study] folder on a local disk",
    )


def refuse_no_locks(folder: Path) -> None:
    """Try a lock where a study's folder is, or will be made.

    Raises:
        NoLocksError: the file system there has none.
    """
    place = next(path for path in (folder, *folder.parents) if path.is_dir())
    with suppress(OSError), TemporaryDirectory(prefix=".recipe-search-", dir=place) as temporary:
        lock = file_lock(Path(temporary) / "tried.lock")
        try:
            taken(lock, timeout_s=0)
        except NoLocksError as error:
            raise _no_locks(folder) from error
        lock.release()


def _read_only(lock: filelock.BaseFileLock, error: OSError) -> ReadOnlyError:
    return ReadOnlyError(
        f"cannot be written ({error.strerror}), so this study can be looked at, but not worked on",
        place=(_study_of(lock),),
        remedy="allow writing there, or copy the folder and set [study] folder",
    )


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

    Raises:
        NoLocksError: the folder's file system has no locks.
    """
    lock = file_lock(lock_file(folder, name))
    try:
        taken(lock, timeout_s=patience_s)
    except filelock.Timeout:
        busy()
        taken(lock)
    try:
        yield
    finally:
        lock.release()


def is_held(path: Path) -> bool:
    """Whether a process has a lock; also where this user may only read it.

    Raises:
        NoLocksError: the folder's file system has no locks.
    """
    lock = file_lock(path)
    try:
        taken(lock, timeout_s=0)
    except filelock.Timeout:
        return True
    except ReadOnlyError:
        return _is_held_by_a_writer(path)
    lock.release()
    return False


def _is_held_by_a_writer(path: Path) -> bool:
    """Whether a process has a lock that cannot be taken here; False where the system cannot tell a reader."""
    if sys.platform == "win32":
        return False
    import fcntl

    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False  # closing the file lets go of it


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The machine that a process runs on, as far as locks reach."""

    boot: str
    """Eight hex digits of the running system, which containers on it share; "" where it has no such id."""
    card: str
    """Eight hex digits of its name and network card, which stay when it is started again."""
    host: str
    """Its name."""

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read what `str` gives; None where it is something else."""
        found = re.fullmatch(r"([0-9a-f]{8}|0)-([0-9a-f]{8})-(.+)", text)
        if found is None:
            return None
        return cls(boot="" if found[1] == "0" else found[1], card=found[2], host=found[3])

    def __str__(self) -> str:
        return f"{self.boot or '0'}-{self.card}-{self.host}"

    def is_same_as(self, other: Machine) -> bool:
        """Whether both see each other's locks: one running system, or one machine before and after a restart."""
        return bool(self.boot and self.boot == other.boot) or self.card == other.card


@cache
def this_machine() -> Machine:
    """The machine that this process runs on."""
    host = platform.node() or "unknown"
    try:
        boot = _digest(BOOT.read_text(encoding="ascii"))
    except OSError:
        boot = ""
    plain = re.sub(r"[^A-Za-z0-9.-]", "_", host)[:40]
    return Machine(boot=boot, card=_digest(f"{host} {uuid.getnode()}"), host=plain)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]

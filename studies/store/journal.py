"""The journal of a study's trials as a file that several processes append to, and that a full disk may have torn."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import filelock
from optuna.storages.journal import JournalFileOpenLock

from engine.files import replaced

log = logging.getLogger(__name__)


def lock_file(folder: Path, name: str) -> Path:
    """Where a lock of a study lies."""
    return folder / "locks" / f"{name}.lock"


class JournalLock(JournalFileOpenLock):
    """Who appends to the journal: one process at a time, and always after a whole record.

    Optuna's own lock files stay when their holder is killed, and others break them after half a minute, be the holder
    only stalled. This lock is the operating system's. A record that its writer could not finish (the disk was full) is
    cut off here, since Optuna would append to it and lose both.
    """

    def __init__(self, journal: Path) -> None:
        """``journal`` is the file; the lock lies in the study's folder ``locks``."""
        super().__init__(str(journal))
        self._journal = journal
        self._lock = filelock.FileLock(lock_file(journal.parent, "journal"))

    def acquire(self) -> bool:
        """Wait for the lock."""
        self._lock.acquire(poll_interval=0.005)
        try:
            _cut_tail(self._journal)
        except BaseException:
            self._lock.release()
            raise
        return True

    def release(self) -> None:
        """Let others append."""
        self._lock.release()


def _cut_tail(journal: Path) -> None:
    with journal.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        if not size or (file.seek(size - 1) and file.read() == b"\n"):
            return
        file.seek(0)
        whole = file.read().rfind(b"\n") + 1
        file.truncate(whole)
        log.warning("%s: dropped %d bytes of a record that was never finished", journal, size - whole)


def is_writable(path: Path) -> bool:
    """Whether a file that is there can be appended to, by this user and on this file system."""
    try:
        with path.open("ab"):
            return True
    except OSError:
        return False


def repair(journal: Path) -> int:
    """Drop the records of a journal that were never finished: a power cut or a full disk leaves such a line.

    Call it only where no worker writes. Optuna cannot read past such a line, and what is appended to one is lost with
    it; our own processes cut it off first (``JournalLock``), others that write to the journal may not.

    Returns:
        The number of bytes dropped.
    """
    if not journal.exists():
        return 0
    lines = journal.read_bytes().splitlines(keepends=True)
    whole = [line for line in lines if _is_record(line)]
    dropped = sum(map(len, lines)) - sum(map(len, whole))
    if dropped:
        with replaced(journal) as temporary:
            temporary.write_bytes(b"".join(whole))
        log.warning("%s: dropped %d bytes of records that were never finished", journal, dropped)
    return dropped


def _is_record(line: bytes) -> bool:
    if not line.endswith(b"\n"):
        return False
    try:
        json.loads(line)
    except ValueError:
        return False
    return True

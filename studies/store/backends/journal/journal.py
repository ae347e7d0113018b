"""The journal of a study's trials as a file that several processes append to, and that a full disk may have torn."""

from __future__ import annotations

import json
import logging
import os
import re
import shutil
import threading
from collections.abc import Generator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from engine.errors import counted
from engine.files import file_kind, replaced
from studies.errors import StudyError
from studies.store.backends.journal.journal_records import (
    CREATES_STUDY,
    JournalContent,
    is_torn,
    read_journal,
    read_records,
    sound_records,
)
from studies.store.backends.journal.rebuild import rebuilt
from studies.store.backends.locks import file_lock, lock_file, taken

log = logging.getLogger(__name__)


REPAIR = "`recipe-search run --repair`"
"""The command that mends a journal."""
SHOWN = 5
"""The most damaged lines that a message names."""


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
        self._lock = file_lock(lock_file(journal.parent, "journal"))

    def acquire(self) -> bool:
        """Wait for the lock."""
        taken(self._lock, poll_s=0.005)
        try:
            _cut_tail(self._journal)
        except BaseException:
            self._lock.release()
            raise
        return True

    def release(self) -> None:
        """Let others append."""
        self._lock.release()


class JournalFile(JournalFileBackend):
    """The journal's file, as Optuna's storage reads and writes it; a thread can have many records written at once."""

    def __init__(self, journal: Path) -> None:
        """``journal`` is the file, which is made where it is not there."""
        super().__init__(str(journal), lock_obj=JournalLock(journal))
        self._gathered = threading.local()

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write records and wait until they are on the disk, or gather them for the end of `one_write`."""
        gathered: list[dict[str, Any]] | None = getattr(self._gathered, "records", None)
        if gathered is None:
            super().append_logs(logs)
        else:
            gathered.extend(logs)

    @contextmanager
    def one_write(self) -> Generator[None]:
        """Gather this thread's records in the block, and write them at its end; none where the block fails.

        They are read, by this thread too, only when they are written. What a kill or a full disk leaves of them is a
        beginning, in order. A block within a block belongs to the outer one.
        """
        if getattr(self._gathered, "records", None) is not None:
            yield
            return
        records = self._gathered.records = list[dict[str, Any]]()
        try:
            yield
        finally:
            self._gathered.records = None
        if records:
            super().append_logs(records)


def _cut_tail(journal: Path) -> None:
    """Cut off a record that was never finished; a last line that is something else is ended, and stays to be read."""
    with journal.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        if not size or (file.seek(size - 1) and file.read() == b"\n"):
            return
        file.seek(0)
        text = file.read()
        whole = text.rfind(b"\n") + 1
        if is_torn(text[whole:]):
            file.truncate(whole)
            log.info("%s: dropped %d bytes of a record that was never finished", journal, size - whole)
        else:
            file.write(b"\n")


def is_writable(path: Path) -> bool:
    """Whether a file that is there can be appended to, by this user and on this file system."""
    try:
        with path.open("ab"):
            return True
    except OSError:
        return False


def cut_torn_record(journal: Path) -> None:
    """Cut off a last record that was never finished: a killed process, a power cut or a full disk leaves such a line.

    Call it only where no worker writes.
    """
    if journal.exists():
        _cut_tail(journal)


def journal_of(folder: Path) -> Path:
    """The journal of a study's folder.

    Raises:
        StudyError: a folder, a pipe or a device is in its place.
    """
    journal = folder / "journal.log"
    if (kind := file_kind(journal)) not in ("", "file"):
        raise StudyError(f"is a {kind}, not a file", place=(journal,), remedy="move it away, and restore the journal")
    return journal


def refuse_damage(folder: Path, name: str) -> None:
    """Refuse a study whose journal holds damaged records, or is empty where a study was run.

    Args:
        folder: of the study.
        name: of the study.

    Raises:
        StudyError: says how many trials can be read, and how to mend the journal.
    """
    journal = journal_of(folder)
    records = sound_records(journal) if journal.exists() else 0
    if records is None:
        content = read_journal(journal)
        left = rebuilt(content, name)
        numbers = ", ".join(map(str, content.damaged[:SHOWN])) + ", ..." * (len(content.damaged) > SHOWN)
        plural = "s" * (len(content.damaged) > 1)
        raise StudyError(
            f"{counted(len(content.damaged), 'line')} of the journal cannot be read (line{plural} {numbers}); "
            f"{counted(left.trials, 'finished trial')} can, {left.lost} cannot",
            place=(journal,),
            remedy=f"restore it from a backup, or let {REPAIR} keep a copy of it and everything that can be read",
        )
    if records == 0 and (left_over := _signs_of_a_study(folder)):
        raise StudyError(
            f"{'is empty' if journal.exists() else 'is gone'}, but {left_over.name} says that a study was run here",
            place=(journal,),
            remedy=f"restore it from a backup, or let {REPAIR} set the outcome aside and begin the search anew",
        )


def refuse_other_study(folder: Path, name: str) -> None:
    """Refuse a folder whose journal another study began.

    Raises:
        StudyError: names that study.
    """
    journal = journal_of(folder)
    content = JournalContent()
    if journal.exists():
        with journal.open("rb") as file:
            content = read_records([file.readline()])
    owner = next((one["study_name"] for one in content.records if "study_name" in one), name)
    if owner != name:
        raise StudyError(
            f'this folder holds the study "{owner}", and this one is called "{name}"',
            place=(folder,),
            remedy="give it a [study] folder of its own, or the name of that study",
        )


def studies_in(folder: Path) -> tuple[str, ...]:
    """The names of the studies that a folder's journal holds, later scorings left out: more than one is a mistake."""
    journal = journal_of(folder)
    lines = journal.read_bytes().split(b"\n") if journal.exists() else []
    records = read_records([line for line in lines if line.startswith(CREATES_STUDY)]).records
    names = [record["study_name"] for record in records if "study_name" in record]
    return tuple(dict.fromkeys(name for name in names if not re.search(r" \(rescored \d+\)$", name)))


def _signs_of_a_study(folder: Path) -> Path | None:
    """A file that only a study with trials writes."""
    names = ("outcome.json", "finalists.png", "picks.jsonl", "pins/*.json", "artifacts/*")
    return next((path for name in names for path in sorted(folder.glob(name))), None)


def repair(folder: Path, name: str) -> str:
    """Write a damaged journal anew from what can be read of it, beside a copy of the damaged one.

    Call it only where no worker writes.

    Args:
        folder: of the study.
        name: of the study.

    Returns:
        What was done, for people.
    """
    journal = journal_of(folder)
    content = read_journal(journal) if journal.exists() else JournalContent()
    if not content.damaged and (content.entries or not _signs_of_a_study(folder)):
        return f"{journal}: nothing is damaged"
    left = rebuilt(content, name)
    copy = _free_name(journal)
    if journal.exists():
        shutil.copy2(journal, copy)
    with replaced(journal) as temporary:
        lines = [json.dumps(record, separators=(",", ":")) + "\n" for record in left.records]
        temporary.write_text("".join(lines), encoding="utf-8")
    aside = [] if left.records else [_set_aside(path) for path in _outcome_files(folder)]
    kept = f"; the damaged journal is now {copy.name}" if copy.exists() else ""
    also = f"; the outcome before is now {' and '.join(path.name for path in aside)}" if aside else ""
    return (
        f"{journal}: {counted(left.trials, 'finished trial')} kept, {counted(left.lost, 'trial')} lost, which the "
        f"search makes again, from kept pictures where it can{kept}{also}"
    )


def _outcome_files(folder: Path) -> list[Path]:
    return [path for name in ("outcome.json", "finalists.png") if (path := folder / name).exists()]


def _set_aside(path: Path) -> Path:
    return path.replace(_free_name(path))


def _free_name(path: Path) -> Path:
    """`name.damaged-1.log`, or the next number that is free."""
    names = (path.with_name(f"{path.stem}.damaged-{number}{path.suffix}") for number in count(1))
    return next(name for name in names if not name.exists())

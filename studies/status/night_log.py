"""The log of a study's nights, written: what the console shows, warnings, and how trials ended, a line of JSON each.

Every worker appends to the same file, a whole line at once, which local file systems keep apart. A log that cannot be
written never ends a night.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import filelock

from studies.errors import StudyError
from studies.status.log_lines import BEFORE, LOG, LogLevel
from studies.status.secrets import without_secrets
from studies.store.backends.locks import file_lock, lock_file, taken
from studies.terminal import CONSOLE_LOG

LONGEST_BYTES = 8 << 20
"""When the log is longer, it is set aside: in all there are at most two of this length."""
LONGEST_TEXT = 8000
"""The most characters of a text in a line."""
NO_WAIT = getattr(os, "O_NONBLOCK", 0)
"""Has a pipe in the place of the log refused, which would wait for its reader."""
WAITING = 200
"""The most lines that wait for the folder of a study to be made."""
OURS = ("studies", "search", "engine", "scorers")
"""Whose lines are kept from the level on that was asked for; of other libraries, warnings and worse."""


class NightLog(logging.Handler):
    """Appends lines to the log of one study."""

    def __init__(self, folder: Path, study: str) -> None:
        """``folder`` is the study's; lines wait until it is there."""
        super().__init__()
        self._folder = folder
        self._study = study
        self._worker: str | None = None
        self._waiting: list[bytes] = []
        self._is_torn = False

    def emit(self, record: logging.LogRecord) -> None:
        """Append a line; what cannot be written is lost."""
        line = json.dumps(self._line(record), ensure_ascii=False, default=str).encode("utf-8", "replace") + b"\n"
        self._waiting = [*self._waiting, line][-WAITING:]
        if not self._folder.is_dir():
            return
        with suppress(OSError):
            for waiting in self._waiting:
                self._append(waiting)
            self._set_aside()
        self._waiting = []

    def _line(self, record: logging.LogRecord) -> dict[str, Any]:
        facts: Mapping[str, Any] = getattr(record, "facts", {})
        self._worker = facts.get("worker", self._worker)
        head = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
            "study": self._study,
            "process": os.getpid(),
        }
        worker = {"worker": self._worker} if self._worker else {}
        trace = {"traceback": logging.Formatter().formatException(record.exc_info)} if record.exc_info else {}
        return {key: _cleared(value) for key, value in {**head, **worker, **facts, **trace, **head}.items()}

    def _append(self, line: bytes) -> None:
        # Opened for each line: whoever sets the log aside need not ask anybody.
        file = os.open(self._folder / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT | NO_WAIT, 0o644)
        try:
            whole = b"\n" + line if self._is_torn else line
            self._is_torn = os.write(file, whole) < len(whole)  # the disk is full
        finally:
            os.close(file)

    def _set_aside(self) -> None:
        path = self._folder / LOG
        if path.stat().st_size <= LONGEST_BYTES:
            return
        lock = file_lock(lock_file(self._folder, "log"))
        with suppress(filelock.Timeout, StudyError):
            taken(lock, timeout_s=0)
            try:
                if path.stat().st_size > LONGEST_BYTES:  # no other worker was faster
                    path.replace(self._folder / BEFORE)
            finally:
                lock.release()


def _cleared(value: Any) -> Any:
    """A value without secrets, and no longer than it may be."""
    if isinstance(value, str):
        text = without_secrets(value)
        return text if len(text) <= LONGEST_TEXT else text[:LONGEST_TEXT] + "..."
    if isinstance(value, dict):
        return {str(key): _cleared(one) for key, one in value.items()}
    return [_cleared(one) for one in value] if isinstance(value, list | tuple) else value


@contextmanager
def night_logged(folder: Path, study: str, level: LogLevel = "info") -> Generator[None]:
    """Keep what happens in the block in the log of a study, and what ends it too, which is raised on.

    Args:
        folder: of the study.
        study: its name.
        level: from which on our own lines are kept.
    """
    handler = NightLog(folder, study)
    handler.setLevel(getattr(logging, level.upper()))
    root = logging.getLogger()
    ours = [logging.getLogger(name) for name in (*OURS, CONSOLE_LOG.name)]
    before = [one.level for one in ours]
    shown = [(one, one.level) for one in root.handlers if not one.level]
    for one, _ in shown:
        one.setLevel(root.level)  # what the terminal shows stays as it was
    for one in ours:
        one.setLevel(min(handler.level, root.level))
    root.addHandler(handler)
    CONSOLE_LOG.addHandler(handler)
    try:
        yield
    except BaseException as end:
        _log_end(end)
        raise
    finally:
        root.removeHandler(handler)
        CONSOLE_LOG.removeHandler(handler)
        for one, number in [*zip(ours, before, strict=True), *shown]:
            one.setLevel(number)


def _log_end(end: BaseException) -> None:
    """Log what ends a night."""
    if isinstance(end, KeyboardInterrupt):
        CONSOLE_LOG.warning("the night was stopped", extra={"facts": {"event": "stopped"}})
    elif isinstance(end, StudyError) or type(end).__module__.partition(".")[0] in OURS:
        CONSOLE_LOG.error("%s", end, extra={"facts": {"event": "failed"}})
    elif isinstance(end, Exception) and not hasattr(end, "exit_code"):
        CONSOLE_LOG.error("%s", end or type(end).__name__, exc_info=end, extra={"facts": {"event": "failed"}})

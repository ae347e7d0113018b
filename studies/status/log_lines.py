"""The log of a study's nights, read: a line of JSON for each thing that happened, in the study's folder.

Whatever follows it, such as ``tail -f``, sees whole lines. When it grows long, it becomes ``night.1.jsonl``, and what
that was before is gone.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from engine.files import readable

LOG, BEFORE = "night.jsonl", "night.1.jsonl"
"""Names of the log, and of what it was before it grew too long."""
LogLevel = Literal["debug", "info", "warning", "error"]
"""From which level on lines are kept."""
LOG_LEVELS: tuple[LogLevel, ...] = ("debug", "info", "warning", "error")
"""All of them, the most talkative first."""
END_BYTES = 1 << 16
"""How much of its end is read for the last lines."""
POLL_S = 0.5
"""Seconds between two looks for new lines."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One line."""

    at: datetime
    level: str
    """debug, info, warning, error or critical."""
    message: str
    facts: Mapping[str, Any]
    """Everything that the line holds, by key."""

    @classmethod
    def of(cls, text: bytes) -> LogLine | None:
        """Read a line; None where it is none of ours, such as one that a full disk cut off."""
        try:
            facts = json.loads(text)
            return cls(
                at=datetime.fromisoformat(facts["time"]).astimezone(),
                level=str(facts["level"]),
                message=str(facts["message"]),
                facts=facts,
            )
        except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
            return None

    def __str__(self) -> str:
        process = f" {self.facts['process']}" if "process" in self.facts else ""
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.level}{process}: {self.message}"


def last_lines(folder: Path, count: int) -> tuple[LogLine, ...]:
    """Return the last lines of a study's log, the newest last; none where there is no log."""
    lines: list[LogLine] = []
    for name in (LOG, BEFORE):
        if len(lines) < count:
            lines = [*_end_of(folder / name), *lines]
    return tuple(lines[-count:])


def _end_of(path: Path) -> list[LogLine]:
    try:
        with readable(path).open("rb") as file:
            start = max(0, file.seek(0, os.SEEK_END) - END_BYTES)
            file.seek(start)
            content = file.read()
    except OSError:
        return []
    texts = content.split(b"\n")[1 if start else 0 :]
    return [line for text in texts if (line := LogLine.of(text)) is not None]


def followed(folder: Path, count: int) -> Iterator[LogLine]:
    """Yield the last lines of a study's log, then every new one as it comes, for ever."""
    place = _LogPlace()
    lines = [line for text in place.take_new(folder / LOG) if (line := LogLine.of(text)) is not None]
    yield from ([*_end_of(folder / BEFORE), *lines] if len(lines) < count else lines)[-count:]
    while True:
        before = place.identity
        texts = place.take_new(folder / LOG)
        if before not in (_NOWHERE, place.identity):  # the log was set aside: what came last stands there now
            aside = _LogPlace(identity=before, offset=place.left_at)
            texts = [*aside.take_new(folder / BEFORE), *texts]
        yield from (line for text in texts if (line := LogLine.of(text)) is not None)
        time.sleep(POLL_S)


_NOWHERE = (0, 0)


@dataclass(slots=True, kw_only=True)
class _LogPlace:
    """How far a file was read."""

    identity: tuple[int, int] = _NOWHERE
    """Device and number of the file."""
    offset: int = 0
    left_at: int = 0
    """How far the file was read that was in the place of this one."""

    def take_new(self, path: Path) -> list[bytes]:
        """Return the whole lines after those that were read, all of them where a path leads to another file now."""
        try:
            with readable(path).open("rb") as file:
                status = os.fstat(file.fileno())
                if (status.st_dev, status.st_ino) != self.identity:
                    self.identity, self.left_at, self.offset = (status.st_dev, status.st_ino), self.offset, 0
                file.seek(self.offset)
                content = file.read()
        except OSError:
            return []
        whole = content.rfind(b"\n") + 1
        self.offset += whole
        return content[:whole].splitlines()

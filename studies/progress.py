"""Progress of long work: a bar with an ETA on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from studies.terminal import CONSOLE_LOG, print_unlogged, visible

PLAIN_INTERVAL_S = 10.0
"""Seconds between two lines where there is no terminal."""


@dataclass(slots=True)
class Meter:
    """One running piece of work; ``advance`` as it goes on."""

    label: str
    total: float
    console: Console
    bar: Progress | None = None
    done: float = 0.0
    started: float = field(default_factory=time.monotonic)
    printed: float = field(default_factory=time.monotonic)
    noted: str = ""
    """The note that was logged last."""

    def advance(
        self,
        amount: float = 1.0,
        note: str = "",
        *,
        level: int = logging.INFO,
        facts: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        """Count ``amount`` more; ``note`` is shown beside the bar, and logged at a level, with more facts."""
        self.done += amount
        if note and (amount or note != self.noted):
            self.noted = note
            counts = {"work": self.label, "done": self.done, "of": self.total}
            CONSOLE_LOG.log(level, "%s", note, extra={"facts": {**counts, **facts}})
        if self.bar is not None:
            self.bar.update(self.bar.task_ids[0], advance=amount, note=visible(note))
        elif time.monotonic() - self.printed > PLAIN_INTERVAL_S or self.done >= self.total:
            self.printed = time.monotonic()
            print_unlogged(self.console, self._line(note))

    def expect(self, total: float) -> None:
        """Change how much there is to do."""
        self.total = total
        if self.bar is not None:
            self.bar.update(self.bar.task_ids[0], total=total)

    def _line(self, note: str) -> str:
        seconds = time.monotonic() - self.started
        left = seconds / self.done * max(0.0, self.total - self.done) if self.done else 0.0
        counts = f"{self.label}: {self.done:.0f}/{self.total:.0f}, {seconds:.0f} s, about {left:.0f} s left"
        return f"{counts}; {note}" if note else counts


@contextmanager
def meter(label: str, total: float, console: Console) -> Generator[Meter]:
    """A meter for ``total`` units of work, drawn as a bar if ``console`` is a terminal."""
    if not console.is_terminal:
        yield Meter(label=label, total=total, console=console)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("ETA"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", markup=False),
    )
    with Progress(*columns, console=console) as bar:
        bar.add_task(visible(label), total=total, note="")
        yield Meter(label=label, total=total, console=console, bar=bar)


@contextmanager
def bytes_meter(label: str, console: Console) -> Generator[Callable[[int, int], None]]:
    """A progress callback of (bytes done, bytes in all), drawn as percent."""
    with meter(label, 100, console) as bar:

        def advance(done: int, total: int) -> None:
            percent = 100 * done / max(total, 1)
            if percent - bar.done >= 1 or done >= total:
                bar.advance(percent - bar.done)

        yield advance

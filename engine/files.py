"""Files that are either whole or not there: write under a temporary name, then rename."""

from __future__ import annotations

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replaced(path: Path, *, suffix: str | None = None) -> Generator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends well, and vanishes when it does not.

    Args:
        path: the file to write; one that is there already stays as it was until then.
        suffix: of the temporary name; that of ``path`` by default, since some writers choose the format by it.

    Raises:
        OSError: the folder is missing or not writable, or the disk is full.
    """
    ending = path.suffix if suffix is None else suffix
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part{ending}")
    try:
        yield temporary
        with temporary.open("r+b") as file:  # Windows makes only files durable that are open for writing
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a whole text file or none."""
    with replaced(path) as temporary:
        temporary.write_text(text, encoding="utf-8")

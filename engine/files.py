"""Files that are either whole or not there: write under a temporary name, then rename."""

from __future__ import annotations

import hashlib
import os
import platform
import re
from collections.abc import Generator
from contextlib import contextmanager, suppress
from functools import cache
from glob import escape
from pathlib import Path

TEMPORARY = re.compile(r"\..+\.(?P<process>\d{1,10})(-(?P<host>[0-9a-f]{8}))?\.part(\.[^.]*)?")
"""Names of temporary files; older versions wrote no machine."""


@contextmanager
def replaced(path: Path, *, suffix: str | None = None) -> Generator[Path]:
    """A temporary path beside ``path`` that takes its place when the block ends well, and vanishes when it does not.

    Args:
        path: the file to write; one that is there already stays as it was until then.
        suffix: of the temporary name; that of ``path`` by default, since some writers choose the format by it.

    Raises:
        OSError: the folder is missing or not writable, or the disk is full.
    """
    with _temporary(path, path.suffix if suffix is None else suffix) as temporary:
        yield temporary
        _flush(temporary)
        temporary.replace(path)


def write_text(path: Path, text: str) -> None:
    """Write a whole text file or none."""
    with replaced(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_new_text(path: Path, text: str) -> None:
    """Write a whole text file or none, and never over a file that is there.

    Raises:
        FileExistsError: there is a file of this name; it is left as it is.
        OSError: the folder is missing or not writable, or the disk is full.
    """
    with _temporary(path, "") as temporary:
        temporary.write_text(text, encoding="utf-8")
        _flush(temporary)
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except OSError:  # file systems such as FAT have no hard links: take the name first, then fill it at once
            path.touch(exist_ok=False)
            temporary.replace(path)


@contextmanager
def _temporary(path: Path, ending: str) -> Generator[Path]:
    """A hidden path beside ``path``, of this process alone; nothing is left there, unless the process is killed."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}-{_this_host()}.part{ending}")
    if path.parent.is_dir():
        remove_left_behind(path.parent, path.stem)
    temporary.unlink(missing_ok=True)  # of a process that had our number
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def remove_left_behind(folder: Path, stem: str = "*", *, below: bool = False) -> None:
    """Delete the temporary files of processes that were killed: of this machine, and not running any more.

    Args:
        folder: to look in.
        stem: of the names of the files that they were to become; default: any.
        below: look in its folders too.
    """
    pattern = f".{escape(stem) if stem != '*' else stem}.*.part*"
    with suppress(OSError):
        for path in folder.rglob(pattern) if below else folder.glob(pattern):
            found = TEMPORARY.fullmatch(path.name)
            if found and found["host"] in (None, _this_host()) and not _runs(int(found["process"])):
                with suppress(OSError):
                    path.unlink()


def _runs(process: int) -> bool:
    import psutil

    return psutil.pid_exists(process)


@cache
def _this_host() -> str:
    """Eight hex digits of this machine's name: another machine's processes have numbers of their own."""
    return hashlib.sha256(platform.node().encode()).hexdigest()[:8]


def _flush(path: Path) -> None:
    """Wait until a file is on the disk."""
    with path.open("r+b") as file:  # Windows makes only files durable that are open for writing
        os.fsync(file.fileno())

"""Begins a night as a process of its own, so that it goes on when the pages are closed."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from engine.files import readable
from studies.errors import StudyError

LOG = "night.log"
"""What a night that a page began prints, in the study's folder."""
LINES = 12
"""The most lines of it that a page shows."""


def start_process(file: Path, folder: Path) -> None:
    """Begin, or go on with, the search of a study, as `recipe-search run` does.

    Args:
        file: the study file.
        folder: of the study; made if need be.

    Raises:
        StudyError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / LOG).open("wb") as log:
            night = subprocess.Popen(
                [sys.executable, "-m", "studies.cli.main", "run", str(file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
    except OSError as error:
        raise StudyError(
            f"cannot be written ({error.strerror})", place=(folder,), remedy="allow writing there"
        ) from error
    # A process that ended stays listed until it is waited for.
    threading.Thread(target=night.wait, daemon=True).start()


def last_lines(folder: Path) -> tuple[str, ...]:
    """Return the end of what the newest night printed that a page began; nothing where none did."""
    try:
        text = readable(folder / LOG).read_bytes()[-(1 << 14) :].decode("utf-8", "replace")
    except OSError:
        return ()
    return tuple(line for line in text.splitlines() if line.strip())[-LINES:]

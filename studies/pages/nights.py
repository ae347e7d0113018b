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


_BEGUN: dict[Path, subprocess.Popen[bytes]] = {}
"""The newest night that was begun here, by the study's folder."""
_BEGINNING = threading.Lock()


def is_running(folder: Path) -> bool:
    """Return whether the process of a night that was begun here is there, though it may still read the models."""
    night = _BEGUN.get(folder.resolve())
    return night is not None and night.poll() is None


def start_process(file: Path, folder: Path) -> None:
    """Begin, or go on with, the search of a study, as `recipe-search run` does; nothing where one runs already.

    A night needs a while until it is seen at work, and a second one would need the memory of the device twice.

    Args:
        file: the study file.
        folder: of the study; made if need be.

    Raises:
        StudyError: the folder cannot be written.
    """
    with _BEGINNING:
        if not is_running(folder):
            _BEGUN[folder.resolve()] = _started(file, folder)


def _started(file: Path, folder: Path) -> subprocess.Popen[bytes]:
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
    return night


def last_lines(folder: Path) -> tuple[str, ...]:
    """Return the end of what the newest night printed that a page began; nothing where none did."""
    try:
        text = readable(folder / LOG).read_bytes()[-(1 << 14) :].decode("utf-8", "replace")
    except OSError:
        return ()
    return tuple(line for line in text.splitlines() if line.strip())[-LINES:]

"""What a person asks of a night that runs: to pause, or to stop after the trial in work. A file in the study's folder.

The night looks for it before every trial, and before every recipe of calibration and proof, so nothing in work is lost,
and it works from any process that can write there: `recipe-search pause`, a page, or `touch stop-asked`. A night that
begins takes what was asked of an earlier one away.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Literal

from engine.files import write_text

NightRequest = Literal["pause", "stop"]
"""What can be asked."""
_FILES: dict[NightRequest, str] = {"pause": "pause-asked", "stop": "stop-asked"}


def ask(folder: Path, what: NightRequest) -> None:
    """Ask the night of a study's folder for something."""
    write_text(folder / _FILES[what], f"{what} asked; delete this file to withdraw it\n")


def is_asked(folder: Path, what: NightRequest) -> bool:
    """Return whether something is asked."""
    return (folder / _FILES[what]).exists()


def withdraw(folder: Path, *which: NightRequest, made_before: float | None = None) -> None:
    """Take requests back; those that nobody made stay unmade.

    Args:
        folder: of the study.
        which: requests.
        made_before: only those that were made before this moment, in seconds since 1970; None: all.
    """
    for one in which:
        file = folder / _FILES[one]
        with suppress(FileNotFoundError):
            if made_before is None or file.stat().st_mtime < made_before:
                file.unlink()

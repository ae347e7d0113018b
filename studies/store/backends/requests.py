"""What a person asks of a night that runs: to pause, or to stop after what is in work.

The night looks for it before every trial, and before every recipe of calibration and proof, so nothing in work is lost,
and it works from any process that can write where the study is kept: `recipe-search pause`, or a page. A night that
begins takes what was asked of an earlier one away.

Beside a journal a request is a file in the study's folder, so that `touch stop-asked` does too. In a database it is a
note of the study, which reaches the workers of all machines.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Literal, Protocol

from engine.files import write_text

NightRequest = Literal["pause", "stop"]
"""What can be asked."""
REQUEST_NAMES: dict[NightRequest, str] = {"pause": "pause-asked", "stop": "stop-asked"}
"""Names of the files, and of the notes."""


class NightRequests(Protocol):
    """What is asked of the night of one study."""

    def asked(self) -> frozenset[NightRequest]:
        """Return what is asked now; cheap enough to be called before every trial."""
        ...

    def ask(self, what: NightRequest) -> None:
        """Ask for something.

        Raises:
            StudyError: the study was never started, or the database does not answer.
        """
        ...

    def withdraw(self, *which: NightRequest, made_before: float | None = None) -> None:
        """Take requests back; those that nobody made stay unmade.

        Args:
            which: requests.
            made_before: only those that were made before this moment, in seconds since 1970; None: all.
        """
        ...


class FolderRequests:
    """Requests as files in a study's folder."""

    def __init__(self, folder: Path) -> None:
        """``folder`` is the study's; nothing is read yet."""
        self._folder = folder

    def asked(self) -> frozenset[NightRequest]:
        """Return what there are files of."""
        return frozenset(what for what, name in REQUEST_NAMES.items() if (self._folder / name).exists())

    def ask(self, what: NightRequest) -> None:
        """Write a file."""
        write_text(self._folder / REQUEST_NAMES[what], f"{what} asked; delete this file to withdraw it\n")

    def withdraw(self, *which: NightRequest, made_before: float | None = None) -> None:
        """Delete files, those that were written before a moment where one is given."""
        for what in which:
            file = self._folder / REQUEST_NAMES[what]
            with suppress(FileNotFoundError):
                if made_before is None or file.stat().st_mtime < made_before:
                    file.unlink()

"""Temporary files of commands that were killed: an export leaves one as large as a checkpoint."""

from __future__ import annotations

from pathlib import Path

from engine.files import remove_left_behind

FOLDERS = ("artifacts", "exports", "pins", "picks")
"""Folders of a study, beside its own, in which commands other than a search write."""


def clear_up(folder: Path) -> None:
    """Delete what killed commands left in a study's folder; quick enough for every command."""
    for place in (folder, *(folder / name for name in FOLDERS)):
        remove_left_behind(place)

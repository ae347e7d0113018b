"""What is on a trial's contact sheet: the shots that the trial drew, or all of the study's."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from engine.shots.shot import Shot
from scorers.picture_files import kept_size
from studies.drawing.sheets import PAPER, cell, grid_size, read_picture
from studies.errors import StudyError
from studies.pages.reading.snapshot import Snapshot
from studies.pages.reading.trials import ShownTrial

NEAR_PAPER = 8
"""How far the empty place of a sheet may be from its paper, for what compression does."""


def sheet_shots(study: Snapshot, trial: ShownTrial) -> tuple[Shot, ...]:
    """Return the shots on a trial's contact sheet, in order.

    A recipe whose pictures of all shots are kept, such as a FLAT mix, is not rendered again where its stage draws a
    part of them: its trial then has the sheet of all.

    Raises:
        StudyError: the sheet cannot be read.
    """
    shots, every = study.spec.shots.drawn(trial.slots), study.spec.shots.trials
    if trial.sheet is None or not trial.slots or study.spec.shots.fresh(trial.slots) or len(shots) >= len(every):
        return shots
    width, height = every[0].picture_size
    stamp = trial.sheet.stat().st_mtime_ns
    return every if _holds_more(trial.sheet, stamp, len(shots), len(every), (width, height)) else shots


@lru_cache(maxsize=4096)
def _holds_more(sheet: Path, _stamp: int, few: int, many: int, picture: tuple[int, int]) -> bool:
    """Whether a sheet holds many pictures, not few; by its size, or by what stands in the place after the few."""
    width, height = picture
    sizes = [grid_size(count, height, width) for count in (few, many)]
    if sizes[0] != sizes[1]:
        return kept_size(sheet, StudyError) == sizes[1]
    place = cell(read_picture(sheet), few, many, height, width)
    # Compression mixes the edges of a place with its neighbours.
    middle = place[height // 4 : height - height // 4, width // 4 : width - width // 4]
    return bool(middle.size) and min(PAPER) - int(middle.min()) > NEAR_PAPER


def sheet_size(trial: ShownTrial) -> tuple[int, int] | None:
    """Return width and height of a trial's contact sheet; None where there is none that can be read."""
    try:
        return kept_size(trial.sheet, StudyError) if trial.sheet else None
    except StudyError:
        return None

"""The pictures of a card: those that the study keeps of the recipe and of what it is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from engine.shots.shot import Shot
from studies.candidate import Candidate
from studies.cards.card import CardPictures, CardRow
from studies.drawing.sheets import RgbPicture, cell, read_picture
from studies.errors import StudyError
from studies.store.renders import SHEET, kept_folder, shots_key

ROWS = 3
"""The most prompts on a card."""


def kept_pictures(
    folder: Path, columns: Mapping[str, Candidate], sets: Sequence[Sequence[Shot]], *, held_out: bool
) -> CardPictures | None:
    """Return pictures of several recipes at equal prompts and seeds; None where the first recipe has none.

    Args:
        folder: of the study.
        columns: the recipes by label, the card's own first; those of which nothing is kept are left out.
        sets: the sets of shots that may be kept; pictures are of the shots of the first one, and those that other
            recipes have of the same shots in another set stand beside them.
        held_out: whether no trial has seen them.
    """
    shots = sets[0]
    found: list[CardRow] = []
    for index in _spread_indices(len(shots), ROWS):
        row = tuple(_picture(folder, candidate, shots[index], sets) for candidate in columns.values())
        if row[0] is not None:
            found.append(CardRow(prompt=shots[index].prompt, seed=shots[index].seed, pictures=row))
    kept = [place for place in range(len(columns)) if any(row.pictures[place] is not None for row in found)]
    labels = tuple(columns)
    rows = tuple(
        CardRow(prompt=row.prompt, seed=row.seed, pictures=tuple(row.pictures[place] for place in kept))
        for row in found
    )
    return CardPictures(columns=tuple(labels[place] for place in kept), rows=rows, held_out=held_out) if rows else None


def _picture(folder: Path, candidate: Candidate, shot: Shot, sets: Sequence[Sequence[Shot]]) -> RgbPicture | None:
    """The picture of a shot in the first set where it is kept and can be read; a damaged one is as good as none."""
    for shots in sets:
        index = next((place for place, one in enumerate(shots) if one.key == shot.key), None)
        if index is None:
            continue
        name = f"{index:03d}.png"
        try:
            if (alone := kept_folder(folder, candidate.key, shots_key(shots), name)) is not None:
                return read_picture(alone / name)
            if (sheet := kept_folder(folder, candidate.key, shots_key(shots), SHEET)) is not None:
                width, height = shot.picture_size
                cut = cell(read_picture(sheet / SHEET), index, len(shots), height, width)
                if cut.shape == (height, width, 3):
                    return cut
        except StudyError:
            continue
    return None


def _spread_indices(count: int, most: int) -> list[int]:
    """Up to ``most`` indices spread evenly over ``count``."""
    step = max(1.0, count / most)
    return [int(place * step) for place in range(min(count, most))]

"""Pictures of an examination: the weak spots beside the parents, and an overview of all situations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from studies.drawing.sheets import RgbPicture
from studies.measuring.opened import Measuring
from studies.measuring.subject import Subject
from studies.results.situations import ShownPicture, SituationsResult, WeakSpot, situations_folder
from studies.situations.rounds import looks
from studies.situations.showing.overview import draw_overview
from studies.situations.showing.sheet import PictureRow, draw_sheet

if TYPE_CHECKING:
    from studies.situations.shots import SituationShot

SHEET, OVERVIEW = "weak_spots.png", "overview.png"
"""Names of the pictures in a result's folder."""
MOST_ON_SHEET = 8
"""Weak spots on the sheet at most; each has a picture of its own."""


@dataclass(frozen=True, kw_only=True)
class KeptPictures:
    """The pictures that were drawn, as they are kept."""

    opened: Measuring
    recipes: Mapping[str, Subject]
    shots: Mapping[str, Sequence[SituationShot]]

    def of(self, shown: ShownPicture) -> list[RgbPicture | None]:
        """Return a picture of every recipe, in their order."""
        key, place = self._place(shown)
        ends = looks(len(self.shots[key]))
        start = max((end for end in (0, *ends) if end <= place), default=0)
        end = next(end for end in ends if end > place)
        chunk = [one.shot for one in self.shots[key][start:end]]
        return [
            self.opened.workshop_of(one).renders.picture(one.candidate, chunk, place - start)
            for one in self.recipes.values()
        ]

    def _place(self, shown: ShownPicture) -> tuple[str, int]:
        """The situation of a picture, and its place among that one's shots."""
        wanted = (shown.prompt, shown.seed)
        return next(
            (key, place)
            for key, shots in self.shots.items()
            for place, one in enumerate(shots)
            if (one.shot.prompt, one.shot.seed) == wanted
        )


def with_pictures(folder: Path, result: SituationsResult, kept: KeptPictures) -> SituationsResult:
    """Draw the pictures of a result into its folder, and return it with their names.

    Args:
        folder: of the study.
        result: without pictures.
        kept: what was drawn.
    """
    place = situations_folder(folder, result.key)
    place.mkdir(parents=True, exist_ok=True)
    for old in place.glob("*.png"):
        old.unlink()
    columns = [*kept.recipes]
    rows = [
        [PictureRow(title="", prompt=shown.prompt, pictures=kept.of(shown)) for shown in spot.shown]
        for spot in result.weak_spots
    ]
    spots = list[WeakSpot]()
    for number, (spot, own) in enumerate(zip(result.weak_spots, rows, strict=True), start=1):
        name = f"weak_{number:02d}.png"
        draw_sheet(place / name, columns, [replace(own[0], title=_title(spot), note=spot.sentence), *own[1:]])
        spots.append(replace(spot, picture=name))
    first = [replace(own[0], title=_title(spot), note=spot.sentence) for spot, own in zip(spots, rows, strict=True)]
    if first:
        draw_sheet(place / SHEET, columns, first[:MOST_ON_SHEET])
    draw_overview(place / OVERVIEW, result)
    return replace(result, weak_spots=tuple(spots), sheet=SHEET if first else "", overview=OVERVIEW)


def _title(spot: WeakSpot) -> str:
    return f"{spot.aspect}: {spot.word}"

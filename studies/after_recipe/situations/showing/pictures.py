"""Pictures of an examination: the weak spots beside the parents, and an overview of all situations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from studies.after_recipe.measuring.opened import Measuring
from studies.after_recipe.measuring.subject import Subject
from studies.after_recipe.situations.rounds import looks
from studies.after_recipe.situations.showing.overview import draw_overview
from studies.after_recipe.situations.showing.sheet import PictureRow, draw_sheet
from studies.drawing.sheets import RgbPicture
from studies.results.situations import ShownPicture, SituationsResult, WeakSpot, situations_folder

if TYPE_CHECKING:
    from studies.after_recipe.situations.shots import SituationShot
    from studies.after_recipe.situations.suite import Suite

SHEET, OVERVIEW = "weak_spots.png", "overview.png"
"""Names of the pictures in a result's folder."""
MOST_ON_SHEET = 8
"""Weak spots on the sheet at most; each has a picture of its own."""


@dataclass(frozen=True, kw_only=True)
class KeptPictures:
    """The pictures that were drawn, as they are kept."""

    opened: Measuring
    recipes: Mapping[str, Subject]
    suite: Suite
    shots: Mapping[str, Sequence[SituationShot]]
    """By the keys of situations."""

    def of(self, spot: WeakSpot, shown: ShownPicture) -> list[RgbPicture | None]:
        """Return a picture of a weak spot, drawn by every recipe, in their order."""
        key = next(one.key for one in self.suite.situations if (one.aspect, one.word) == (spot.aspect, spot.word))
        slots = [(one.shot.prompt, one.shot.seed) for one in self.shots[key]]
        place, ends = slots.index((shown.prompt, shown.seed)), looks(len(slots))
        start = max((end for end in (0, *ends) if end <= place), default=0)
        end = next(end for end in ends if end > place)
        chunk = [one.shot for one in self.shots[key][start:end]]
        return [
            self.opened.workshop_of(one).renders.picture(one.candidate, chunk, place - start)
            for one in self.recipes.values()
        ]


def with_pictures(folder: Path, result: SituationsResult, kept: KeptPictures) -> SituationsResult:
    """Draw the pictures of a result into its folder, and return it with their names.

    Args:
        folder: of the study.
        result: without pictures.
        kept: what was drawn.
    """
    place = situations_folder(folder, result.key)
    place.mkdir(parents=True, exist_ok=True)
    columns = [*kept.recipes]
    rows = [
        [PictureRow(title="", prompt=shown.prompt, pictures=kept.of(spot, shown)) for shown in spot.shown]
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


def forget_others(folder: Path, result: SituationsResult) -> None:
    """Delete pictures of an earlier result of the same recipe, once the new one is written."""
    place, names = situations_folder(folder, result.key), {one.picture for one in result.weak_spots}
    for path in place.glob("*.png"):
        if path.name not in names | {result.sheet, result.overview}:
            path.unlink()


def _title(spot: WeakSpot) -> str:
    return f"{spot.aspect}: {spot.word}"

"""Grids of the values of a setting: from kept pictures, the chosen and the worse marked, readable on a phone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.shots.shot import Shot
from studies.after_recipe.settings.grids import SettingsGrid, rows_shown, write_grid
from studies.cards.canvas import ACCENT, WARNING, WIDTH
from studies.drawing.sheets import RgbPicture
from studies.results.settings import PictureSettings, SettingsStep
from tests.studies.cards.made_settings import CALM, CFGS, SAMPLERS, START, value

SHOTS = [Shot(prompt=prompt, seed=seed) for seed, prompt in enumerate(("a", "b", "a", "c", "夕暮れの街角", "d"))]
GREY: RgbPicture = np.full((96, 64, 3), 120, np.uint8)


class Kept:
    """Pictures that are kept, and which ones were asked for."""

    def __init__(self, *, lacking: PictureSettings | None = None) -> None:
        self._lacking, self.asked = lacking, list[tuple[PictureSettings, int]]()

    def __call__(self, settings: PictureSettings, number: int) -> RgbPicture | None:
        self.asked.append((settings, number))
        return None if settings == self._lacking else GREY


def grid(step: SettingsStep, kept: Kept) -> SettingsGrid:
    return SettingsGrid(title=step.axis, step=step, shots=SHOTS, picture=kept)


def colours(image: Image.Image) -> dict[tuple[int, ...], int]:
    found = image.getcolors(2**24) or []
    return {tuple(colour): count for count, colour in found if isinstance(colour, tuple)}


def test_rows_are_different_prompts_and_fewer_where_values_are_many() -> None:
    assert rows_shown(SHOTS, 3) == [0, 1, 3, 4]
    assert rows_shown(SHOTS, 6) == [0, 1, 3]
    assert rows_shown(SHOTS, 20) == [0, 1]
    assert rows_shown([SHOTS[0], SHOTS[2]], 3) == [0, 1], "one prompt alone, with both its seeds"


def test_every_tried_value_is_shown_with_the_same_shots() -> None:
    kept = Kept()
    grid(CFGS, kept).drawn()
    settings = [one.settings for one in CFGS.values]
    assert kept.asked == [(one, number) for number in (0, 1, 3, 4) for one in settings]


def test_what_was_not_tried_has_no_pictures() -> None:
    kept, refused = Kept(), value("7", replace(START, cfg=7.0), "skipped", reason="too large for the device")
    grid(replace(SAMPLERS, values=(*SAMPLERS.values, refused)), kept).drawn()
    assert {settings for settings, _ in kept.asked} == {one.settings for one in SAMPLERS.tried}


def test_the_chosen_value_has_a_thick_green_frame_and_worse_ones_a_thin_red_one() -> None:
    found = colours(grid(CFGS, Kept()).drawn())
    plain = replace(CFGS, values=tuple(replace(one, state="open", chosen=False) for one in CFGS.values))
    without = colours(grid(plain, Kept()).drawn())
    assert found[ACCENT] > 4 * 2000
    assert 4 * 2000 < found[WARNING] < 2 * found[ACCENT], "two values, at a third of the width"
    assert ACCENT not in without
    assert WARNING not in without


def test_a_picture_that_is_not_kept_leaves_room_in_its_place() -> None:
    whole, lacking = (grid(CFGS, Kept(lacking=settings)).drawn() for settings in (None, CALM))
    assert whole.size == lacking.size
    assert colours(lacking)[(120, 120, 120)] == pytest.approx(2 / 3 * colours(whole)[(120, 120, 120)], rel=0.05)


def test_many_values_stand_below_each_other_within_the_width_of_a_card() -> None:
    names = ("DPM++ 2M SDE Heun Karras", "DPM++ 3M SDE Exponential", "水彩風の夕暮れと、とても長い名前をもつ値", "9")
    more = tuple(value(name, replace(START, steps=10 + place), "open") for place, name in enumerate(names * 2))
    image = grid(replace(CFGS, values=(*CFGS.values, *more)), Kept()).drawn()
    assert image.width == WIDTH
    edges = [image.getpixel((x, y)) for x in (2, WIDTH - 3) for y in range(0, image.height, 7)]
    assert set(edges) == {(255, 255, 255)}, "nothing is written beyond the margins"
    tall = grid(CFGS, Kept()).drawn().height
    assert tall < image.height < 3 * tall


def test_a_file_carries_the_settings_for_png_info(tmp_path: Path) -> None:
    path = write_grid(grid(CFGS, Kept()), tmp_path / "grid.png", parameters="a cat\nSteps: 20, 夕")
    with Image.open(path) as image:
        assert image.text["parameters"] == "a cat\nSteps: 20, 夕"  # pyright: ignore[reportAttributeAccessIssue]

"""Strips show the same shots at a knob's low, base and high value; the strongest stand on one sheet."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from studies.after_recipe.probe.drawing.strips import (
    CELL,
    GAP,
    MARGIN,
    SHEET,
    STRONGEST,
    WIDTH,
    largest_effects,
    strip_of,
    strip_picture,
    strongest_knobs,
    write_strips,
)
from studies.drawing.sheets import RgbPicture, read_picture
from studies.results.probe import ONE, ProbedKnob, ProbeResult
from tests.studies.after_recipe.probe.made_up import made_up

COLOURS = {"low": (200, 10, 10), "base": (10, 200, 10), "high": (10, 10, 200)}


def kept(_: ProbedKnob, level: str) -> list[RgbPicture]:
    """Eight small pictures in the level's colour."""
    return [np.full((32, 48, 3), COLOURS[level], dtype=np.uint8)] * 8


def strengths(knob: str, column: str) -> tuple[float, float]:
    """OUT07 does most, to the detail; OUT05 comes next; IN00 does nothing but by chance, IN11 something to colour."""
    if knob == "IN00":
        return 0.2, 0.1
    if (knob, column) == ("IN11", "colour"):
        return 9.0, 0.1
    return {"OUT07": -3.0, "OUT05": -2.0}.get(knob, 0.5) * (1.5 if column == "detail" else 1.0), 0.1


@pytest.fixture
def result() -> ProbeResult:
    return made_up(strengths)


def test_each_knob_has_a_strip_and_the_strongest_share_a_sheet(result: ProbeResult, tmp_path: Path) -> None:
    names = write_strips(result, kept, tmp_path / "probe")
    assert names["OUT07"] == "strip-OUT07.png"
    assert names["self:OUT09:attn1"] == "strip-self-OUT09-attn1.png"
    assert set(names) == {knob.name for knob in result.knobs}
    assert {file.name for file in (tmp_path / "probe").iterdir()} == {*names.values(), SHEET}
    one, sheet = (read_picture(tmp_path / "probe" / name).shape for name in ("strip-OUT07.png", SHEET))
    assert one[1] == sheet[1] == WIDTH
    assert sheet[0] > STRONGEST * CELL * 32 / 48


def test_low_base_and_high_stand_from_left_to_right(result: ProbeResult) -> None:
    strip = strip_of(result, result.knob("OUT07"), kept)
    assert strip is not None
    picture = strip_picture([strip], "OUT07", 1)
    middle = picture.height - MARGIN - 100
    row = [picture.getpixel((MARGIN + place * (CELL + GAP) + CELL // 2, middle)) for place in range(3)]
    assert row == list(COLOURS.values())


def test_knobs_stand_in_the_order_of_what_they_do_to_pixels(result: ProbeResult) -> None:
    assert strongest_knobs(result)[:2] == ("OUT07", "OUT05")
    assert strongest_knobs(result)[-1] == "IN00"
    assert strongest_knobs(made_up(strengths, names=("colour", "detail")))[0] == "IN11"


def test_the_largest_effects_are_told_and_noise_is_not(result: ProbeResult) -> None:
    told = largest_effects(result, result.knob("OUT07"))
    assert told.startswith("detail −4.50, ")
    assert told.endswith(" times the noise of seeds")
    assert largest_effects(result, result.knob("IN00")) == "nothing that is told from noise"


def test_a_knob_without_pictures_has_no_strip(result: ProbeResult, tmp_path: Path) -> None:
    def some(knob: ProbedKnob, level: str) -> list[RgbPicture] | None:
        return None if (knob.name, level) == ("OUT05", "low") else kept(knob, level)

    assert "OUT05" not in write_strips(result, some, tmp_path)
    assert write_strips(result, lambda *_: None, tmp_path / "none", method=ONE) == {}
    assert not (tmp_path / "none" / SHEET).exists()

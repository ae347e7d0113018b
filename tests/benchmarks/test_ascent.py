from __future__ import annotations

import random
from collections.abc import Mapping

import pytest

from search.errors import SearchError
from search.history import Point
from search.space.build import build_space
from search.space.space import Space
from tests.benchmarks.ascent import Ascent, ascend

SPACE = build_space(sites=("OUT09:attn1",), adjust=("CONT", "COL1"))
TOP = SPACE.flat(0.7) | {"IN03": 0.2, "self:OUT09:attn1": 0.9, "adjust:CONT": 3.0, "adjust:COL1": 0.0}


def slope(space: Space, point: Point, noise: float = 0.0, seed: int = 0) -> Mapping[str, float]:
    """Of minus the squared distance from the top in parts of the knobs' ranges, with noise on every part."""
    draw = random.Random(seed)
    width = {knob.name: knob.high - knob.low for knob in space.free}
    return {name: (2 * (TOP[name] - point[name]) / w + noise * draw.gauss(0, 1)) / w for name, w in width.items()}


def away(point: Point) -> float:
    """Root mean square distance from the top, in parts of the ranges."""
    parts = [((TOP[knob.name] - point[knob.name]) / (knob.high - knob.low)) ** 2 for knob in SPACE.free]
    return (sum(parts) / len(parts)) ** 0.5


def last(**settings: object) -> dict[str, float]:
    noise = settings.pop("noise", 0.0)
    grouped = bool(settings.pop("grouped", False))
    assert isinstance(noise, float)
    way = ascend(
        SPACE,
        SPACE.flat(0.3),
        lambda point, step: slope(SPACE, point, noise, step),
        Ascent(**settings),  # pyright: ignore[reportArgumentType]
        grouped=grouped,
    )
    return list(way)[-1]


def test_the_way_leads_to_the_top() -> None:
    found = last(steps=60, rate=0.08)
    assert away(found) < 0.05
    assert away(SPACE.flat(0.3)) > 0.3
    assert found["adjust:CONT"] == pytest.approx(3.0, abs=0.4)


def test_the_mean_of_the_way_is_nearer_than_its_end_where_gradients_are_noise() -> None:
    noisy = {"steps": 200, "rate": 0.15, "noise": 2.0}
    assert away(last(**noisy, averaged=0.5)) < 0.8 * away(last(**noisy, averaged=0.001))


def test_groups_move_as_one() -> None:
    found = last(steps=40, grouped=True)
    for knobs in SPACE.groups.values():
        assert len({found[knob.name] for knob in knobs}) == 1
    assert found["OUT09"] == pytest.approx(0.7, abs=0.1)
    assert found["IN03"] == found["IN04"]


def test_points_stay_inside_and_are_tidy() -> None:
    steep = ascend(
        SPACE, SPACE.flat(0.9), lambda *_: {k.name: 1.0 for k in SPACE.free}, Ascent(steps=30, rate=0.2, averaged=0.1)
    )
    *_, end = steep
    assert end == {knob.name: knob.high for knob in SPACE.free}
    assert all(
        SPACE.checked(point) == point
        for point in ascend(SPACE, SPACE.flat(0.5), lambda p, _: slope(SPACE, p), Ascent())
    )


def test_knobs_of_a_kind_move_by_how_much_they_matter() -> None:
    flat = SPACE.flat(0.5)
    gradient = {knob.name: 0.0 for knob in SPACE.free} | {"IN03": 10.0, "IN04": 1.0, "adjust:CONT": 0.001}
    (found,) = ascend(SPACE, flat, lambda *_: gradient, Ascent(steps=1, rate=0.05))
    assert found["IN03"] - 0.5 == pytest.approx(10 * (found["IN04"] - 0.5), rel=0.05)
    assert found["IN05"] == 0.5
    assert found["adjust:CONT"] > 0.5  # other kinds have other units, and each its own scale


def test_a_gradient_of_nothing_moves_nothing() -> None:
    *_, end = ascend(SPACE, SPACE.flat(0.5), lambda *_: {knob.name: 0.0 for knob in SPACE.free}, Ascent())
    assert end == SPACE.flat(0.5)


def test_problems_are_named_together() -> None:
    with pytest.raises(SearchError) as error:
        Ascent(steps=0, rate=0.0, memory=1.0, averaged=2.0)
    for words in ("steps = 0", "rate = 0", "memory = 1", "averaged = 2"):
        assert words in str(error.value)

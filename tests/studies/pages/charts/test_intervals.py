"""Charts of differences: what is told by colour and shape, and all numbers in words."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest
from markupsafe import Markup

from studies.pages.charts.intervals import IntervalGroup, IntervalLine, interval_range, intervals_chart

SCRIPT = "<script>"


def line(mean: float, told: str, against: str = "A") -> IntervalLine:
    return IntervalLine(against=against, mean=mean, low=mean - 0.2, high=mean + 0.2, told=told)  # pyright: ignore[reportArgumentType]


GROUPS = (
    IntervalGroup(name=f"red {SCRIPT}", lines=(line(0.5, "better"), line(-0.6, "worse", "FLAT 0.4 of all"))),
    IntervalGroup(name="a name " * 20, lines=(line(0.1, "open"),)),
)


def parsed(chart: Markup) -> ET.Element:
    return ET.fromstring(chart)  # noqa: S314 - our own


def test_what_is_told_has_a_shape_of_its_own() -> None:
    chart = parsed(intervals_chart(GROUPS, interval_range(GROUPS), "Differences"))
    marks = {g.get("class"): [one.tag for one in g if one.get("class") == "mark"] for g in chart.iter("g")}
    assert marks == {"better": ["polygon"], "worse": ["polygon"], "open": ["circle"]}
    up, down = (next(g.iter("polygon")).get("points", "") for g in chart.iter("g") if g.get("class") != "open")
    heights = [[float(point.split(",")[1]) for point in points.split()] for points in (up, down)]
    assert heights[0][2] < heights[0][0], "the tip is above"
    assert heights[1][2] > heights[1][0], "the tip is below"


def test_numbers_stand_in_words_and_long_names_are_cut_but_whole_in_the_title() -> None:
    chart = parsed(intervals_chart(GROUPS, interval_range(GROUPS), "Differences"))
    assert f"Differences. red {SCRIPT}: A 0.5, FLAT 0.4 of all \N{MINUS SIGN}0.6" in (chart.get("aria-label") or "")
    texts = [one.text or "" for one in chart.iter("text")]
    assert any(text.endswith("\N{HORIZONTAL ELLIPSIS}") for text in texts)
    assert max(map(len, texts)) <= 54
    assert ("a name " * 20) in [one.text for one in chart.iter("title")]


def test_all_intervals_and_zero_lie_on_the_shared_axis() -> None:
    low, high = interval_range(GROUPS)
    assert low < -0.8 < 0.7 < high
    assert interval_range(()) == (-1.0, 1.0)
    only = (IntervalGroup(name="", lines=(line(2.0, "better"),)),)
    low, high = interval_range(only)
    assert low < 0
    assert high > 2.2


@pytest.mark.parametrize("ends", [(-0.1, 0.1), (0.0, 3.0)])
def test_what_lies_beyond_the_axis_is_drawn_at_its_edge(ends: tuple[float, float]) -> None:
    chart = parsed(intervals_chart(GROUPS, ends, ""))
    places = [float(one.get(end, "0")) for one in chart.iter("line") for end in ("x1", "x2")]
    assert min(places) >= 78
    assert max(places) <= 360 - 44

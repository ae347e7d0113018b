"""Charts: their axes, what is drawn at the edge, and their numbers in words."""

from __future__ import annotations

import itertools
import re
from xml.etree import ElementTree as ET

import pytest
from markupsafe import Markup

from search.importance import CoursePoint, KnobEffect, NearTrial, SliceValue
from search.space.knob import Knob
from studies.pages.charts.course import course_chart, lowest_shown
from studies.pages.charts.effects import effects_chart, effects_map
from studies.pages.charts.plot import PlotFrame, ticks
from studies.pages.charts.slices import HEIGHT, slice_chart, slice_range
from studies.pages.reading.importance import NamedEffect
from studies.pages.reading.trials import ShownTrial

KNOB = Knob(name="OUT03", kind="block", low=0.0, high=1.0, neutral=0.0)
STAGES = {"flat": "FLAT", "blocks": "blocks <b>"}


def trial(number: int, score: float, stage: str = "flat") -> ShownTrial:
    return ShownTrial(
        number=number,
        stage=stage,  # pyright: ignore[reportArgumentType]
        status="scored",
        score=score,
        standard_error=None,
        point={},
        attributes={},
        sheet=None,
        begun=None,
        ended=None,
    )


def effect(best: float = 0.4, change: float = 0.8, deviation: float = 0.1) -> KnobEffect:
    """A knob whose mean falls off in a square from the best value."""
    values = sorted({round(best + n * 0.05, 6) for n in range(-20, 21) if -1e-9 <= best + n * 0.05 <= 1 + 1e-9})
    return KnobEffect(
        knob=KNOB,
        best=best,
        change=change,
        deviation=deviation,
        values=tuple(
            SliceValue(
                value=value,
                mean=1 - change * 16 * (value - best) ** 2,
                deviation=deviation,
                change=-change * 16 * (value - best) ** 2,
                change_deviation=deviation * abs(value - best) * 4,
                is_within=abs(value - best) < 0.2501,
            )
            for value in values
        ),
        near=(NearTrial(number=3, value=0.5, score=0.9),),
    )


def parsed(chart: Markup) -> ET.Element:
    return ET.fromstring(f"<all>{chart}</all>")  # noqa: S314 - our own


def classes(chart: Markup) -> list[str]:
    return [one.get("class", "") for one in parsed(chart).iter()]


@pytest.mark.parametrize("ends", [(0.0, 1.0), (-3.4, 1.45), (0, 53), (0, 4999), (0.8, 1.2), (-1e-4, 3e-4)])
def test_ticks_are_few_round_and_inside(ends: tuple[float, float]) -> None:
    found = ticks(*ends)
    assert 2 <= len(found) <= 5
    assert ends[0] <= found[0] < found[-1] <= ends[1]
    steps = {f"{b - a:.3e}"[0] for a, b in itertools.pairwise(found)}
    assert steps <= {"1", "2", "5"}


def test_no_range_has_one_tick() -> None:
    assert ticks(2.0, 2.0) == (2.0,)


def test_numbers_beyond_the_frame_are_at_its_edge() -> None:
    frame = PlotFrame(width=100, height=100, x=(0, 1), y=(0, 10))
    assert frame.up(-5) == frame.up(0) == 78
    assert frame.up(20) == frame.up(10) == 8
    assert frame.across(0.5) == pytest.approx((40 + 92) / 2)


def test_the_course_has_every_score_and_the_expectation() -> None:
    trials = [trial(n, n / 10, "flat" if n < 4 else "blocks") for n in range(10)]
    course = [CoursePoint(trial=7, expected=0.5, deviation=0.1), CoursePoint(trial=9, expected=0.7, deviation=0.1)]
    chart = course_chart(trials, course, STAGES, "Scores <i>")
    wide, narrow = list(parsed(chart))
    for drawn in (wide, narrow):
        dots = [one.get("d", "") for one in drawn.iter() if one.tag == "path"]
        assert sum(path.count("M") for path in dots) == 10
        assert "9: 0.7" in drawn.get("aria-label", "")
        assert drawn.get("aria-label", "").startswith("Scores <i>")
    assert {"plot course wide", "plot course narrow", "dots stage-flat", "dots stage-blocks"} <= set(classes(chart))
    assert "blocks &lt;b&gt;" in chart
    assert "band" not in classes(course_chart(trials, [], STAGES, ""))


def test_a_catastrophe_does_not_flatten_the_course() -> None:
    trials = [trial(n, 1 + n / 100) for n in range(50)]
    assert lowest_shown(trials) == 1.0
    assert lowest_shown([*trials, trial(50, -8.0)]) == pytest.approx(1.04 - 3 * 0.45)
    assert lowest_shown([trial(0, 2.0)]) == 2.0
    assert course_chart([trial(0, 2.0)], [], STAGES, "")


def test_thousands_of_dots_stay_small() -> None:
    assert len(course_chart([trial(n, n % 17) for n in range(5000)], [], STAGES, "")) < 250_000


def test_a_slice_has_band_mean_and_trials() -> None:
    one = effect()
    ends = slice_range([one, effect(change=0.1)])
    assert ends[0] < 0.2
    assert ends[1] > 1
    chart = slice_chart(one, ends, "OUT03")
    names = classes(chart)
    assert names.count("expected far") == 2
    assert {"band", "band far", "expected", "dots", "best"} <= set(names)
    places = re.findall(r"[\d.]+,([\d.-]+)", str(chart))
    assert all(0 <= float(place) <= HEIGHT for place in places)
    edge = slice_chart(effect(best=0.0), ends, "OUT03")
    assert classes(edge).count("expected far") == 1


def test_bars_are_hollow_where_the_effect_may_be_nothing() -> None:
    sure, unsure = (NamedEffect(name=n, effect=effect(deviation=d)) for n, d in (("OUT03", 0.1), ("<M00>", 0.5)))
    chart = effects_chart([sure, unsure], "Effects")
    assert [name for name in classes(chart) if name in ("sure", "unsure")] == ["sure", "unsure"]
    assert "&lt;M00&gt;" in chart
    assert "OUT03 0.8; <M00> 0.8" in str(parsed(chart)[0].get("aria-label"))


def test_a_map_shows_doubt_bounds_and_direction() -> None:
    fine = NamedEffect(name="OUT03", effect=effect(best=0.9))
    chart = parsed(effects_map([fine], 0.8, "less", "more", "Blocks"))
    rooms = [one for one in chart.iter() if one.get("class") == "room"]
    assert len(rooms) == 8  # five below, itself, two up to the bound
    falls = [one for one in chart.iter() if one.get("class") == "fall"]
    assert len(falls) == 7
    assert {one.get("width") for one in falls} == {"19", "7"}
    darkest = max(float(one.get("fill-opacity", 0)) for one in falls)
    assert darkest == 1.0
    rising = effect()
    up = tuple(
        SliceValue(value=v.value, mean=v.mean, deviation=0, change=-v.change, change_deviation=0, is_within=v.is_within)
        for v in rising.values
    )
    gain = KnobEffect(knob=KNOB, best=0.4, change=0.8, deviation=0, values=up, near=())
    assert "rise" in classes(effects_map([NamedEffect(name="OUT03", effect=gain)], 0.8, "less", "more", ""))

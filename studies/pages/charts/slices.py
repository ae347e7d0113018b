"""A slice through the best recipe: what the model expects along one knob, and the trials near it.

The band is that of the difference from the best recipe: how high the whole slice lies is another question.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from search.importance import SURE, KnobEffect, SliceValue
from studies.pages.charts.plot import PlotFrame, drawing, number_text

WIDTH, HEIGHT = 360, 190
BELOW = 1.5
"""How far below the lowest mean near the best recipe the axis goes, in the largest change near it."""


def slice_range(effects: Sequence[KnobEffect]) -> tuple[float, float]:
    """Return the lower and upper end of the vertical axis that some slices share, so that they can be compared."""
    near = [one for effect in effects for one in effect.values if one.is_within]
    scores = [trial.score for effect in effects for trial in effect.near]
    lowest = min(one.mean - SURE * one.change_deviation for one in near)
    highest = max([*(one.mean + SURE * one.change_deviation for one in near), *scores])
    change = max(effect.change for effect in effects)
    everywhere = min(one.mean for effect in effects for one in effect.values)
    low = max(min([everywhere, lowest, *scores]), lowest - BELOW * max(change, highest - lowest))
    room = 0.04 * (highest - low) or 1.0
    return low - room, highest + room


def slice_chart(effect: KnobEffect, ends: tuple[float, float], label: str) -> Markup:
    """Return the chart of a knob that is no choice.

    Args:
        effect: of the knob.
        ends: of the vertical axis, see `slice_range`.
        label: what it shows, in words.
    """
    knob, values = effect.knob, effect.values
    frame = PlotFrame(width=WIDTH, height=HEIGHT, x=(knob.low, knob.high), y=ends)
    within = [one for one in values if one.is_within]
    before = [one for one in values if one.value <= within[0].value]
    after = [one for one in values if one.value >= within[-1].value]
    best = frame.across(effect.best)
    parts = [
        frame.axes(),
        _band(frame, values, "band far"),
        _band(frame, within, "band"),
        Markup('<line class="best" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{floor}"/>').format(
            x=best, top=frame.top, floor=frame.height - frame.bottom
        ),
        *(_mean(frame, part, "expected far") for part in (before, after)),
        _mean(frame, within, "expected"),
        frame.dots(((trial.value, trial.score) for trial in effect.near), "dots"),
    ]
    numbers = "; ".join(f"{number_text(one.value)}: {number_text(one.mean)}" for one in within)
    return drawing(WIDTH, HEIGHT, Markup("").join(parts), f"{label}. {numbers}", "slice")


def _band(frame: PlotFrame, values: Sequence[SliceValue], name: str) -> Markup:
    lower = [(one.value, one.mean - SURE * one.change_deviation) for one in values]
    upper = [(one.value, one.mean + SURE * one.change_deviation) for one in values]
    return frame.band(lower, upper, name)


def _mean(frame: PlotFrame, values: Sequence[SliceValue], name: str) -> Markup:
    return frame.line([(one.value, one.mean) for one in values], name) if len(values) > 1 else Markup("")

"""What every knob does, with its doubt: bars of the largest changes, and a map of all around the best recipe."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from search.importance import REACH, SLICE_STEP, SURE, KnobEffect, SliceValue
from studies.pages.charts.plot import drawing, number_text
from studies.pages.reading.importance import NamedEffect

WIDTH = 360
NAMES = 118
"""Room for the names of knobs."""
ROW = 24
"""Height of a bar's row."""
NUMBERS = 46
"""Room for the number after a bar."""
CELL, CELL_ROW = 20, 18
"""Width and height of a cell of the map."""
STEPS = round(REACH / SLICE_STEP)
"""Cells of the map on either side of the best recipe."""
FAINTEST = 0.15
"""Opacity of the smallest change that is drawn."""


def effects_chart(effects: Sequence[NamedEffect], label: str) -> Markup:
    """Return bars of changes, each with a line of two standard deviations; hollow where it may be nothing.

    Args:
        effects: the largest change first; at least one.
        label: what it shows, in words.
    """
    longest = max(one.effect.change + SURE * one.effect.deviation for one in effects) or 1.0
    rows = Markup("").join(_bar(place, one, longest) for place, one in enumerate(effects))
    numbers = "; ".join(f"{one.name} {number_text(one.effect.change, 2)}" for one in effects)
    return drawing(WIDTH, ROW * len(effects) + 4, rows, f"{label}. {numbers}", "effects")


def _bar(place: int, one: NamedEffect, longest: float) -> Markup:
    effect, top = one.effect, place * ROW
    unit = (WIDTH - NAMES - NUMBERS) / longest
    doubt = SURE * effect.deviation
    low, high = max(effect.change - doubt, 0.0), effect.change + doubt
    return Markup(
        '<g class="{sure}"><title>{name} {change} ± {doubt}</title><text x="{names}" y="{base}">{name}</text>'
        '<rect class="bar" x="{left}" y="{top}" width="{wide:.1f}" height="12"/>'
        '<line class="doubt" x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}"/>'
        '<text class="end-number" x="{right}" y="{base}">{change}</text></g>'
    ).format(
        sure="sure" if effect.is_sure else "unsure",
        name=one.name,
        change=number_text(effect.change, 2),
        doubt=number_text(doubt, 2),
        names=NAMES - 6,
        left=NAMES,
        top=top + 6,
        base=top + 16,
        wide=max(effect.change * unit, 1.0),
        low=NAMES + low * unit,
        high=NAMES + high * unit,
        middle=top + 12,
        right=WIDTH - 2,
    )


def effects_map(effects: Sequence[NamedEffect], largest: float, less: str, more: str, label: str) -> Markup:
    """Return a map: a row a knob, a column a step away from the best recipe, up to a quarter of the range.

    A cell is full where the change is sure, small where it may be nothing, empty beyond the bounds; a loss is a square,
    a gain round. The darker, the larger.

    Args:
        effects: of knobs that are no choices, in the order of the rows; at least one.
        largest: the change that is darkest; several maps may share it.
        less: words over the left half.
        more: words over the right half.
        label: what it shows, in words.
    """
    head = _head(less, more)
    rows = Markup("").join(_map_row(place, one, largest) for place, one in enumerate(effects))
    sure = "; ".join(f"{one.name} {number_text(one.effect.change, 2)}" for one in effects if one.effect.is_sure)
    return drawing(WIDTH, _row_top(len(effects)) + 2, head + rows, f"{label}. {sure}", "map")


def _row_top(place: int) -> int:
    return 20 + place * CELL_ROW


def _head(less: str, more: str) -> Markup:
    middle = NAMES + (STEPS + 0.5) * CELL
    return Markup(
        '<text class="start" x="{left}" y="12">\N{LEFTWARDS ARROW} {less}</text>'
        '<text class="middle" x="{middle}" y="12">\N{BLACK DOWN-POINTING SMALL TRIANGLE}</text>'
        '<text x="{right}" y="12">{more} \N{RIGHTWARDS ARROW}</text>'
    ).format(left=NAMES, middle=middle, right=NAMES + (2 * STEPS + 1) * CELL, less=less, more=more)


def _map_row(place: int, one: NamedEffect, largest: float) -> Markup:
    top = _row_top(place)
    name = Markup('<text x="{x}" y="{y}">{name}</text>').format(x=NAMES - 6, y=top + 13, name=one.name)
    cells = (_cell(step, top, _at(one.effect, step), largest) for step in range(-STEPS, STEPS + 1))
    return name + Markup("").join(cells)


def _at(effect: KnobEffect, step: int) -> SliceValue | None:
    """The value so many steps from the best recipe; None beyond the bounds."""
    width = SLICE_STEP * (effect.knob.high - effect.knob.low)
    wanted = effect.best + step * width
    nearest = min(effect.values, key=lambda one: abs(one.value - wanted))
    return nearest if abs(nearest.value - wanted) < width / 4 else None


def _cell(step: int, top: int, value: SliceValue | None, largest: float) -> Markup:
    left = NAMES + (step + STEPS) * CELL
    if value is None:
        return Markup("")
    room = Markup('<rect class="room" x="{x}" y="{y}" width="{w}" height="{h}"/>').format(
        x=left + 0.5, y=top + 0.5, w=CELL - 1, h=CELL_ROW - 1
    )
    if not step:
        return room + Markup('<circle class="here" cx="{x}" cy="{y}" r="3"/>').format(
            x=left + CELL / 2, y=top + CELL_ROW / 2
        )
    return room + _change(left, top, value, largest)


def _change(left: int, top: int, value: SliceValue, largest: float) -> Markup:
    wide, high = (CELL - 1, CELL_ROW - 1) if value.is_sure else (7, 7)
    return Markup(
        '<rect class="{kind}" x="{x}" y="{y}" width="{w}" height="{h}" rx="{round}" fill-opacity="{part:.2f}">'
        "<title>{value}: {change} ± {doubt}</title></rect>"
    ).format(
        kind="rise" if value.change > 0 else "fall",
        x=left + (CELL - wide) / 2,
        y=top + (CELL_ROW - high) / 2,
        w=wide,
        h=high,
        round=min(wide, high) / 2 if value.change > 0 else 0,
        part=FAINTEST + (1 - FAINTEST) * min(abs(value.change) / (largest or 1.0), 1.0),
        value=number_text(value.value),
        change=number_text(value.change, 2),
        doubt=number_text(SURE * value.change_deviation, 2),
    )

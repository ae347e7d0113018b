"""Differences with their intervals: a group of lines for each thing, better, worse and not told by colour and shape."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from markupsafe import Markup

from studies.pages.charts.plot import drawing, number_text, ticks

Told = Literal["better", "worse", "open"]
"""What an interval tells: all of it above zero, all below, or neither."""

WIDTH = 360
AGAINST = 78
"""Room for whom it is compared with."""
NUMBERS = 44
"""Room for the number after a line."""
ROW, NAME, FOOT = 18, 20, 22
"""Height of a line, of the name above its lines, and of the axis below all."""
LONGEST_NAME, LONGEST_AGAINST = 54, 12
"""Letters of a name, and of whom it is compared with; the rest is in the title."""
SIZE = 5.0
"""Half the width of a mark."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalLine:
    """One difference."""

    against: str
    """Whom it is from."""
    mean: float
    low: float
    high: float
    told: Told
    """The one who compared says it, for an interval may be wider than it is drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalGroup:
    """The differences of one thing."""

    name: str
    lines: tuple[IntervalLine, ...]


def interval_range(groups: Iterable[IntervalGroup]) -> tuple[float, float]:
    """Return the ends of an axis that several charts share, so that they can be compared; zero is within."""
    numbers = [end for group in groups for line in group.lines for end in (line.low, line.high, line.mean)]
    low, high = min([0.0, *numbers]), max([0.0, *numbers])
    room = 0.04 * (high - low) or 1.0
    return low - room, high + room


def intervals_chart(groups: Sequence[IntervalGroup], ends: tuple[float, float], label: str) -> Markup:
    """Return a chart of differences: a triangle upward is better, one downward worse, a ring cannot be told.

    Args:
        groups: from top to bottom; at least one with a line.
        ends: of the axis, see `interval_range`.
        label: what it shows, in words.
    """
    tops = [0.0]
    for group in groups:
        tops.append(tops[-1] + NAME + ROW * len(group.lines))
    axis = _axis(ends, tops[-1])
    rows = Markup("").join(_group(group, top, ends) for group, top in zip(groups, tops[:-1], strict=True))
    numbers = "; ".join(
        f"{group.name}: " + ", ".join(f"{line.against} {number_text(line.mean, 2)}" for line in group.lines)
        for group in groups
    )
    return drawing(WIDTH, tops[-1] + FOOT, axis + rows, f"{label}. {numbers}", "intervals")


def _across(number: float, ends: tuple[float, float]) -> float:
    low, high = ends
    part = min(max((number - low) / (high - low), 0.0), 1.0)
    return AGAINST + part * (WIDTH - AGAINST - NUMBERS)


def _axis(ends: tuple[float, float], floor: float) -> Markup:
    marks = Markup("").join(
        Markup(
            '<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{floor}"/>'
            '<text class="middle" x="{x:.1f}" y="{base}">{number}</text>'
        ).format(
            kind="zero" if not number else "grid",
            x=_across(number, ends),
            floor=floor + 2,
            base=floor + 16,
            number=number_text(number),
        )
        for number in ticks(*ends)
    )
    zero = Markup('<line class="zero" x1="{x:.1f}" x2="{x:.1f}" y1="0" y2="{floor}"/>')
    return zero.format(x=_across(0.0, ends), floor=floor + 2) + marks


def _group(group: IntervalGroup, top: float, ends: tuple[float, float]) -> Markup:
    name = Markup('<text class="start name" x="0" y="{y}">{text}<title>{name}</title></text>').format(
        y=top + 15, text=_short(group.name, LONGEST_NAME), name=group.name
    )
    lines = (_line(line, top + NAME + ROW * place, ends) for place, line in enumerate(group.lines))
    return name + Markup("").join(lines)


def _line(line: IntervalLine, top: float, ends: tuple[float, float]) -> Markup:
    middle = top + ROW / 2
    return Markup(
        '<g class="{told}"><title>{against}: {mean} ({low} to {high})</title><text x="{left}" y="{base}">{short}</text>'
        '<line class="doubt" x1="{x1:.1f}" x2="{x2:.1f}" y1="{middle}" y2="{middle}"/>{mark}'
        '<text class="end-number" x="{right}" y="{base}">{mean}</text></g>'
    ).format(
        told=line.told,
        against=line.against,
        short=_short(line.against, LONGEST_AGAINST),
        mean=number_text(line.mean, 2),
        low=number_text(line.low, 2),
        high=number_text(line.high, 2),
        left=AGAINST - 8,
        base=middle + 4,
        x1=_across(line.low, ends),
        x2=_across(line.high, ends),
        middle=middle,
        mark=_mark(line.told, _across(line.mean, ends), middle),
        right=WIDTH - 2,
    )


def _mark(told: Told, x: float, y: float) -> Markup:
    if told == "open":
        return Markup('<circle class="mark" cx="{x:.1f}" cy="{y}" r="{r}"/>').format(x=x, y=y, r=SIZE - 1)
    up = -1 if told == "better" else 1
    points = f"{x - SIZE:.1f},{y - up * SIZE:.1f} {x + SIZE:.1f},{y - up * SIZE:.1f} {x:.1f},{y + up * SIZE:.1f}"
    return Markup('<polygon class="mark" points="{points}"/>').format(points=points)


def _short(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "\N{HORIZONTAL ELLIPSIS}"

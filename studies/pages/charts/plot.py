"""What charts share: scales, few ticks, a frame with axes, and the SVG around all."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

MINUS = "\N{MINUS SIGN}"
LINE = 12
"""Height of a line of text, in units of a drawing: a drawing as wide as a phone shows it as large as small print."""


def ticks(low: float, high: float, most: int = 5) -> tuple[float, ...]:
    """Return round numbers from low to high, at most so many: steps of 1, 2 or 5 times a power of ten."""
    if not low < high:
        return (low,)
    size = 10.0 ** math.floor(math.log10((high - low) / most))
    steps = (factor * size for factor in (1, 2, 5, 10, 20))
    step = next(step for step in steps if math.floor(high / step + 1e-9) - math.ceil(low / step - 1e-9) < most)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return tuple(round(n * step, 10) + 0.0 for n in range(first, last + 1))


def number_text(number: float, digits: int = 3) -> str:
    """Return a number of an axis, with a true minus."""
    return f"{number:.{digits}g}".replace("-", MINUS)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlotFrame:
    """A rectangle with numbers along two sides, in units of a drawing."""

    width: int
    height: int
    x: tuple[float, float]
    """Numbers at the left and right edge."""
    y: tuple[float, float]
    """Numbers at the lower and upper edge."""
    left: int = 40
    right: int = 8
    top: int = 8
    bottom: int = 22

    def across(self, number: float) -> float:
        """Return where a number of the horizontal axis lies; one beyond the edge, at the edge."""
        return self.left + _part(number, self.x) * (self.width - self.left - self.right)

    def up(self, number: float) -> float:
        """Return where a number of the vertical axis lies; one beyond the edge, at the edge."""
        floor = self.height - self.bottom
        return floor - _part(number, self.y) * (floor - self.top)

    def axes(self, across: Sequence[float] | None = None, up: Sequence[float] | None = None) -> Markup:
        """Return the axes with their ticks; those given, or about five."""
        lines = Markup("").join(self._level(number) for number in (up or ticks(*self.y)))
        marks = Markup("").join(self._mark(number) for number in (across or ticks(*self.x)))
        return lines + marks

    def line(self, points: Iterable[tuple[float, float]], name: str) -> Markup:
        """Return a line through points."""
        return Markup('<polyline class="{name}" points="{points}"/>').format(name=name, points=self._places(points))

    def band(
        self, lower: Sequence[tuple[float, float]], upper: Sequence[tuple[float, float]], name: str = "band"
    ) -> Markup:
        """Return the area between two lines."""
        points = self._places([*lower, *reversed(upper)])
        return Markup('<polygon class="{name}" points="{points}"/>').format(name=name, points=points)

    def dots(self, points: Iterable[tuple[float, float]], name: str) -> Markup:
        """Return dots as one path of short strokes, so that thousands of them stay small."""
        path = "".join(f"M{self.across(x):.1f} {self.up(y):.1f}h0" for x, y in points)
        return Markup('<path class="{name}" d="{path}"/>').format(name=name, path=path) if path else Markup("")

    def _places(self, points: Iterable[tuple[float, float]]) -> str:
        return " ".join(f"{self.across(x):.1f},{self.up(y):.1f}" for x, y in points)

    def _level(self, number: float) -> Markup:
        y = self.up(number)
        return Markup(
            '<line class="grid" x1="{x}" x2="{end}" y1="{y:.1f}" y2="{y:.1f}"/>'
            '<text x="{place}" y="{base:.1f}">{number}</text>'
        ).format(
            x=self.left, end=self.width - self.right, y=y, place=self.left - 5, base=y + 4, number=number_text(number)
        )

    def _mark(self, number: float) -> Markup:
        floor = self.height - self.bottom
        return Markup(
            '<line class="axis" x1="{x:.1f}" x2="{x:.1f}" y1="{y}" y2="{end}"/>'
            '<text class="middle" x="{x:.1f}" y="{base}">{number}</text>'
        ).format(x=self.across(number), y=floor, end=floor + 4, base=floor + 4 + LINE, number=number_text(number, 6))


def drawing(width: float, height: float, content: Markup, label: str, name: str = "") -> Markup:
    """Return an SVG around a content.

    Args:
        width: of the drawing; it is shown as wide at most.
        height: of the drawing.
        content: what is drawn.
        label: its numbers in words, for who cannot see it.
        name: class of its own.
    """
    return Markup(
        '<svg class="plot {name}" viewBox="0 0 {width:g} {height:g}" width="{width:g}" height="{height:g}" role="img" '
        'aria-label="{label}">{content}</svg>'
    ).format(name=name, width=width, height=height, label=label, content=content)


def _part(number: float, ends: tuple[float, float]) -> float:
    low, high = ends
    return min(max((number - low) / (high - low or 1.0), 0.0), 1.0)

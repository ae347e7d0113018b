"""A few axes through the space: each moves some knobs, all other knobs stay where they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from search.history import Point
from search.space import TOLERANCE, Knob


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One number that moves one knob, or the blocks of a group together."""

    name: str
    low: float
    high: float
    knobs: tuple[Knob, ...]

    @property
    def width(self) -> float:
        """Upper minus lower bound."""
        return self.high - self.low

    def clip(self, value: float) -> float:
        """Return the value moved into the bounds."""
        return min(max(value, self.low), self.high)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subspace:
    """All points that differ from `fixed` only along the axes."""

    axes: tuple[Axis, ...]
    fixed: Point

    def embed(self, values: Mapping[str, float]) -> dict[str, float]:
        """Return the full point of axis values; a knob stops at its own bounds."""
        moved = {knob.name: knob.clip(values[axis.name]) for axis in self.axes for knob in axis.knobs}
        return {**self.fixed, **moved}

    def project(self, point: Point) -> dict[str, float] | None:
        """Return the axis values of a point, or None if it lies elsewhere or outside the axes' bounds."""
        moving = {knob.name for axis in self.axes for knob in axis.knobs}
        if any(abs(point[name] - value) > TOLERANCE for name, value in self.fixed.items() if name not in moving):
            return None
        values = {axis.name: _position(axis, point) for axis in self.axes}
        found = {name: value for name, value in values.items() if value is not None}
        return found if len(found) == len(values) else None


def _position(axis: Axis, point: Point) -> float | None:
    """Return the axis value that puts all its knobs where the point has them; several may, when knobs stop early."""
    for value in (point[knob.name] for knob in axis.knobs):
        fits = all(abs(knob.clip(value) - point[knob.name]) <= TOLERANCE for knob in axis.knobs)
        if fits and axis.low - TOLERANCE <= value <= axis.high + TOLERANCE:
            return axis.clip(value)
    return None

"""The filled shapes that drawings are made of, and the small sums with points that subjects and places share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from studies.sample.scenery.contents import Colour, Layout, Point


@dataclass(frozen=True, slots=True)
class Part:
    """One filled shape. Points are fractions of the picture's side, from its top left corner."""

    kind: str
    """``polygon``, or ``ellipse`` of its box's two corners."""
    points: tuple[Point, ...]
    colour: Colour
    outline: bool = True
    """Whether ink runs round it and light falls on it as on a body; small parts have neither."""
    glow: bool = False
    """Whether it is as bright in the dark as by day: windows, the sun."""


def box(left: float, top: float, right: float, bottom: float) -> tuple[Point, ...]:
    """The corners of a rectangle."""
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def darker(colour: Colour, by: float) -> Colour:
    """The colour times ``by``."""
    return (int(colour[0] * by), int(colour[1] * by), int(colour[2] * by))


def placed(layout: Layout, parts: Sequence[Part]) -> list[Part]:
    """Move a subject from the unit square, feet at y = 1, to where it stands in the picture."""
    left, top = layout.x - layout.scale / 2, layout.base - layout.scale

    def moved(part: Part) -> Part:
        return replace(part, points=tuple((left + x * layout.scale, top + y * layout.scale) for x, y in part.points))

    return [moved(part) for part in parts]

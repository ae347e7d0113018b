"""What a stage moves, axes from 0 to 1, each for one knob or for the ratios of a group together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search.plan import Stage
from search.space.knob import RATIOS, Knob
from search.space.space import Space

SCREENED = 0.6
"""Screening trials by axis."""
LEAST, MOST = 4, 32
"""Fewest and most of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """One number, 0 to 1, that moves one knob, or the ratios of a group together."""

    name: str
    knobs: tuple[Knob, ...]

    @property
    def low(self) -> float:
        """Smallest value of any of its knobs."""
        return min(knob.low for knob in self.knobs)

    @property
    def width(self) -> float:
        """Largest minus smallest value."""
        return max(knob.high for knob in self.knobs) - self.low

    def slope(self, knob: Knob) -> float:
        """How much faster the knob runs through its bounds than the axis."""
        return self.width / (knob.high - knob.low)

    def shift(self, knob: Knob) -> float:
        """Where between the knob's bounds the axis begins; below 0 when it begins earlier."""
        return (self.low - knob.low) / (knob.high - knob.low)


def axes_of(stage: Stage, space: Space) -> tuple[Axis, ...]:
    """Return what a stage moves: all ratios of the blocks as one, by group, one by one, and so on."""
    if stage == "flat":
        blocks = space.of_kind("block")
        return (Axis(name="FLAT", knobs=blocks),) if blocks else ()
    if stage == "groups":
        return grouped(space.groups)
    if stage == "blocks":
        return single(space.of_kind(*RATIOS))
    if stage == "refine":
        return single(space.of_kind(*RATIOS, "self", "adjust"))
    return single(space.of_kind(stage))


def screening_trials(axes: int) -> int:
    """Return how many trials screen so many axes."""
    return min(max(LEAST, math.ceil(SCREENED * axes)), MOST)


def single(knobs: Sequence[Knob]) -> tuple[Axis, ...]:
    """Return one axis a knob."""
    return tuple(Axis(name=knob.name, knobs=(knob,)) for knob in knobs)


def grouped(groups: Mapping[str, tuple[Knob, ...]]) -> tuple[Axis, ...]:
    """Return one axis a group."""
    return tuple(Axis(name=name, knobs=knobs) for name, knobs in groups.items())

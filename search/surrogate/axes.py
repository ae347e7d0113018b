"""The axes that a stage moves: each runs from 0 to 1, for one knob or for the ratios of a group together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from search.plan import Stage
from search.space.knob import RATIOS, Knob
from search.space.space import Space

SCREENING_SHARE = 0.6
"""Screening trials of a stage, for every axis."""
FEWEST_SCREENING, MOST_SCREENING = 4, 32
"""Fewest and most screening trials of a stage."""


@dataclass(frozen=True, kw_only=True)
class SearchAxis:
    """One number, 0 to 1, that moves one knob, or the ratios of a group together.

    Without slots, so that its range is worked out once.
    """

    name: str
    knobs: tuple[Knob, ...]

    @cached_property
    def low(self) -> float:
        """Smallest value of any of its knobs."""
        return min(knob.low for knob in self.knobs)

    @cached_property
    def width(self) -> float:
        """Largest minus smallest value."""
        return max(knob.high for knob in self.knobs) - self.low

    def slope(self, knob: Knob) -> float:
        """How much faster the knob runs through its bounds than the axis."""
        return self.width / (knob.high - knob.low)

    def shift(self, knob: Knob) -> float:
        """Where between the knob's bounds the axis begins; below 0 when it begins earlier."""
        return (self.low - knob.low) / (knob.high - knob.low)


def axes_of(stage: Stage, space: Space) -> tuple[SearchAxis, ...]:
    """Return what a stage moves: all ratios of the blocks as one, by group, one by one, and so on."""
    if stage == "flat":
        blocks = space.of_kind("block")
        return (SearchAxis(name="FLAT", knobs=blocks),) if blocks else ()
    if stage == "groups":
        return grouped(space.groups)
    if stage == "blocks":
        return single(space.of_kind(*RATIOS))
    if stage == "refine":
        return single(space.of_kind(*RATIOS, "self", "adjust"))
    return single(space.of_kind(stage))


def screening_trials(axes: int) -> int:
    """Return how many trials screen so many axes."""
    return min(max(FEWEST_SCREENING, math.ceil(SCREENING_SHARE * axes)), MOST_SCREENING)


def single(knobs: Sequence[Knob]) -> tuple[SearchAxis, ...]:
    """Return one axis for each knob."""
    return tuple(SearchAxis(name=knob.name, knobs=(knob,)) for knob in knobs)


def grouped(groups: Mapping[str, tuple[Knob, ...]]) -> tuple[SearchAxis, ...]:
    """Return one axis for each group."""
    return tuple(SearchAxis(name=name, knobs=knobs) for name, knobs in groups.items())

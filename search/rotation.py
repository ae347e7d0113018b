"""Which shots each stage draws, all, or ever others, so that the search cannot live on a few pictures."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from search.errors import refuse
from search.history import Slots
from search.stages import STAGES, Stage

SHARES: Mapping[Stage, float] = MappingProxyType(
    {"flat": 1.0, "groups": 1.0, "blocks": 1.0, "self": 1.0, "adjust": 1.0, "refine": 2.0}
)
"""Shots of a stage, in shots per trial: the last one looks twice as closely."""
SHARED: Mapping[Stage, Stage] = MappingProxyType({"groups": "flat", "adjust": "self"})
"""Stages that go on where another one was: these are short, and every new window costs a few trials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """A window that moves through the shots of a study from stage to stage.

    Within a stage every trial draws the same shots from the same noise (common random numbers): only then do
    differences of values tell recipes apart. Between stages the window moves on, so that what suits eight pictures by
    chance is found out: the model counts what a window makes of recipes as luck, and every stage begins with its start,
    which ties the windows.

    Raises:
        SearchError: negative counts, or more shots per trial than there are.
    """

    shots: int = 0
    """How many shots the study has; 0: every trial draws all of them, whatever they are."""
    each: int = 0
    """Shots per trial; 0: all."""
    fresh: bool = False
    """Whether the window may move beyond the study's shots: place `n` is shot `n % shots` again, from other noise."""

    def __post_init__(self) -> None:
        mistakes = [f"{name} = {n} is negative" for name, n in (("shots", self.shots), ("each", self.each)) if n < 0]
        if self.each > self.shots:
            mistakes.append(f"{self.each} shots per trial, but the study has {self.shots}; give it more prompts")
        refuse("the rotation of shots", mistakes)

    def slots(self, stage: Stage) -> Slots:
        """Return the places of a stage's shots, in order; empty: all of them."""
        if not self.each or (self.each == self.shots and not self.fresh):
            return ()
        windows: list[Stage] = [one for one in STAGES if one not in SHARED]
        before = windows[: windows.index(SHARED.get(stage, stage))]
        first = sum(self._count(one) for one in before)
        places = range(first, first + self._count(stage))
        return tuple(places) if self.fresh else tuple(sorted(place % self.shots for place in places))

    def _count(self, stage: Stage) -> int:
        wanted = round(SHARES[stage] * self.each)
        return wanted if self.fresh else min(wanted, self.shots)

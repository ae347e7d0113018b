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


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """A window that moves through the shots of a study from stage to stage.

    Within a stage every trial draws the same shots from the same noise (common random numbers): only then do
    differences of values tell recipes apart. Between stages the window moves on, so that what suits eight pictures by
    chance is found out. Values on other shots are shifted; the model gives every window a constant of its own, and
    every stage on new shots begins with its start, the better parent and the best so far, which ties the windows.

    Raises:
        SearchError: negative counts, or more shots per trial than there are.
    """

    shots: int = 0
    """How many shots the study has; 0: every trial draws all of them, whatever they are."""
    each: int = 0
    """Shots per trial; 0: all."""

    def __post_init__(self) -> None:
        mistakes = [f"{name} = {n} is negative" for name, n in (("shots", self.shots), ("each", self.each)) if n < 0]
        if self.each > self.shots:
            mistakes.append(f"{self.each} shots per trial, but the study has {self.shots}; give it more prompts")
        refuse("the rotation of shots", mistakes)

    def slots(self, stage: Stage) -> Slots:
        """Return the places of a stage's shots, in order; empty: all of them."""
        if not self.each or self.each == self.shots:
            return ()
        windows: list[Stage] = [one for one in STAGES if one != "groups"]  # which goes on where flat was
        before = windows[: windows.index("flat" if stage == "groups" else stage)]
        first = sum(self._count(one) for one in before)
        return tuple(sorted((first + n) % self.shots for n in range(self._count(stage))))

    def _count(self, stage: Stage) -> int:
        return min(round(SHARES[stage] * self.each), self.shots)

"""The trial history: what is known of every trial, its point and its value."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeGuard

from engine.errors import Named, Place
from search.errors import SearchError

Point = Mapping[str, float]
"""One candidate: a number for every free knob of the space, by knob name."""
Slots = tuple[int, ...]
"""Which of a study's shots a trial drew, by their places; values on different shots are not comparable as they are."""

LARGEST = 1e100
"""The largest size of a value: squares of larger ones are no numbers any more."""


def is_measured(value: float | None) -> TypeGuard[float]:
    """Whether a trial's value is one that the search can reckon with: finite, and no larger than `LARGEST` in size."""
    return value is not None and abs(value) <= LARGEST


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRecord:
    """What the search knows of one trial, completed or still running.

    A trial without a value used up its place in the plan. A failed one (a crash, no memory) says nothing about its
    recipe; an infeasible one (broken pictures) says nothing of the objective either, only where pictures break. One
    that still runs elsewhere is recorded as if it had failed, so that nobody else tries the same.

    Raises:
        SearchError: the value or its standard error is not finite, or is beyond `LARGEST`; write None, never a made-up
            number.
    """

    number: int
    """Trial number; gives the order of the history."""
    stage: str
    """The stage that proposed it, one of `search.plan.STAGES`."""
    point: Point
    """The full vector: every free knob."""
    value: float | None
    """Objective, larger is better; None for failed, infeasible and running trials."""
    standard_error: float | None = None
    """Standard error of the value among values of the same shots, in its units."""
    infeasible: bool = False
    """Whether the missing value means broken pictures (True) or a trial that failed or still runs (False)."""
    slots: Slots = ()
    """The shots it drew, where stages draw different ones."""
    share: float = 1.0
    """The part of these shots whose pictures it has: below 1 where it was given up; its value is then less certain."""

    def __post_init__(self) -> None:
        if self.value is not None and not math.isfinite(self.value):
            raise SearchError(
                f"value {self.value} is not a finite number", place=self._place, remedy="write None instead"
            )
        if self.value is not None and not is_measured(self.value):
            raise SearchError(
                f"value {self.value:g} is beyond {LARGEST:g}",
                place=self._place,
                remedy="divide all values by the same number",
            )
        if self.standard_error is not None and not 0 <= self.standard_error <= LARGEST:
            raise SearchError(
                f"{self.standard_error} is no standard error", place=self._place, remedy="write None instead"
            )
        if not 0 < self.share <= 1:
            raise SearchError(f"{self.share} is no part of its shots", place=self._place, remedy="write 1 for all")
        if self.value is not None and self.infeasible:
            raise SearchError(
                f"infeasible, yet with value {self.value:g}",
                place=self._place,
                remedy="write None for broken pictures",
            )

    @property
    def _place(self) -> Place:
        return (Named(f"trial {self.number}"),)


def in_order(history: Iterable[TrialRecord]) -> tuple[TrialRecord, ...]:
    """Return the history by trial number, oldest first."""
    return tuple(sorted(history, key=lambda trial: trial.number))


def top(history: Iterable[TrialRecord], count: int) -> tuple[TrialRecord, ...]:
    """Return the `count` best trials that have a value, best first; the older one wins a tie."""
    valued = [trial for trial in in_order(history) if trial.value is not None]
    return tuple(sorted(valued, key=lambda trial: -(trial.value or 0.0))[:count])


def mean_point(points: Sequence[Point]) -> dict[str, float]:
    """Return the knob by knob mean of points over the same knobs.

    Raises:
        SearchError: there is no point.
    """
    if not points:
        raise SearchError("the mean of no points was asked for", remedy="give at least one trial with a value first")
    return {name: math.fsum(point[name] for point in points) / len(points) for name in points[0]}

"""Gradient ascent over the knobs of a space, made for gradients that are mostly noise.

Every step's gradient is of other pictures (fresh seeds), so it is unbiased, but noisy, for some knobs far more than for
others. Adam (Kingma and Ba 2015, https://arxiv.org/abs/1412.6980) would move every knob by one length, noise or not;
here the knobs of one kind share one scale, so that a knob moves by how much it matters. The answer is the mean of the
last part of the way (Polyak and Juditsky 1992), not its end.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from engine.errors import Problems
from search.errors import SearchError
from search.history import Point, mean_point
from search.space.knob import Knob
from search.space.space import Space

Gradient = Callable[[Point, int], Mapping[str, float]]
"""From a point and the number of the step to the derivative of the objective by every free knob."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ascent:
    """How the way is walked.

    Raises:
        SearchError: no steps, or a number outside its range.
    """

    steps: int = 12
    """How many gradients are asked for."""
    rate: float = 0.05
    """Typical length of a step, as a part of a knob's range; it falls linearly to a quarter on the way."""
    memory: float = 0.8
    """How much of the mean gradient of the steps before is kept, 0..1."""
    averaged: float = 0.5
    """The last part of the way that is averaged, 0..1 (0 itself excluded)."""

    def __post_init__(self) -> None:
        problems = Problems()
        if self.steps < 1:
            problems.add((), f"steps = {self.steps}", "take at least 1")
        if not 0 < self.rate <= 1:
            problems.add((), f"rate = {self.rate:g} is not in 0..1 (0 itself excluded)")
        if not 0 <= self.memory < 1:
            problems.add((), f"memory = {self.memory:g} is not in 0..1 (1 itself excluded)")
        if not 0 < self.averaged <= 1:
            problems.add((), f"averaged = {self.averaged:g} is not in 0..1 (0 itself excluded)")
        problems.raise_as(SearchError, "the ascent")


def together(space: Space, *, grouped: bool) -> tuple[tuple[Knob, ...], ...]:
    """The free knobs that move together: every one for itself, or the blocks of a group as one."""
    if not grouped:
        return tuple((knob,) for knob in space.free)
    return (*space.groups.values(), *((knob,) for knob in space.free if knob.kind != "block"))


def ascend(
    space: Space, start: Point, gradient: Gradient, ascent: Ascent, *, grouped: bool = False
) -> Iterator[dict[str, float]]:
    """Walk up from a point; after every step, the mean of the last part of the way so far.

    Args:
        space: all knobs.
        start: where from.
        gradient: of the objective.
        ascent: how.
        grouped: move the blocks of a group by one and the same distance.

    Yields:
        A point inside the space's bounds, rounded as proposals are. The last one is the answer.
    """
    way = [dict(start)]
    walker = _Walker(ascent, together(space, grouped=grouped))
    for step in range(ascent.steps):
        way.append(walker.next(way[-1], gradient(way[-1], step), step))
        tail = way[-max(1, math.ceil(ascent.averaged * (step + 1))) :]
        mean = mean_point(tail)
        yield {knob.name: knob.tidy(mean[knob.name]) for knob in space.free}


class _Walker:
    """The memory of the way: mean gradient by place, mean square by kind; all in parts of a knob's range."""

    def __init__(self, ascent: Ascent, places: Sequence[tuple[Knob, ...]]) -> None:
        self._ascent, self._places = ascent, places
        self._mean = [0.0] * len(places)
        self._square: dict[str, float] = {}

    def next(self, point: Point, gradient: Mapping[str, float], step: int) -> dict[str, float]:
        slopes = [sum(gradient[k.name] * (k.high - k.low) for k in knobs) for knobs in self._places]
        keep = self._ascent.memory
        self._mean = [keep * mean + (1 - keep) * slope for mean, slope in zip(self._mean, slopes, strict=True)]
        self._remember(slopes)
        seen = 1 - keep ** (step + 1)  # both means began at 0
        rate = self._ascent.rate * (1 - 0.75 * step / self._ascent.steps)
        moved = dict(point)
        for knobs, mean in zip(self._places, self._mean, strict=True):
            spread = math.sqrt(self._square[knobs[0].kind] / seen)
            length = rate * mean / seen / spread if spread else 0.0
            for knob in knobs:
                moved[knob.name] = knob.clip(point[knob.name] + length * (knob.high - knob.low))
        return moved

    def _remember(self, slopes: Sequence[float]) -> None:
        """The mean square of the slopes of each kind."""
        by_kind: dict[str, list[float]] = {}
        for knobs, slope in zip(self._places, slopes, strict=True):
            by_kind.setdefault(knobs[0].kind, []).append(slope * slope)
        for kind, squares in by_kind.items():
            keep, before = self._ascent.memory, self._square.get(kind, 0.0)
            self._square[kind] = keep * before + (1 - keep) * sum(squares) / len(squares)

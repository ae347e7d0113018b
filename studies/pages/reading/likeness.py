"""How alike two recipes of a study are, by their points."""

from __future__ import annotations

from collections.abc import Iterable

from search.history import Point
from search.space.space import Space
from studies.pages.reading.trials import ShownTrial


def distance(space: Space, one: Point, other: Point) -> float:
    """Return the sum of squared differences over the knobs, each in shares of its range; words count whole."""
    total = 0.0
    for knob in space.free:
        away = one.get(knob.name, 0.0) - other.get(knob.name, 0.0)
        if away:
            total += 1.0 if knob.is_choice else (away / (knob.high - knob.low or 1)) ** 2
    return total


def nearest(space: Space, to: ShownTrial, trials: Iterable[ShownTrial], most: int) -> tuple[ShownTrial, ...]:
    """Return the trials whose recipes are most like that of a trial, the nearest first; itself is left out."""
    others = (trial for trial in trials if trial.number != to.number and trial.point)
    return tuple(sorted(others, key=lambda trial: (distance(space, to.point, trial.point), trial.number))[:most])

"""Who goes to the final on fresh prompts and seeds: what the model recommends, the best, and the mean of the best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from search.errors import SearchError
from search.history import Point, Told, mean_point, top
from search.plan import STAGES, Plan, Stage
from search.space.space import Space
from search.state import Course

MEAN_OF = 10
"""How many of the best recipes the mean is taken over."""
BEST = 5
"""How many of the best recipes go before the best of every stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalist:
    """One recipe to be rendered again on held-out shots."""

    label: str
    """Why it is here: `the model's best`, `mean of the best 10`, `best`, `number 2 by value`, `best of groups`."""
    point: Point
    """The full vector: every free knob."""


def choose(space: Space, history: Sequence[Told], count: int, plan: Plan | None = None) -> tuple[Finalist, ...]:
    """Return up to `count` different recipes, the most promising first.

    The best observed value is partly luck, and the luckiest of many is luckier still. What the model of all trials
    recommends has less of such luck, and the mean of the best recipes too; their values are not known before the final.
    So the model's goes, the best trial, the mean, then the best five, then the best of every stage, which keeps some
    variety, then who follows by value. Values on other shots are compared as the model shifts them.

    Args:
        space: the space all points belong to.
        history: all told trials.
        count: how many finalists are wanted, at least 1.
        plan: of the search.

    Raises:
        SearchError: less than one finalist is wanted, or no trial has a value.
    """
    if count < 1:
        raise SearchError(f"{count} finalists were asked for", remedy="ask for at least 1")
    if not top(history, 1):
        raise SearchError(f"none of the {len(history)} trials has a value, so there is nothing to choose from")
    chosen: dict[tuple[float, ...], Finalist] = {}
    for finalist in _queue(space, history, plan or Plan()):
        chosen.setdefault(space.mark(finalist.point), finalist)
    return tuple(chosen.values())[:count]


def optimism(space: Space, history: Sequence[Told], plan: Plan | None = None) -> float | None:
    """Return by how much the best observed value is better than what the model of all trials expects of that recipe.

    The winner's luck, in units of the objective; None while there are less than three values.
    """
    ranked = _ranked(Course(space, plan or Plan(), history))
    if len(ranked) < 3 or ranked[0].value is None:
        return None
    return ranked[0].value - expected(space, history, [ranked[0].point], plan)[0]


def expected(space: Space, history: Sequence[Told], points: Sequence[Point], plan: Plan | None = None) -> list[float]:
    """Return what the model of all trials expects of some recipes, in units of the objective; NaN without any value.

    Raises:
        SearchError: a point is not one of the space.
    """
    course = Course(space, plan or Plan(), history)
    data = course.data()
    if data is None or not points:
        return [math.nan] * len(points)
    import numpy as np

    from search.surrogate.gaussian_process import model_of

    rows = np.array([course.columns.row(space.checked(point)) for point in points])
    return [float(value) for value in model_of(data).expected(rows)]


def _queue(space: Space, history: Sequence[Told], plan: Plan) -> list[Finalist]:
    course = Course(space, plan, history)
    ranked = _ranked(course)
    queue = [
        Finalist(label="the model's best", point=course.start(None)),
        Finalist(label="best", point=ranked[0].point),
        Finalist(label=f"mean of the best {min(MEAN_OF, len(ranked))}", point=_mean(space, ranked[:MEAN_OF])),
    ]
    by_value = [Finalist(label=f"number {n} by value", point=one.point) for n, one in enumerate(ranked, start=1)]
    queue += by_value[:BEST]
    queue += [Finalist(label=f"best of {one.stage}", point=one.point) for one in _champions(ranked)]
    return queue + by_value[BEST:]


def _ranked(course: Course) -> tuple[Told, ...]:
    """Return the trials with a value, best first, as they compare across sets of shots."""
    return top(course.compared, len(course.compared))


def _mean(space: Space, best: Sequence[Told]) -> dict[str, float]:
    """Return the mean of the best; words have no mean, so they are those of the best."""
    mean = mean_point([one.point for one in best])
    return {
        knob.name: best[0].point[knob.name] if knob.is_choice else knob.tidy(mean[knob.name]) for knob in space.free
    }


def _champions(ranked: Sequence[Told]) -> list[Told]:
    """Return the best of each stage, the last stage first."""
    stages: list[Stage] = [*reversed(STAGES)]
    found = [next((one for one in ranked if one.stage == stage), None) for stage in stages]
    return [one for one in found if one is not None]

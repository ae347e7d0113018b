"""The finalists, which are proved on fresh prompts and seeds: the surrogate's optimum, the best trials, their mean."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from search.errors import SearchError
from search.history import Point, TrialRecord, top
from search.plan import STAGES, SearchPlan, Stage
from search.recommendation import MEAN_OF, mean_of_best
from search.space.space import Space
from search.state import SearchState
from search.trials import SearchTrials

BY_MODEL = "best by the search's model"
"""The label of the surrogate's optimum."""
BEST = 5
"""How many of the best recipes come before the best of every stage."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finalist:
    """One recipe to be rendered again on held-out shots."""

    label: str
    """Why it is here: `best by the search's model`, `mean of the best 10`, `highest score`, or so."""
    point: Point
    """The full vector: every free knob."""


def choose(
    space: Space, history: Sequence[TrialRecord], count: int, plan: SearchPlan | None = None
) -> tuple[Finalist, ...]:
    """Return up to `count` different recipes, the most promising first.

    The best observed value of many is too good by chance (the winner's curse). The optimum of the surrogate is less so,
    and the mean of the best recipes too; their values are not known before the proof. So first comes the optimum, then
    the best trial, the mean, the best five, the best of every stage, which keeps some variety, and all others by value.
    Values on different shots are compared as on the average set of shots.

    Args:
        space: the space all points belong to.
        history: all trials.
        count: most finalists, at least 1.
        plan: of the search.

    Raises:
        SearchError: the count is less than 1, or no trial has a value.
    """
    if count < 1:
        raise SearchError(f"{count} finalists were asked for", remedy="ask for at least 1")
    if not top(history, 1):
        raise SearchError(f"none of the {len(history)} trials has a value, so there is nothing to choose from")
    chosen: dict[tuple[float, ...], Finalist] = {}
    for finalist in _queue(space, history, plan or SearchPlan()):
        chosen.setdefault(space.mark(finalist.point), finalist)
    return tuple(chosen.values())[:count]


def optimism(space: Space, history: Sequence[TrialRecord], plan: SearchPlan | None = None) -> float | None:
    """Return by how much the best observed value is better than the posterior mean of its recipe (the winner's curse).

    In units of the objective; None while there are less than three values.
    """
    trials = SearchTrials(space, plan or SearchPlan(), history)
    best = top(trials.comparable, 1)
    if len(trials.comparable) < 3 or best[0].value is None:
        return None
    return best[0].value - _means(trials, [best[0].point])[0]


def posterior_means(
    space: Space, history: Sequence[TrialRecord], points: Sequence[Point], plan: SearchPlan | None = None
) -> list[float]:
    """Return what the surrogate of all trials expects of some recipes, in units of the objective; NaN without values.

    Raises:
        SearchError: a point is not one of the space.
    """
    return _means(SearchTrials(space, plan or SearchPlan(), history), points)


def _means(trials: SearchTrials, points: Sequence[Point]) -> list[float]:
    observations = trials.plain_observations
    if observations is None or not points:
        return [math.nan] * len(points)
    import numpy as np

    from search.surrogate.gaussian_process import model_of

    rows = np.array([trials.encoding.row(trials.space.checked(point)) for point in points])
    return [float(mean) for mean in model_of(observations).posterior_mean(rows)]


def _queue(space: Space, history: Sequence[TrialRecord], plan: SearchPlan) -> list[Finalist]:
    state = SearchState(space, plan, history)
    ranked = top(state.trials.comparable, len(history))
    queue = [
        Finalist(label=BY_MODEL, point=state.start(None)),
        Finalist(label="highest score", point=ranked[0].point),
        Finalist(label=f"mean of the best {min(MEAN_OF, len(ranked))}", point=mean_of_best(space, ranked[:MEAN_OF])),
    ]
    by_value = [Finalist(label=f"number {n} by score", point=one.point) for n, one in enumerate(ranked, start=1)]
    queue += by_value[:BEST]
    queue += [Finalist(label=f"best of {one.stage}", point=one.point) for one in _stage_winners(ranked)]
    return queue + by_value[BEST:]


def _stage_winners(ranked: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the best trial of each stage, the last stage first."""
    stages: list[Stage] = [*reversed(STAGES)]
    best = [next((trial for trial in ranked if trial.stage == stage), None) for stage in stages]
    return [trial for trial in best if trial is not None]

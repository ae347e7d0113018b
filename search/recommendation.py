"""What is recommended at the end of a search: the optimum, unless the trials support something else better.

The optimum of a model that is wrong somewhere is worse than what was tried. So it is held against what the trials
support: the mean of the best ones, the best trials as the model sees them, the FLAT mixes. Of all of them the one is
recommended whose *lower bound* is highest: its worth (`search.surrogate.optimum`) less some posterior standard
deviations. Among made-up landscapes the optimum nearly always wins; where it does not, the others were closer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from search.history import Point, TrialRecord, mean_point, top
from search.space.space import Space

if TYPE_CHECKING:
    from search.surrogate.observations import Observations
    from search.trials import SearchTrials

MEAN_OF = 10
"""How many of the best recipes the mean of the best is taken over; so many trials are held against the optimum too."""
SURENESS = 3.0
"""How many posterior standard deviations the lower bound of a recipe lies below its worth."""
CLEARLY = 0.05
"""By how many standard deviations of the values another lower bound has to be higher than the optimum's.

Where values have no noise, every trial is surer than what lies between them by next to nothing.
"""


def supported(
    trials: SearchTrials, optimum: Point, moved: Collection[str], stages: Collection[str]
) -> dict[str, float]:
    """Return the recipe of the highest lower bound: the optimum, or what the trials of some stages support.

    Args:
        trials: of the search.
        optimum: what the model's optimum came to.
        moved: the names of the knobs that may differ from the optimum's.
        stages: the names of the stages whose trials count; those of a stage without effect moved its knobs in vain.
    """
    observations = trials.observations()
    if observations is None or not moved:
        return dict(optimum)
    rest = {name: value for name, value in optimum.items() if name not in moved}
    others = [{**point, **rest} for point in _held_against(trials, observations, stages)]
    return _surest(trials, observations, [dict(optimum), *others])


def mean_of_best(space: Space, best: Sequence[TrialRecord]) -> dict[str, float]:
    """Return the mean of the best trials, the best one first; words have no mean, so they are those of the best."""
    mean = mean_point([one.point for one in best])
    return {
        knob.name: best[0].point[knob.name] if knob.is_choice else knob.tidy(mean[knob.name]) for knob in space.free
    }


def _held_against(trials: SearchTrials, observations: Observations, stages: Collection[str]) -> list[Point]:
    """Return the mean of the best trials, the best ones by their posterior means, and the FLAT mixes."""
    import numpy as np

    from search.surrogate.gaussian_process import model_of

    best = top([trial for trial in trials.comparable if trial.stage in stages], MEAN_OF)
    if not best:
        return []
    observed = trials.observed()
    order = np.argsort(-model_of(observations).own_means, kind="stable")
    by_mean = [trial.point for trial, _ in (observed[n] for n in order) if trial.stage in stages]
    flat = [trial.point for trial in trials.flat_mixes if trial.value is not None]
    return [mean_of_best(trials.space, best), *by_mean[:MEAN_OF], *flat]


def _surest(trials: SearchTrials, observations: Observations, points: Sequence[dict[str, float]]) -> dict[str, float]:
    """Return the recipe of the highest lower bound; the first one, the optimum, unless another is clearly higher."""
    import numpy as np

    from search.surrogate.gaussian_process import model_of
    from search.surrogate.optimum import worths

    model, rows = model_of(observations), np.array([trials.encoding.row(point) for point in points])
    variances = np.diag(model.posterior_covariance(rows, model.factor()))
    bounds = worths(observations, rows) - SURENESS * np.sqrt(np.maximum(variances, 0.0))
    surest = int(bounds.argmax())
    return points[surest if bounds[surest] > bounds[0] + CLEARLY * model.scale else 0]

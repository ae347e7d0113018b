"""What mattered: how much the objective changes along every knob through the best recipe, and how sure that is.

Asked is what a quarter of a knob's range up and down from the best recipe changes, as the search itself does where it
leaves out what has no effect. Further away hardly anything was tried, and the model's trend would speak alone, which
falls alike along all knobs.

The surrogate model's posterior along a knob, all others as in the best recipe, is a Gaussian process with a mean ``m``
and a covariance ``S`` (Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, eq. 2.23 and 2.24). Where
``m`` is highest at ``a`` and lowest at ``b``, the change is ``f(a) - f(b)``: averaged over the posterior it is
``m(a) - m(b)``, with the variance ``S(a, a) + S(b, b) - 2 S(a, b)``. Averages over the posterior of a Gaussian process
as measures of what inputs do are those of Oakley and O'Hagan ("Probabilistic sensitivity analysis of complex models: a
Bayesian approach", Journal of the Royal Statistical Society B 66, 2004, 751-769), here through one point in place of
the mean over all others: what a knob does far from the best recipe matters to nobody. That the hyperparameters are
uncertain too is left out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from search.history import Point, TrialRecord, in_order
from search.plan import STAGES, SearchPlan
from search.space.knob import TOLERANCE, Knob
from search.space.space import Space
from search.state import SearchState
from search.trials import SearchTrials, newest_of_each, stage_of

if TYPE_CHECKING:
    from search.surrogate.covariance import Array
    from search.surrogate.gaussian_process import GaussianProcess

MOST_TRIALS = 400
"""The most trials that the model takes, as many as its hyperparameters are fitted to: of every stage the newest."""
FEWEST_SCORES = 8
"""The fewest values that a model says anything about."""
REACH = 0.25
"""How far from the best recipe a knob's change is taken, up and down, as a part of its range."""
SLICE_STEP = 0.05
"""Distance of the values of a knob for which the objective is predicted, as a part of its range."""
MOST_NEAR = 40
"""The most trials that are listed near a slice."""
NEAR = 0.85
"""Correlation, as the model has it, with the nearest recipe of a slice, from which a trial counts as near."""
COURSE_STEPS = 30
"""The most numbers of trials for which the course says what the model expected."""
SURE = 2.0
"""How many standard deviations from 0 a change lies that is called sure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceValue:
    """What the model expects where one knob has a certain value, and all others that of the best recipe."""

    value: float
    """Of the knob; of a choice, the place of the word."""
    mean: float
    deviation: float
    """Posterior standard deviation of the mean."""
    change: float
    """Against the best recipe; 0 at its value."""
    change_deviation: float
    """Posterior standard deviation of the change."""
    is_within: bool
    """Whether it lies within `REACH` of the best recipe."""

    @property
    def is_sure(self) -> bool:
        """Whether the change is more than `SURE` standard deviations from 0."""
        return abs(self.change) > SURE * self.change_deviation


@dataclass(frozen=True, slots=True, kw_only=True)
class NearTrial:
    """A trial whose other knobs are nearly those of the best recipe."""

    number: int
    value: float
    """Of the knob."""
    score: float
    """As on the average set of shots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnobEffect:
    """What one knob does."""

    knob: Knob
    best: float
    """Its value in the best recipe."""
    change: float
    """By how much the expected objective changes within `REACH`, over all words of a choice; 0 or more."""
    deviation: float
    """Posterior standard deviation of the change."""
    values: tuple[SliceValue, ...]
    """Along the whole knob, upwards; the best recipe's value is one of them."""
    near: tuple[NearTrial, ...]
    """The nearest first."""

    @property
    def is_sure(self) -> bool:
        """Whether the change is more than `SURE` standard deviations from 0."""
        return self.change > SURE * self.deviation


@dataclass(frozen=True, slots=True, kw_only=True)
class CoursePoint:
    """What the model expected of its best recipe after some trials."""

    trial: int
    """The number of the newest of them."""
    expected: float
    deviation: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Importance:
    """What mattered in a search so far."""

    best: Point
    """The best recipe as the model sees it."""
    expected: float
    """What the model expects of it."""
    deviation: float
    noise: float
    """Standard error of one trial."""
    effects: tuple[KnobEffect, ...]
    """Of every free knob, the largest change first."""
    course: tuple[CoursePoint, ...]
    scores: Mapping[int, float]
    """By number of the trial, its value as on the average set of shots."""
    used: int
    """How many trials the model takes."""
    known: int
    """How many could be taken."""


def importance(
    space: Space, history: Sequence[TrialRecord], plan: SearchPlan | None = None, *, most: int = MOST_TRIALS
) -> Importance | None:
    """Work out what mattered; takes seconds.

    Args:
        space: that is searched.
        history: all trials, in any order.
        plan: of the search.
        most: the most trials that the model takes.

    Returns:
        None with fewer values than `FEWEST_SCORES`, where all are equal, and where no knob is free.

    Raises:
        SearchError: a point is not one of the space.
    """
    chosen, plan = newest_of_each_stage(history, most), plan or SearchPlan()
    state = SearchState(space, plan, chosen)
    scores = {trial.number: trial.value or 0.0 for trial in state.trials.comparable}
    observations = state.trials.plain_observations
    if observations is None or not space.free:
        return None
    if len(scores) < FEWEST_SCORES or len(set(observations.values)) < 2:
        return None
    import numpy as np

    from search.surrogate.gaussian_process import model_of

    model, best = model_of(observations), state.start(None)
    factor = model.factor()
    row = np.array([state.trials.encoding.row(best)])
    slices = _Slices(state.trials, model, factor, best, scores)
    effects = [slices.effect(knob) for knob in space.free]
    return Importance(
        best=best,
        expected=float(model.posterior_mean(row)[0]),
        deviation=math.sqrt(max(float(model.posterior_covariance(row, factor)[0, 0]), 0.0)),
        noise=model.standard_error,
        effects=tuple(sorted(effects, key=lambda one: -one.change)),
        course=tuple(_course(state.trials, model, factor)),
        scores=scores,
        used=len(observations.values),
        known=sum(trial.value is not None for trial in history),
    )


def newest_of_each_stage(history: Sequence[TrialRecord], most: int) -> tuple[TrialRecord, ...]:
    """Return the newest trials of every stage that say something, at most so many, in shares as equal as can be.

    A stage with fewer than its share leaves the rest to the others. As many infeasible ones may come on top.
    """
    valued = [trial for trial in in_order(history) if trial.value is not None]
    broken = [trial for trial in in_order(history) if trial.infeasible]
    chosen = [
        newest_of_each([[trial for trial in known if stage_of(trial) == stage] for stage in STAGES], most)
        for known in (valued, broken)
    ]
    return in_order(chosen[0] + chosen[1])


class _Slices:
    """The slices through the best recipe."""

    def __init__(
        self, trials: SearchTrials, model: GaussianProcess, factor: Array, best: Point, scores: Mapping[int, float]
    ) -> None:
        self._trials, self._model, self._factor = trials, model, factor
        self._best, self._scores = best, scores
        self._scored = [(trial, row) for trial, row in trials.observed() if trial.number in scores]

    def effect(self, knob: Knob) -> KnobEffect:
        """What a knob does."""
        import numpy as np

        numbers = _slice_numbers(knob, self._best[knob.name])
        rows = np.array([self._trials.encoding.row({**self._best, knob.name: number}) for number in numbers])
        means, covariance = self._model.posterior_mean(rows), self._model.posterior_covariance(rows, self._factor)
        variances = np.diag(covariance)
        start = numbers.index(self._best[knob.name])
        apart = np.sqrt(np.maximum(variances[:, None] + variances - 2 * covariance, 0.0))
        deviations = np.sqrt(np.maximum(variances, 0.0))
        away = np.abs(np.array(numbers) - numbers[start])
        within = (away <= REACH * (knob.high - knob.low) + TOLERANCE) | knob.is_choice
        high = int(np.where(within, means, -np.inf).argmax())
        low = int(np.where(within, means, np.inf).argmin())
        values = (
            SliceValue(
                value=number,
                mean=float(means[n]),
                deviation=float(deviations[n]),
                change=float(means[n] - means[start]),
                change_deviation=float(apart[n, start]),
                is_within=bool(within[n]),
            )
            for n, number in enumerate(numbers)
        )
        return KnobEffect(
            knob=knob,
            best=self._best[knob.name],
            change=float(means[high] - means[low]),
            deviation=float(apart[high, low]),
            values=tuple(values),
            near=self._near(knob),
        )

    def _near(self, knob: Knob) -> tuple[NearTrial, ...]:
        """The trials near the slice, each compared with the recipe of the slice that has the same value of the knob."""
        import numpy as np

        from search.surrogate.covariance import matern

        encoding = self._trials.encoding
        first = encoding.first_columns[knob.name]
        away = np.array([row for _, row in self._scored]) - np.array(encoding.row(self._best))
        away[:, first : first + max(1, len(knob.options))] = 0.0
        likeness, _ = matern(np.square(away) @ self._model.inverse_scales)
        order = [n for n in np.argsort(-likeness, kind="stable")[:MOST_NEAR] if likeness[n] >= NEAR]
        near = (self._scored[n][0] for n in order)
        return tuple(
            NearTrial(number=trial.number, value=trial.point[knob.name], score=self._scores[trial.number])
            for trial in near
        )


def _slice_numbers(knob: Knob, best: float) -> list[float]:
    """The numbers along a knob, upwards, the best recipe's among them."""
    if knob.is_choice:
        return [float(place) for place in range(len(knob.options))]
    step, most = SLICE_STEP * (knob.high - knob.low), round(1 / SLICE_STEP)
    steps = (best + n * step for n in range(-most, most + 1) if n)
    return sorted({best, knob.low, knob.high, *(number for number in steps if knob.low < number < knob.high)})


def _course(trials: SearchTrials, model: GaussianProcess, factor: Array) -> list[CoursePoint]:
    """What the model expected of the best recipe among those tried, after more and more trials.

    All with the hyperparameters that all trials give, so that what changes is what was known of the recipes. The
    Cholesky factor of the first trials' covariance is the upper left part of that of all.
    """
    import numpy as np
    from scipy.linalg import solve_triangular

    numbers = [trial.number for trial, _ in trials.observed()]
    counts = np.unique(np.linspace(min(FEWEST_SCORES, len(numbers)), len(numbers), COURSE_STEPS).round().astype(int))
    prior, solved = model.prior_covariance(model.rows, model.rows), solve_triangular(factor, model.values, lower=True)
    found = list[CoursePoint]()
    for count in counts.tolist():
        part = factor[:count, :count]
        means = prior[:count, :count] @ solve_triangular(part, solved[:count], lower=True, trans=1)
        best = int(means.argmax())
        explained = solve_triangular(part, prior[:count, best], lower=True)
        deviation = math.sqrt(max(float(prior[best, best] - explained @ explained), 0.0))
        expected = model.mean + model.scale * float(means[best])
        found.append(CoursePoint(trial=numbers[count - 1], expected=expected, deviation=model.scale * deviation))
    return found

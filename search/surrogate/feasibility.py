"""Feasibility: the probability that a recipe's pictures are not broken, by its encoded point.

A model of its own beside that of the objective, because broken pictures have no value: a number put in its place would
bend the surrogate where nothing is wrong. It is a logistic regression on how far each column lies above or below the
middle of the trials that were not broken, with weights of 0 or more: leaving the middle can only make pictures break.
So the region that counts as safe is convex, and one column beyond a threshold is enough to leave it. Which column it
was, a few broken trials must tell among dozens: every weight has the sparse prior of Candes, Wakin and Boyd ("Enhancing
sparsity by reweighted l1 minimization", Journal of Fourier Analysis and Applications 14, 2008, 877-905), whose cost is
a logarithm: it keeps small weights at 0 and leaves large ones nearly free, so that a threshold may be sharp.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit, log_expit

from search.surrogate.covariance import Array
from search.surrogate.observations import Observations
from search.surrogate.subspace import Location, Subspace

INTERCEPT = (4.0, 1.5)
"""Prior mean and standard deviation of the log odds of pictures that are not broken, in the middle."""
WEIGHT_SCALE = 4.0
"""Weights, in log odds for a whole range, far above this count as large and cost little more."""
WEIGHT_COST = 1.0
"""What a weight that grows by a factor of e costs in log probability, once it is large."""
REWEIGHTINGS = 4
"""How many times the costs of weights follow the weights."""
FIT_ITERATIONS = 60
"""Most steps of L-BFGS-B of one fit."""
LIKELY = 0.5
"""Probability of feasibility above which a proposal is tried."""
PROPOSALS = 50
"""How many proposals are made at most in search of a likely one."""
NEWEST, SPREAD = 150, 150
"""How many of the newest trials of each kind the model takes, and how many of the older ones, evenly spread."""


@lru_cache(maxsize=32)
def feasibility_of(observations: Observations) -> Feasibility | None:
    """Return the model of feasibility; None where no pictures were broken, and every recipe counts as feasible.

    What broke in an earlier study that guides this one is known from the start: its pictures show the same models.
    """
    studies = (observations.earlier, observations) if observations.earlier else (observations,)
    broken = [row for one in studies for row in one.broken]
    if not broken:
        return None
    return Feasibility(_taken(np.array([row for one in studies for row in one.rows])), _taken(np.array(broken)))


def likely(observations: Observations, subspace: Subspace, propose: Callable[[], Location]) -> Location:
    """Return the first location proposed whose pictures are likely not to break; where none is, the likeliest one.

    Args:
        observations: all that is known.
        subspace: of the locations.
        propose: returns another location each time; asked once where no pictures were broken.
    """
    proposed, feasibility = propose(), feasibility_of(observations)
    if feasibility is None:
        return proposed
    best, highest = proposed, -np.inf
    for _ in range(PROPOSALS):
        row = subspace.rows(np.array([proposed.position]), proposed.words)
        if (chance := float(feasibility.log_probability(row)[0])) > highest:
            best, highest = proposed, chance
        if highest > np.log(LIKELY):
            break
        proposed = propose()
    return best


class Feasibility:
    """The model of feasibility, fitted."""

    def __init__(self, feasible: Array, broken: Array) -> None:
        """Fit the model to the rows of trials, ``(n, columns)`` each, one at least of either kind."""
        self._middle = np.median(feasible, axis=0)
        away = self._away(np.concatenate([feasible, broken]))
        self.trials = len(away)
        """How many it is fitted to."""
        signs = np.concatenate([np.ones(len(feasible)), -np.ones(len(broken))])
        self._intercept, self._weights = _fitted(away, signs)

    def log_probability(self, rows: Array) -> Array:
        """Return the logarithm of the probability that pictures of rows ``(n, columns)`` are not broken, ``(n,)``."""
        return log_expit(self._log_odds(rows))

    def log_probability_gradient(self, row: Array) -> tuple[float, Array]:
        """Return the logarithm of the probability for one row, and its gradient by the columns."""
        odds = float(self._log_odds(row[None])[0])
        above, below = np.split(self._weights, 2)
        slope = np.where(row > self._middle, -above, np.where(row < self._middle, below, 0.0))
        return float(log_expit(odds)), float(expit(-odds)) * slope

    def _log_odds(self, rows: Array) -> Array:
        return self._intercept - self._away(rows) @ self._weights

    def _away(self, rows: Array) -> Array:
        """Return how far rows lie above and below the middle, ``(n, 2 columns)``."""
        off = rows - self._middle
        return np.concatenate([np.maximum(off, 0.0), np.maximum(-off, 0.0)], axis=1)


def _fitted(away: Array, signs: Array) -> tuple[float, Array]:
    """Return the intercept and the weights of the largest posterior density."""
    parameters = np.concatenate([[INTERCEPT[0]], np.zeros(away.shape[1])])
    bounds = [(None, None), *[(0.0, None)] * away.shape[1]]
    for _ in range(REWEIGHTINGS):
        costs = WEIGHT_COST / (WEIGHT_SCALE + parameters[1:])

        def cost(now: Array, costs: Array = costs) -> tuple[float, Array]:
            return _negative_log_density(now, away, signs, costs)

        options = {"maxiter": FIT_ITERATIONS}
        parameters = minimize(cost, parameters, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return float(parameters[0]), parameters[1:]


def _negative_log_density(parameters: Array, away: Array, signs: Array, costs: Array) -> tuple[float, Array]:
    """Return minus the log posterior density, with costs that are linear in the weights, and its gradient."""
    intercept, weights = parameters[0], parameters[1:]
    margins = signs * (intercept - away @ weights)
    off = (intercept - INTERCEPT[0]) / INTERCEPT[1]
    value = 0.5 * off**2 + costs @ weights - log_expit(margins).sum()
    pulled = -signs * expit(-margins)
    gradient = np.concatenate([[pulled.sum() + off / INTERCEPT[1]], costs - pulled @ away])
    return float(value), gradient


def _taken(rows: Array) -> Array:
    """Return the newest rows, and some of the older ones, evenly spread."""
    if len(rows) <= NEWEST + SPREAD:
        return rows
    older: npt.NDArray[np.intp] = np.linspace(0, len(rows) - NEWEST - 1, SPREAD).round().astype(np.intp)
    return np.concatenate([rows[older], rows[-NEWEST:]])

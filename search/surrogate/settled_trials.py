"""The settled trials of a model: their covariance is factored once, for all models that append newer trials to them.

With the Cholesky factor ``L`` of the settled trials, that of all trials is ``[[L, 0], [A, C]]``, where ``A`` is
``K L^-T`` for the covariance ``K`` of newer with settled trials, and ``C`` the factor of the newer ones' covariance
minus ``A A^T`` (Golub and Van Loan, Matrix Computations, 2013, section 4.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from scipy.linalg import cho_solve, cholesky, solve_triangular

from search.surrogate.covariance import Array, CovarianceArrays
from search.surrogate.observations import Observations

KEPT = 2
"""Of how many models the settled trials are remembered; each takes two numbers for every pair of them."""
BLOCK = 512
"""Rows of a covariance that are worked out at once, so that what is needed meanwhile stays small."""


@lru_cache(maxsize=KEPT)
def settled_trials(settled: Observations, theta: tuple[float, ...]) -> SettledTrials:
    """Return what models need of their settled trials, for the hyperparameters given."""
    return SettledTrials(settled, theta)


class SettledTrials(CovarianceArrays):
    """The settled trials: the correlation of every pair, and the factor of their covariance."""

    def __init__(self, observations: Observations, theta: tuple[float, ...]) -> None:
        """Factor the covariance."""
        super().__init__(observations, theta)
        count = len(self.rows)
        self.correlations = np.empty((count, count))
        covariance = np.empty((count, count), order="F")
        for start in range(0, count, BLOCK):
            part, all_of_them = slice(start, start + BLOCK), slice(count)
            self.correlations[part] = self.correlation(part, all_of_them)
            covariance[part] = self.covariance(self.correlations[part], part, all_of_them)
        self.add_noise(covariance)
        self.factor = cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
        self.solved = solve(self.factor, self.values)
        """The values, solved by the factor."""

    @cached_property
    def inverse_squares(self) -> Array:
        """The sums of squares of the columns of the inverse factor, ``(n,)``."""
        count = len(self.values)
        blocks = (np.eye(count, min(BLOCK, count - start), -start) for start in range(0, count, BLOCK))
        return np.concatenate([np.square(solve(self.factor, columns)).sum(0) for columns in blocks])


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendedFactor:
    """The factor of all trials of a model: that of the settled ones, and the rows of the newer ones."""

    settled: SettledTrials
    correlations: Array
    """Of the newer trials with all, ``(newer, n)``."""
    across: Array
    """The rows' part below the settled trials' factor, ``(newer, settled)``."""
    corner: Array
    """The rest, lower triangular, ``(newer, newer)``."""

    @classmethod
    def of(cls, settled: SettledTrials, trials: CovarianceArrays) -> AppendedFactor:
        """Append the newer trials, all at once: what was worked out before makes no difference to a single bit."""
        first, count = len(settled.values), len(trials.values)
        newer, every = slice(first, count), slice(count)
        correlations = trials.correlation(newer, every)
        covariance = trials.covariance(correlations, newer, every)
        own = covariance[:, first:]
        trials.add_noise(own)
        across = solve(settled.factor, covariance[:, :first].T).T
        corner = cholesky(own - across @ across.T, lower=True)
        return cls(settled=settled, correlations=correlations, across=across, corner=corner)

    def weights(self, values: Array) -> Array:
        """Return the values, solved by the covariance, ``(n,)``."""
        if not len(self.corner):
            return cho_solve((self.settled.factor, True), values, check_finite=False)
        newer = solve(self.corner, values[len(self.settled.values) :] - self.across @ self.settled.solved)
        weights = solve(self.corner, newer, transposed=True)
        first = solve(self.settled.factor, self.settled.solved - self.across.T @ weights, transposed=True)
        return np.concatenate([first, weights])

    def correlated(self, weights: Array) -> Array:
        """Return the sums of weights, each times the correlation with a trial, ``(n,)``."""
        first = len(self.settled.values)
        sums = self.settled.correlations @ weights[:first] + weights[first:] @ self.correlations[:, :first]
        return np.concatenate([sums, self.correlations @ weights])

    def whole(self) -> Array:
        """Return the factor as one array, ``(n, n)``."""
        if not len(self.corner):
            return self.settled.factor
        above = np.zeros((len(self.settled.values), len(self.corner)))
        return np.block([[self.settled.factor, above], [self.across, self.corner]])

    def inverse_squares(self) -> Array:
        """Return the sums of squares of the columns of the inverse factor, ``(n,)``."""
        below = solve(self.corner, solve(self.settled.factor, self.across.T, transposed=True).T)
        corner = solve(self.corner, np.eye(len(self.corner)))
        first = self.settled.inverse_squares + np.square(below).sum(0)
        return np.concatenate([first, np.square(corner).sum(0)])


def solve(factor: Array, values: Array, *, transposed: bool = False) -> Array:
    """Return values, solved by a lower triangular factor, or by its transpose."""
    if not values.size:
        return values
    return solve_triangular(factor, values, lower=True, trans=int(transposed), check_finite=False)

"""The surrogate model: a Gaussian process with a quadratic trend and a random effect for every set of shots.

`covariance.py` says what it assumes, `hyperparameters.py` how its hyperparameters are fitted, and `settled_trials.py`
how a model of one trial more comes from what is known of the older ones.
"""

from __future__ import annotations

from functools import cached_property, lru_cache

import numpy as np
from scipy.linalg import solve_triangular

from search.surrogate.covariance import (
    CONSTANT_VARIANCE,
    GUIDE_VARIANCE,
    TREND_STEEPNESS,
    Array,
    CovarianceArrays,
    distances,
    matern,
    trend_at,
)
from search.surrogate.hyperparameters import hyperparameters
from search.surrogate.observations import Observations
from search.surrogate.settled_trials import AppendedFactor, settled_trials

MODELS_KEPT = 32
"""How many models are remembered: one or two for every stage, and as many again for the next question."""


@lru_cache(maxsize=MODELS_KEPT)
def model_of(observations: Observations) -> GaussianProcess:
    """Return the model of some observations; hyperparameters come from the settled ones, so most calls are cheap."""
    return GaussianProcess(observations, hyperparameters(observations.fitted_ones()))


def settle(observations: Observations) -> None:
    """Work out in advance what takes longest of the models whose settled trials are those of the observations."""
    _ = settled_trials(observations.settled_ones(), hyperparameters(observations.fitted_ones())).inverse_squares


def guide_at(earlier: Observations, rows: Array) -> Array:
    """Return the posterior mean of rows by an earlier study, in standard deviations of its values, ``(n,)``."""
    model = model_of(earlier)
    return (model.posterior_mean(rows) - model.mean) / model.scale


class GaussianProcess(CovarianceArrays):
    """The surrogate model conditioned on observations: the posterior of any row, in the units of the values.

    It keeps no number for every pair of trials: many models are remembered, and those would fill the memory.
    """

    def __init__(self, observations: Observations, theta: tuple[float, ...]) -> None:
        """Condition on the observations, with the hyperparameters given."""
        super().__init__(observations, theta)
        self._settled, self._theta, self._earlier = observations.settled_ones(), theta, observations.earlier
        factor = self._factor()
        self.weights = factor.weights(self.values)
        self.multiple = 0.0 if self.guide is None else GUIDE_VARIANCE * float(self.guide @ self.weights)
        """The inferred multiple of an earlier study's posterior mean; 0 where there is none."""
        self.own_means = self._own_means(factor)
        """The posterior mean of the rows of its own trials, ``(n,)``."""
        self.noise = float(np.sqrt(self.noise_variance)) * self.scale
        """Standard deviation of the observation noise, as fitted: how far values stray from any smooth function."""
        self.standard_error = max(self.noise, observations.standard_error or 0.0)
        """The noise, but at least the given standard error: one set of shots may give smooth values by chance."""

    def _factor(self) -> AppendedFactor:
        return AppendedFactor.of(settled_trials(self._settled, self._theta), self)

    def factor(self) -> Array:
        """Return the lower Cholesky factor of the values' covariance, ``(n, n)``."""
        return self._factor().whole()

    def _own_means(self, factor: AppendedFactor) -> Array:
        trend = self.trend_variance * self.trend * float(self.trend @ self.weights)
        constant = CONSTANT_VARIANCE * float(self.weights.sum())
        if self.guide is not None:
            trend = trend + self.multiple * self.guide
        return self.mean + self.scale * (self.amplitude * factor.correlated(self.weights) + trend + constant)

    def posterior_mean(self, rows: Array) -> Array:
        """Return the posterior mean of rows ``(n, columns)`` on the average set of shots, ``(n,)``."""
        kernel, _ = matern(self.scaled.distances(rows))
        trend = self.trend_variance * np.outer(trend_at(rows, self.centre), self.trend)
        covariance = self.amplitude * kernel + trend + CONSTANT_VARIANCE
        mean = covariance @ self.weights
        if self._earlier is not None:
            mean = mean + self.multiple * guide_at(self._earlier, rows)
        return self.mean + self.scale * mean

    def posterior_covariance(self, rows: Array, factor: Array) -> Array:
        """Return the posterior covariance of rows ``(n, columns)``, without noise, ``(n, n)`` (R. and W., eq. 2.24).

        On the average set of shots, for the hyperparameters as they are fitted.

        Args:
            rows: encoded points.
            factor: the model's own, which takes longest: see `factor`.
        """
        explained = solve_triangular(factor, self.prior_covariance(self.rows, rows), lower=True)
        return self.scale**2 * (self.prior_covariance(rows, rows) - explained.T @ explained)

    def prior_covariance(self, rows: Array, others: Array) -> Array:
        """Return the prior covariance of rows with others on the average set of shots, in variances of the values."""
        kernel, _ = matern(distances(rows, others, self.inverse_scales))
        trend = self.trend_variance * np.outer(trend_at(rows, self.centre), trend_at(others, self.centre))
        covariance = self.amplitude * kernel + trend + CONSTANT_VARIANCE
        if self._earlier is not None:
            guides = [guide_at(self._earlier, each) for each in (rows, others)]
            covariance += GUIDE_VARIANCE * np.outer(*guides)
        return covariance

    def posterior_mean_gradient(self, row: Array) -> tuple[float, Array]:
        """Return the posterior mean of one row and its gradient by the columns."""
        kernel, slope = matern(self.scaled.distances(row[None]))
        trend = float(trend_at(row[None], self.centre)[0])
        covariance = self.amplitude * kernel[0] + self.trend_variance * trend * self.trend + CONSTANT_VARIANCE
        pulled = self.amplitude * slope[0] * self.weights
        gradient = 2 * self.inverse_scales * (row * pulled.sum() - pulled @ self.rows)
        trend_weight = self.trend_variance * float(self.trend @ self.weights)
        gradient += trend_weight * 2 * TREND_STEEPNESS * (row - self.centre) / self.columns
        mean = float(covariance @ self.weights)
        if self._earlier is not None:
            earlier = model_of(self._earlier)
            guide, guide_gradient = earlier.posterior_mean_gradient(row)
            mean += self.multiple * (guide - earlier.mean) / earlier.scale
            gradient = gradient + self.multiple * guide_gradient / earlier.scale
        return self.mean + self.scale * mean, self.scale * gradient

    @property
    def set_offsets(self) -> tuple[float, ...]:
        """By number of the set of shots, how far values lie above those of the average set; 0 with one set."""
        numbers = np.arange(int(self.shot_sets.max()) + 1)
        weights = np.array([self.weights[self.shot_sets == one].sum() for one in numbers])
        offsets = self.sets.overlaps(numbers, numbers) @ weights
        return tuple(self.scale * self.set_constant * float(one) for one in offsets)

    @cached_property
    def leave_one_out_residuals(self) -> Array:
        """Each value minus its posterior mean given the other values (R. and W., eq. 5.12), ``(n,)``."""
        return self.scale * self.weights / self._factor().inverse_squares()

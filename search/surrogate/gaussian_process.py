"""The surrogate model: a Gaussian process with a quadratic trend and a random effect for every set of shots.

The covariance of two recipes is a sum: a Matern 5/2 kernel with a length scale for every column (Rasmussen and
Williams, Gaussian Processes for Machine Learning, 2006, eq. 4.17); a quadratic trend round a centre, whose weight is
fitted, so that the posterior mean falls off where nothing was tried, and does not stay level; a constant; and for every
set of shots a constant and a Matern kernel of its own, of the variance of the standard errors that were given. This
last term is the random effect of a set of shots: what one set makes of a recipe by chance is the same whenever that set
is rendered, and as smooth as the objective. The posterior mean is that of the average set.

Length scales are drawn towards their common mean: 60 trials of 26 knobs do not determine 26 of them one by one.
Hyperparameters are those of the largest posterior density.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

from search.surrogate.encoding import EncodedPoint

Array = npt.NDArray[np.float64]

CONSTANT_VARIANCE = 25.0
"""Prior variance of the constant, in variances of the values; large, so that it may lie anywhere."""
SET_CONSTANT_VARIANCE = 4.0
"""Prior variance of a set of shots' own constant where no standard error was given, in variances of the values."""
LOG_INVERSE_SCALES = (-1.0, 2.0, 1.0)
"""Prior of the logarithms of inverse squared length scales: their mean, its standard deviation, and theirs round it."""
LOG_AMPLITUDE = (0.0, 1.5)
"""Prior mean and standard deviation of the logarithm of the Matern kernel's variance."""
LOG_TREND = (-1.0, 2.0)
"""Prior mean and standard deviation of the logarithm of the trend's variance."""
TREND_STEEPNESS = 10.0
"""Slope of the quadratic trend against the mean over columns of the squared distance from the centre."""
LOG_NOISE_GIVEN = (0.0, 1.0)
"""Prior mean and standard deviation of the logarithm of the noise variance, against the given standard error's."""
LOG_NOISE_UNKNOWN = (-6.0, 3.0)
"""The prior of the logarithm of the noise variance against the variance of the values, where no error is given."""
LOG_LIMIT = 9.0
"""Farthest that the logarithm of a hyperparameter goes from 0."""
FIT_ITERATIONS = 60
"""Most steps of L-BFGS-B for the hyperparameters."""
FIT_MOST = 400
"""Newest trials that hyperparameters are fitted to; predictions use all."""
REFITS = ((200, 10), (400, 25))
"""Up to how many trials hyperparameters are fitted anew after every how many; beyond, after every hundred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """What the surrogate is conditioned on, by trial; hashable, so that equal observations are modelled once."""

    rows: tuple[EncodedPoint, ...]
    values: tuple[float, ...]
    """Objective, larger is better."""
    shot_sets: tuple[int, ...]
    """Number of the set of shots that each trial drew."""
    centre: EncodedPoint
    """Where the trend is highest."""
    standard_error: float | None = None
    """Standard error of a value, if it is known."""

    def first(self, count: int) -> Observations:
        """Return the first trials alone."""
        return self._slice(slice(count))

    def last(self, count: int) -> Observations:
        """Return the last trials alone."""
        return self._slice(slice(-count, None))

    def _slice(self, part: slice) -> Observations:
        return replace(self, rows=self.rows[part], values=self.values[part], shot_sets=self.shot_sets[part])


def fitted_to(count: int) -> int:
    """Return how many of the first `count` trials hyperparameters are fitted to."""
    every = next((every for most, every in REFITS if count <= most), 100)
    return count if count < every else count - count % every


@lru_cache(maxsize=64)
def hyperparameters(observations: Observations) -> tuple[float, ...]:
    """Return the hyperparameters of the largest posterior density, as logarithms: amplitude, noise, trend, scales."""
    density = _HyperparameterDensity(observations)
    start = np.concatenate(
        [[LOG_AMPLITUDE[0], density.log_noise[0], LOG_TREND[0]], np.full(density.columns, LOG_INVERSE_SCALES[0])]
    )
    limits = (-LOG_LIMIT, LOG_LIMIT)
    noise_limits = (density.log_noise[0] - 8, density.log_noise[0] + 4)
    bounds = [limits, noise_limits, *[limits] * (1 + density.columns)]
    options = {"maxiter": FIT_ITERATIONS}
    found = minimize(density.negative_log, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return tuple(float(number) for number in found.x)


@lru_cache(maxsize=64)
def model_of(observations: Observations) -> GaussianProcess:
    """Return the model of some observations; hyperparameters come from the first of them, so most calls are cheap."""
    first = observations.first(fitted_to(len(observations.values)))
    return GaussianProcess(observations, hyperparameters(first.last(FIT_MOST)))


class _Arrays:
    """Observations as arrays, values standardised, and the parts of the covariance that no hyperparameter changes."""

    def __init__(self, observations: Observations) -> None:
        self.rows = np.array(observations.rows)
        values = np.array(observations.values)
        self.mean, self.scale = float(values.mean()), max(float(values.std()), 1e-12)
        self.values = (values - self.mean) / self.scale
        self.centre = np.array(observations.centre)
        self.trend = self.trend_at(self.rows)
        self.shot_sets = np.array(observations.shot_sets)
        error = observations.standard_error
        self.set_variance = (error / self.scale) ** 2 if error else 0.0
        """Variance of the random effect of a set of shots on a recipe."""
        self.set_constant = (self.set_variance or SET_CONSTANT_VARIANCE) * (len(set(observations.shot_sets)) > 1)

    @property
    def columns(self) -> int:
        """Number of columns."""
        return self.rows.shape[1]

    def trend_at(self, rows: Array) -> Array:
        """Return the quadratic trend of rows, 0 at the centre, ``(n,)``."""
        return TREND_STEEPNESS * np.square(rows - self.centre).mean(1)

    def same_sets(self) -> Array:
        """Return 1 for every pair of trials on the same set of shots, else 0, ``(n, n)``."""
        return (self.shot_sets[:, None] == self.shot_sets).astype(float)

    def constants(self, same_sets: Array) -> Array:
        """Return the part of the covariance that neither recipes nor hyperparameters change, ``(n, n)``."""
        return CONSTANT_VARIANCE + self.set_constant * same_sets


class _HyperparameterDensity(_Arrays):
    """The posterior density of the hyperparameters."""

    def __init__(self, observations: Observations) -> None:
        super().__init__(observations)
        error = observations.standard_error
        mean, width = LOG_NOISE_GIVEN if error else LOG_NOISE_UNKNOWN
        self.log_noise = (mean + (2 * np.log(error / self.scale) if error else 0.0), width)
        """Prior mean and standard deviation of the logarithm of the noise variance."""
        self._same_sets = self.same_sets()
        self._constants = self.constants(self._same_sets)

    def negative_log(self, theta: Array) -> tuple[float, Array]:
        """Return minus the log posterior density (but for a constant) and its gradient (R. and W., eq. 5.8, 5.9)."""
        amplitude, noise, trend, scales = _split(theta)
        kernel, slope = matern(_distances(self.rows, self.rows, scales))
        trends = np.outer(self.trend, self.trend)
        weight = amplitude + self.set_variance * self._same_sets
        covariance = weight * kernel + trend * trends + self._constants
        covariance[np.diag_indices_from(covariance)] += noise + 1e-9
        factor = cho_factor(covariance, lower=True)
        weights = cho_solve(factor, self.values)
        pull = cho_solve(factor, np.eye(len(weights))) - np.outer(weights, weights)
        value = 0.5 * self.values @ weights + np.log(np.diag(factor[0])).sum()
        bent = pull * slope * weight
        by_scales = scales * (bent.sum(1) @ self.rows**2 - (self.rows * (bent @ self.rows)).sum(0))
        by_others = 0.5 * np.array(
            [amplitude * (pull * kernel).sum(), noise * np.trace(pull), trend * (pull * trends).sum()]
        )
        cost, prior_gradient = self._negative_log_prior(theta)
        return float(value + cost), np.concatenate([by_others, by_scales]) + prior_gradient

    def _negative_log_prior(self, theta: Array) -> tuple[float, Array]:
        """Return minus the log prior density and its gradient."""
        centres, widths = np.array([LOG_AMPLITUDE, self.log_noise, LOG_TREND]).T
        off = (theta[:3] - centres) / widths
        expected, width, spread = LOG_INVERSE_SCALES
        mean = float(theta[3:].mean())
        away, round_mean = (mean - expected) / width, (theta[3:] - mean) / spread
        gradient = np.concatenate([off / widths, round_mean / spread + away / width / self.columns])
        return 0.5 * float(off @ off + away**2 + round_mean @ round_mean), gradient


class GaussianProcess(_Arrays):
    """The surrogate model conditioned on observations: the posterior of any row, in the units of the values.

    It keeps no number for every pair of trials: many models are remembered, and those would fill the memory.
    """

    def __init__(self, observations: Observations, theta: tuple[float, ...]) -> None:
        """Condition on the observations, with the hyperparameters given."""
        super().__init__(observations)
        self.amplitude, self._noise_variance, self.trend_variance, self.inverse_scales = _split(np.array(theta))
        self.weights = cho_solve((self.factor(), True), self.values)
        self.noise = float(np.sqrt(self._noise_variance)) * self.scale
        """Standard deviation of the observation noise, as fitted: how far values stray from any smooth function."""
        self.standard_error = max(self.noise, observations.standard_error or 0.0)
        """The noise, but at least the given standard error: one set of shots may give smooth values by chance."""

    def factor(self) -> Array:
        """Return the lower Cholesky factor of the values' covariance, ``(n, n)``."""
        kernel, _ = matern(_distances(self.rows, self.rows, self.inverse_scales))
        same_sets = self.same_sets()
        covariance = (self.amplitude + self.set_variance * same_sets) * kernel + self.constants(same_sets)
        covariance += self.trend_variance * np.outer(self.trend, self.trend)
        covariance[np.diag_indices_from(covariance)] += self._noise_variance + 1e-9
        return cholesky(covariance, lower=True)

    def posterior_mean(self, rows: Array) -> Array:
        """Return the posterior mean of rows ``(n, columns)`` on the average set of shots, ``(n,)``."""
        kernel, _ = matern(_distances(rows, self.rows, self.inverse_scales))
        trend = self.trend_variance * np.outer(self.trend_at(rows), self.trend)
        covariance = self.amplitude * kernel + trend + CONSTANT_VARIANCE
        return self.mean + self.scale * (covariance @ self.weights)

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
        kernel, _ = matern(_distances(rows, others, self.inverse_scales))
        trend = self.trend_variance * np.outer(self.trend_at(rows), self.trend_at(others))
        return self.amplitude * kernel + trend + CONSTANT_VARIANCE

    def posterior_mean_gradient(self, row: Array) -> tuple[float, Array]:
        """Return the posterior mean of one row and its gradient by the columns."""
        kernel, slope = matern(_distances(row[None], self.rows, self.inverse_scales))
        trend = float(self.trend_at(row[None])[0])
        covariance = self.amplitude * kernel[0] + self.trend_variance * trend * self.trend + CONSTANT_VARIANCE
        pulled = self.amplitude * slope[0] * self.weights
        gradient = 2 * self.inverse_scales * (row * pulled.sum() - pulled @ self.rows)
        trend_weight = self.trend_variance * float(self.trend @ self.weights)
        gradient += trend_weight * 2 * TREND_STEEPNESS * (row - self.centre) / self.columns
        return self.mean + self.scale * float(covariance @ self.weights), self.scale * gradient

    @property
    def set_offsets(self) -> tuple[float, ...]:
        """By number of the set of shots, how far values lie above those of the average set; 0 with one set."""
        weights = [self.weights[self.shot_sets == one] for one in range(int(self.shot_sets.max()) + 1)]
        return tuple(self.scale * self.set_constant * float(one.sum()) for one in weights)

    def leave_one_out_residuals(self) -> Array:
        """Return each value minus its posterior mean given the other values (R. and W., eq. 5.12), ``(n,)``."""
        inverse = solve_triangular(self.factor(), np.eye(len(self.values)), lower=True)
        return self.scale * self.weights / np.square(inverse).sum(0)


def matern(squared: Array) -> tuple[Array, Array]:
    """Return the Matern 5/2 correlation of squared distances, and its derivative by them."""
    root = np.sqrt(5 * squared)
    tail = np.exp(-root)
    return (1 + root + 5 / 3 * squared) * tail, -5 / 6 * (1 + root) * tail


def _distances(rows: Array, others: Array, inverse_scales: Array) -> Array:
    """Return weighted squared distances, ``(n, m)``."""
    left, right = rows * np.sqrt(inverse_scales), others * np.sqrt(inverse_scales)
    squares = np.square(left).sum(1)[:, None] + np.square(right).sum(1) - 2 * left @ right.T
    return np.maximum(squares, 0.0)


def _split(theta: Array) -> tuple[float, float, float, Array]:
    """Return the variances of kernel, noise and trend, and the inverse squared length scales."""
    amplitude, noise, trend = np.exp(theta[:3])
    return float(amplitude), float(noise), float(trend), np.exp(theta[3:])

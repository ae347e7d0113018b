"""The hyperparameters of the surrogate model: those of the largest posterior density.

Length scales are drawn towards their common mean: 60 trials of 26 knobs do not determine 26 of them one by one.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import minimize

from search.surrogate.covariance import EVERY, JITTER, Array, ObservationArrays, distances, matern, split
from search.surrogate.observations import Observations

LOG_INVERSE_SCALES = (-1.0, 2.0, 1.0)
"""Prior of the logarithms of inverse squared length scales: their mean, its standard deviation, and theirs round it."""
LOG_AMPLITUDE = (0.0, 1.5)
"""Prior mean and standard deviation of the logarithm of the Matern kernel's variance."""
LOG_TREND = (-1.0, 2.0)
"""Prior mean and standard deviation of the logarithm of the trend's variance."""
LOG_NOISE_GIVEN = (0.0, 1.0)
"""Prior mean and standard deviation of the logarithm of the noise variance, against the given standard error's."""
LOG_NOISE_UNKNOWN = (-6.0, 3.0)
"""The prior of the logarithm of the noise variance against the variance of the values, where no error is given."""
LOG_LIMIT = 9.0
"""Farthest that the logarithm of a hyperparameter goes from 0."""
FIT_ITERATIONS = 60
"""Most steps of L-BFGS-B for the hyperparameters."""


@lru_cache(maxsize=64)
def hyperparameters(observations: Observations, iterations: int = FIT_ITERATIONS) -> tuple[float, ...]:
    """Return the hyperparameters of the largest posterior density, as logarithms: amplitude, noise, trend, scales.

    Args:
        observations: that they are fitted to.
        iterations: most steps of the fit; a few say already how well a model can predict.
    """
    density = HyperparameterDensity(observations)
    start = np.concatenate(
        [[LOG_AMPLITUDE[0], density.log_noise[0], LOG_TREND[0]], np.full(density.columns, LOG_INVERSE_SCALES[0])]
    )
    limits = (-LOG_LIMIT, LOG_LIMIT)
    noise_limits = (density.log_noise[0] - 8, density.log_noise[0] + 4)
    bounds = [limits, noise_limits, *[limits] * (1 + density.columns)]
    options = {"maxiter": iterations}
    found = minimize(density.negative_log, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return tuple(float(number) for number in found.x)


class HyperparameterDensity(ObservationArrays):
    """The posterior density of the hyperparameters."""

    def __init__(self, observations: Observations) -> None:
        """Prepare what does not depend on the hyperparameters."""
        super().__init__(observations)
        error = observations.standard_error
        mean, width = LOG_NOISE_GIVEN if error else LOG_NOISE_UNKNOWN
        self.log_noise = (mean + (2 * np.log(error / self.scale) if error else 0.0), width)
        """Prior mean and standard deviation of the logarithm of the noise variance."""
        self._overlaps = self.overlaps(EVERY, EVERY)
        self._constants = self.constants(self._overlaps, EVERY, EVERY)
        self._trends = np.outer(self.trend, self.trend)
        self._identity = np.eye(len(self.values))

    def negative_log(self, theta: Array) -> tuple[float, Array]:
        """Return minus the log posterior density (but for a constant) and its gradient (R. and W., eq. 5.8, 5.9)."""
        amplitude, noise, trend, scales = split(theta)
        kernel, slope = matern(distances(self.rows, self.rows, scales))
        weight = amplitude + self.set_variance * self._overlaps
        covariance = weight * kernel + trend * self._trends + self._constants
        own = 1.0 if self.noise_factors is None else self.noise_factors
        covariance[np.diag_indices_from(covariance)] += noise * own + JITTER
        factor = cho_factor(covariance, lower=True, check_finite=False)
        weights = cho_solve(factor, self.values, check_finite=False)
        pull = cho_solve(factor, self._identity, check_finite=False) - np.outer(weights, weights)
        value = 0.5 * self.values @ weights + np.log(np.diag(factor[0])).sum()
        bent = pull * slope * weight
        by_scales = scales * (bent.sum(1) @ self.rows**2 - (self.rows * (bent @ self.rows)).sum(0))
        by_others = 0.5 * np.array(
            [amplitude * (pull * kernel).sum(), noise * np.trace(pull * own), trend * (pull * self._trends).sum()]
        )
        cost, prior_gradient = self._negative_log_prior(theta)
        return float(value + cost), np.concatenate([by_others, by_scales]) + prior_gradient

    def _negative_log_prior(self, theta: Array) -> tuple[float, Array]:
        """Return minus the log prior density and its gradient."""
        centres, widths = np.array([LOG_AMPLITUDE, self.log_noise, LOG_TREND]).T
        off = (theta[:3] - centres) / widths
        if not self.columns:
            return 0.5 * float(off @ off), off / widths
        expected, width, spread = LOG_INVERSE_SCALES
        mean = float(theta[3:].mean())
        away, round_mean = (mean - expected) / width, (theta[3:] - mean) / spread
        gradient = np.concatenate([off / widths, round_mean / spread + away / width / self.columns])
        return 0.5 * float(off @ off + away**2 + round_mean @ round_mean), gradient

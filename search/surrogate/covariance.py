"""The covariance of the surrogate model, and its observations as arrays.

The covariance of two recipes is a sum: a Matern 5/2 kernel with a length scale for every column (Rasmussen and
Williams, Gaussian Processes for Machine Learning, 2006, eq. 4.17); a quadratic trend round a centre, whose weight is
fitted, so that the posterior mean falls off where nothing was tried, and does not stay level; a constant; and for every
shot a constant and a Matern kernel of its own, so that those of a set of shots have the variance of the standard errors
that were given. These last terms are the random effect of a set of shots: what a shot makes of a recipe by chance is
the same whenever it is rendered, and as smooth as the objective. Trials share it as far as they share shots
(``shot_sets.py``). The posterior mean is that of the average set.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from search.surrogate.observations import Observations
from search.surrogate.shot_sets import ShotSets

Array = npt.NDArray[np.float64]

CONSTANT_VARIANCE = 25.0
"""Prior variance of the constant, in variances of the values; large, so that it may lie anywhere."""
SET_CONSTANT_VARIANCE = 4.0
"""Prior variance of a set of shots' own constant where no standard error was given, in variances of the values."""
TREND_STEEPNESS = 10.0
"""Slope of the quadratic trend against the mean over columns of the squared distance from the centre."""
GUIDE_VARIANCE = 4.0
"""Prior variance of the multiple of an earlier study's posterior mean, both in standard deviations of their values."""
JITTER = 1e-9
"""Added to the noise variance, so that a covariance can always be factored."""
EVERY = slice(None)
"""All trials, where a part of them may be asked for."""


class ObservationArrays:
    """Observations as arrays, values standardised, and the parts of the covariance that no hyperparameter changes."""

    def __init__(self, observations: Observations) -> None:
        """Convert the observations; the settled ones have mean 0 and variance 1."""
        self.rows = np.array(observations.rows)
        values = np.array(observations.values)
        settled = values[: observations.count_settled]
        self.mean, self.scale = float(settled.mean()), max(float(settled.std()), 1e-12)
        self.values = (values - self.mean) / self.scale
        self.centre = np.array(observations.centre)
        self.trend = trend_at(self.rows, self.centre)
        self.shot_sets = np.array(observations.shot_sets)
        self.guide = np.array(observations.guide) if observations.guide else None
        """The posterior mean of an earlier study at the rows, ``(n,)``."""
        self.sets = ShotSets(observations.set_slots, observations.usual_shots)
        self.noise_factors = self._noise_factors(observations.shares)
        """By how much the variance of each trial's noise is that of a usual one's; None: by 1."""
        error = observations.standard_error
        of_error = (error / self.scale) ** 2 if error else 0.0
        self.set_variance = observations.set_effect * of_error
        """Variance of the random effect of a usual set of shots on a recipe."""
        self.set_constant = (of_error or SET_CONSTANT_VARIANCE) * observations.has_several_sets

    @property
    def columns(self) -> int:
        """Number of columns."""
        return self.rows.shape[1]

    def _noise_factors(self, shares: Sequence[float]) -> Array | None:
        of_sets = self.sets.noise_factors(self.shot_sets)
        if not shares:
            return of_sets
        return noise_factors(shares) * (1.0 if of_sets is None else of_sets)

    def overlaps(self, part: slice, other: slice) -> Array:
        """Return how far two parts of the trials share their sets' effects: 1 on the same usual set, 0 on others."""
        return self.sets.overlaps(self.shot_sets[part], self.shot_sets[other])

    def constants(self, overlaps: Array, part: slice, other: slice) -> Array:
        """Return the part of the covariance that hyperparameters do not change, for two parts of the trials."""
        constants = CONSTANT_VARIANCE + self.set_constant * overlaps
        if self.guide is not None:
            constants += GUIDE_VARIANCE * np.outer(self.guide[part], self.guide[other])
        return constants


class CovarianceArrays(ObservationArrays):
    """Observations as arrays, and their covariance for some hyperparameters."""

    def __init__(self, observations: Observations, theta: tuple[float, ...]) -> None:
        """Convert the observations; hyperparameters are logarithms."""
        super().__init__(observations)
        self.amplitude, self.noise_variance, self.trend_variance, self.inverse_scales = split(np.array(theta))
        self.scaled = ScaledRows(self.rows, self.inverse_scales)

    def correlation(self, part: slice, other: slice) -> Array:
        """Return the correlation of two parts of the trials, ``(n, m)``."""
        return matern(self.scaled.distances(self.rows[part], other))[0]

    def covariance(self, correlation: Array, part: slice, other: slice) -> Array:
        """Return the covariance of two parts of the trials, without noise, from their correlation."""
        overlaps = self.overlaps(part, other)
        covariance = (self.amplitude + self.set_variance * overlaps) * correlation
        covariance += self.constants(overlaps, part, other)
        covariance += self.trend_variance * np.outer(self.trend[part], self.trend[other])
        return covariance

    def add_noise(self, covariance: Array) -> None:
        """Add the variance of the noise to the covariance of the last trials with themselves."""
        factors = 1.0 if self.noise_factors is None else self.noise_factors[len(self.values) - len(covariance) :]
        covariance[np.diag_indices_from(covariance)] += self.noise_variance * factors + JITTER


class ScaledRows:
    """Rows in units of the length scales, worked out once for all distances from them."""

    def __init__(self, rows: Array, inverse_scales: Array) -> None:
        """Scale the rows."""
        self._roots = np.sqrt(inverse_scales)
        self._rows = rows * self._roots
        self._squares = np.square(self._rows).sum(1)

    def distances(self, rows: Array, part: slice = EVERY) -> Array:
        """Return weighted squared distances of other rows from these, or from a part of them, ``(n, m)``."""
        left = rows * self._roots
        squares = np.square(left).sum(1)[:, None] + self._squares[part] - 2 * left @ self._rows[part].T
        return np.maximum(squares, 0.0)


def distances(rows: Array, others: Array, inverse_scales: Array) -> Array:
    """Return weighted squared distances, ``(n, m)``."""
    return ScaledRows(others, inverse_scales).distances(rows)


def noise_factors(shares: Sequence[float]) -> Array:
    """Return by how much the variance of a trial's noise is that of a whole one, for the part of its shots it has.

    The noise of the mean of ``k`` of ``n`` pictures has the variance ``s / k``. What the best trial's pictures are on
    these beside all (``search.racing.control_variate``) adds ``s / k - s / n``. In all it is ``2 n / k - 1`` times
    the variance ``s / n`` of a whole trial.
    """
    return 2 / np.array(shares) - 1


def trend_at(rows: Array, centre: Array) -> Array:
    """Return the quadratic trend of rows, 0 at the centre, ``(n,)``."""
    return TREND_STEEPNESS * (np.square(rows - centre).sum(1) / max(rows.shape[1], 1))


def matern(squared: Array) -> tuple[Array, Array]:
    """Return the Matern 5/2 correlation of squared distances, and its derivative by them."""
    root = np.sqrt(5 * squared)
    tail = np.exp(-root)
    return (1 + root + 5 / 3 * squared) * tail, -5 / 6 * (1 + root) * tail


def split(theta: Array) -> tuple[float, float, float, Array]:
    """Return the variances of kernel, noise and trend, and the inverse squared length scales, from their logarithms."""
    amplitude, noise, trend = np.exp(theta[:3])
    return float(amplitude), float(noise), float(trend), np.exp(theta[3:])

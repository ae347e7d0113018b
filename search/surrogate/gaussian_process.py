"""What is believed of the landscape, one broad hill, and a Gaussian process for what the hill does not explain.

The covariance of two recipes is a sum: a Matern 5/2 kernel with a length scale for every column (Rasmussen and
Williams, Gaussian Processes for Machine Learning, 2006, eq. 4.17); one common bowl round the start, whose weight is
fitted, so that what was never tried is believed to fall off, not to stay level; a constant; and for every set of shots
a constant and a landscape of its own, as large as the standard errors that were told: the luck of a recipe with some
pictures is the same whenever they are drawn, and as smooth as what it deserves. Expected is what is common to all sets.
Length scales are drawn towards their common mean: with 26 knobs and 60 trials they cannot be told one by one.
Hyperparameters are those of the largest posterior density.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.linalg import cho_factor, cho_solve, cholesky, solve_triangular
from scipy.optimize import minimize

from search.surrogate.columns import Row

Array = npt.NDArray[np.float64]

LEVEL = 25.0
"""Prior variance of the constant, in variances of the values: it may lie anywhere."""
SHIFT = 4.0
"""Prior variance of a set of shots' own constant where the luck of shots was not told."""
SCALES = (-1.0, 2.0, 1.0)
"""Logarithm of an inverse squared length scale: mean, its standard deviation, the deviations round it."""
AMPLITUDE = (0.0, 1.5)
BOWL = (-1.0, 2.0)
"""Prior mean and standard deviation of the logarithms of both weights."""
STEEPNESS = 10.0
"""Of the bowl: times the mean of squared distances by column."""
TOLD_NOISE, GUESSED_NOISE = (0.0, 1.0), (-6.0, 3.0)
"""The same of the noise variance: against the one that was told, or against the variance of the values."""
REACH = 9.0
"""Farthest that the logarithm of a hyperparameter goes from 0."""
ITERATIONS = 60
"""Most steps of L-BFGS-B for the hyperparameters."""
FIT_MOST = 400
"""Newest trials that hyperparameters are fitted to; predictions use all."""
REFITS = ((200, 10), (400, 25))
"""Up to so many trials, hyperparameters are fitted anew after every so many; then after every hundred."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Data:
    """What is known, by trial; hashable, so that equal data is modelled once."""

    rows: tuple[Row, ...]
    values: tuple[float, ...]
    """Objective, larger is better."""
    sets: tuple[int, ...]
    """Number of the set of shots."""
    centre: Row
    """Top of the bowl."""
    noise: float | None = None
    """Standard error of a value, if it was told."""

    def first(self, count: int) -> Data:
        """Return the first trials alone."""
        return self._part(slice(count))

    def last(self, count: int) -> Data:
        """Return the last trials alone."""
        return self._part(slice(-count, None))

    def _part(self, part: slice) -> Data:
        return replace(self, rows=self.rows[part], values=self.values[part], sets=self.sets[part])


def fitted_to(count: int) -> int:
    """Return how many of the first `count` trials hyperparameters are fitted to."""
    every = next((every for most, every in REFITS if count <= most), 100)
    return count if count < every else count - count % every


@lru_cache(maxsize=64)
def hyperparameters(data: Data) -> tuple[float, ...]:
    """Return the hyperparameters of the largest posterior density, as logarithms: amplitude, noise, bowl, scales."""
    prior = _Prior(data)
    begin = np.concatenate([[AMPLITUDE[0], prior.noise[0], BOWL[0]], np.full(prior.columns, SCALES[0])])
    bounds = [(-REACH, REACH), (prior.noise[0] - 8, prior.noise[0] + 4), *[(-REACH, REACH)] * (1 + prior.columns)]
    found = minimize(prior.surprise, begin, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": ITERATIONS})
    return tuple(float(number) for number in found.x)


@lru_cache(maxsize=64)
def model_of(data: Data) -> Hill:
    """Return the model of some data; hyperparameters come from its first part, so that most calls are cheap."""
    return Hill(data, hyperparameters(data.first(fitted_to(len(data.values))).last(FIT_MOST)))


class _Arrays:
    """Data as arrays, in units of their spread, and the parts of the covariance that no hyperparameter changes."""

    def __init__(self, data: Data) -> None:
        self.rows = np.array(data.rows)
        values = np.array(data.values)
        self.middle, self.spread = float(values.mean()), max(float(values.std()), 1e-12)
        self.values = (values - self.middle) / self.spread
        self.centre = np.array(data.centre)
        self.bowl = self.depth(self.rows)
        self.sets = data.sets
        sets = np.array(data.sets)
        self.same = (sets[:, None] == sets).astype(float)
        self.luck = (data.noise / self.spread) ** 2 if data.noise else 0.0
        """Variance of what a set of shots makes of a recipe by chance, the same whenever it is drawn."""
        self.shift = (self.luck or SHIFT) * (len(set(data.sets)) > 1)
        self.fixed = LEVEL + self.shift * self.same

    @property
    def columns(self) -> int:
        """Number of columns."""
        return self.rows.shape[1]

    def depth(self, rows: Array) -> Array:
        """Return how deep in the bowl rows lie, ``(n,)``."""
        return STEEPNESS * np.square(rows - self.centre).mean(1)


class _Prior(_Arrays):
    """Data and the prior of the hyperparameters."""

    def __init__(self, data: Data) -> None:
        super().__init__(data)
        mean, width = GUESSED_NOISE if not data.noise else TOLD_NOISE
        self.noise = (mean + (2 * np.log(data.noise / self.spread) if data.noise else 0.0), width)

    def surprise(self, theta: Array) -> tuple[float, Array]:
        """Return minus the log posterior density (but for a constant) and its gradient."""
        amplitude, noise, bowl, scales = _split(theta)
        kernel, slope = matern(_distances(self.rows, self.rows, scales))
        valley = np.outer(self.bowl, self.bowl)
        weight = amplitude + self.luck * self.same
        covariance = weight * kernel + bowl * valley + self.fixed
        covariance[np.diag_indices_from(covariance)] += noise + 1e-9
        factor = cho_factor(covariance, lower=True)
        weights = cho_solve(factor, self.values)
        pull = cho_solve(factor, np.eye(len(weights))) - np.outer(weights, weights)
        value = 0.5 * self.values @ weights + np.log(np.diag(factor[0])).sum()
        bent = pull * slope * weight
        turned = scales * (bent.sum(1) @ self.rows**2 - (self.rows * (bent @ self.rows)).sum(0))
        by_hand = 0.5 * np.array(
            [amplitude * (pull * kernel).sum(), noise * np.trace(pull), bowl * (pull * valley).sum()]
        )
        cost, tilt = self._prior(theta)
        return float(value + cost), np.concatenate([by_hand, turned]) + tilt

    def _prior(self, theta: Array) -> tuple[float, Array]:
        """Return minus the log prior density and its gradient."""
        centres, widths = np.array([AMPLITUDE, self.noise, BOWL]).T
        off = (theta[:3] - centres) / widths
        mean = float(theta[3:].mean())
        away, round_it = (mean - SCALES[0]) / SCALES[1], (theta[3:] - mean) / SCALES[2]
        tilt = np.concatenate([off / widths, round_it / SCALES[2] + away / SCALES[1] / self.columns])
        return 0.5 * float(off @ off + away**2 + round_it @ round_it), tilt


class Hill(_Arrays):
    """The model: what to expect of any row. Values are in the units of the data."""

    def __init__(self, data: Data, theta: tuple[float, ...]) -> None:
        """Condition on the data, with the hyperparameters given."""
        super().__init__(data)
        self.amplitude, noise, self.bowl_weight, self.scales = _split(np.array(theta))
        kernel, _ = matern(_distances(self.rows, self.rows, self.scales))
        covariance = (self.amplitude + self.luck * self.same) * kernel + self.fixed
        covariance += self.bowl_weight * np.outer(self.bowl, self.bowl)
        covariance[np.diag_indices_from(covariance)] += noise + 1e-9
        self.factor = cholesky(covariance, lower=True)
        self.weights = cho_solve((self.factor, True), self.values)
        self.noise = float(np.sqrt(noise)) * self.spread
        """Standard deviation of a value's noise, as fitted: how far values stray from anything smooth."""
        self.doubt = max(self.noise, data.noise or 0.0)
        """The same, but not less than what was told: on the same shots values may be smooth and yet luck."""

    def expected(self, rows: Array) -> Array:
        """Return the expected values of rows ``(n, columns)`` on the average set of shots, ``(n,)``."""
        kernel, _ = matern(_distances(rows, self.rows, self.scales))
        covariance = self.amplitude * kernel + self.bowl_weight * np.outer(self.depth(rows), self.bowl) + LEVEL
        return self.middle + self.spread * (covariance @ self.weights)

    @property
    def shifts(self) -> tuple[float, ...]:
        """By number of the set of shots, how far values lie above those of the average set; nothing with one set."""
        sets = np.array(self.sets)
        count = int(sets.max()) + 1
        return tuple(self.spread * self.shift * float(self.weights[sets == one].sum()) for one in range(count))

    def slope(self, row: Array) -> tuple[float, Array]:
        """Return the expected value of one row and its gradient."""
        kernel, slope = matern(_distances(row[None], self.rows, self.scales))
        depth = float(self.depth(row[None])[0])
        covariance = self.amplitude * kernel[0] + self.bowl_weight * depth * self.bowl + LEVEL
        pulled = self.amplitude * slope[0] * self.weights
        gradient = 2 * self.scales * (row * pulled.sum() - pulled @ self.rows)
        gradient += (
            self.bowl_weight * float(self.bowl @ self.weights) * 2 * STEEPNESS * (row - self.centre) / self.columns
        )
        return self.middle + self.spread * float(covariance @ self.weights), self.spread * gradient

    def left_out(self) -> Array:
        """Return by how much each value differs from what the others let one expect (R. and W., eq. 5.12), ``(n,)``."""
        inverse = solve_triangular(self.factor, np.eye(len(self.values)), lower=True)
        return self.spread * self.weights / np.square(inverse).sum(0)


def matern(squared: Array) -> tuple[Array, Array]:
    """Return the Matern 5/2 correlation of squared distances, and its derivative by them."""
    root = np.sqrt(5 * squared)
    tail = np.exp(-root)
    return (1 + root + 5 / 3 * squared) * tail, -5 / 6 * (1 + root) * tail


def _distances(rows: Array, others: Array, scales: Array) -> Array:
    """Return weighted squared distances, ``(n, m)``."""
    left, right = rows * np.sqrt(scales), others * np.sqrt(scales)
    squares = np.square(left).sum(1)[:, None] + np.square(right).sum(1) - 2 * left @ right.T
    return np.maximum(squares, 0.0)


def _split(theta: Array) -> tuple[float, float, float, Array]:
    amplitude, noise, bowl = np.exp(theta[:3])
    return float(amplitude), float(noise), float(bowl), np.exp(theta[3:])

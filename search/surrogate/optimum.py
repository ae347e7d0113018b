"""The optimum of the surrogate model: where in a subspace its posterior mean is highest, and pictures do not break.

What is maximised is the *worth* of a recipe: its posterior mean plus `RISK` standard deviations of the values times the
logarithm of its probability of feasibility. Where that is near 1, which is all that an optimum comes close to, this is
what would be expected of a recipe if broken pictures were worth so much less than others.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.optimize import minimize

from search.surrogate.covariance import Array
from search.surrogate.feasibility import feasibility_of
from search.surrogate.gaussian_process import model_of
from search.surrogate.observations import Observations
from search.surrogate.subspace import ChosenWords, Location, Subspace

CLOSEST = 20
"""How many of the best trials, as the model sees them, bound a recommendation by their smallest and largest values."""
STARTS = 5
"""How many of the best trials are averaged for the second start of a local search; the first is the best trial."""
SEARCHED_WORDS = 2
"""Combinations of words that a local search is run for: those that are best where it starts."""
RISK = 2.0
"""How many standard deviations of the values broken pictures count as worse than others."""
SEARCH_ITERATIONS = 60
"""Most steps of L-BFGS-B of one local search."""


@lru_cache(maxsize=128)
def optimum(observations: Observations, subspace: Subspace, *, within: bool = True) -> Location:
    """Return the location of the highest worth.

    Args:
        observations: at least one trial.
        subspace: to search.
        within: whether to stay where the best trials are; a recommendation does, a trial may go beyond.
    """
    model = model_of(observations)
    best = model.rows[np.argsort(-model.own_means, kind="stable")]
    close, axes = subspace.positions(best[:CLOSEST]), len(subspace.axes)
    low, high = (close.min(0), close.max(0)) if within else (np.zeros(axes), np.ones(axes))
    starts = np.clip(np.stack([close[0], close[:STARTS].mean(0)]), low, high)
    tried = {subspace.words_of(row) for row in model.rows}
    words = [combination for combination in subspace.combinations() if combination in tried or not within]
    if len(words) > SEARCHED_WORDS:
        best_at_start = {one: float(worths(observations, subspace.rows(starts, one)).max()) for one in words}
        words = sorted(words, key=lambda one: -best_at_start[one])[:SEARCHED_WORDS]
    found = [
        _local_optimum(observations, subspace, start, (low, high), one) for one in words or [()] for start in starts
    ]
    return max(found, key=lambda one: one[0])[1]


def worths(observations: Observations, rows: Array) -> Array:
    """Return the worth of rows ``(n, columns)``, in units of the values; the mean where nothing ever broke."""
    model, feasibility = model_of(observations), feasibility_of(observations)
    means = model.posterior_mean(rows)
    return means if feasibility is None else means + RISK * model.scale * feasibility.log_probability(rows)


def worth_at(observations: Observations, subspace: Subspace, location: Location) -> float:
    """Return the worth of a location."""
    return float(worths(observations, subspace.rows(np.array([location.position]), location.words))[0])


@lru_cache(maxsize=8)
def effects(observations: Observations, subspace: Subspace) -> tuple[float, ...]:
    """Return by how much a quarter of each axis changes the posterior mean at most, in standard errors of a trial."""
    model, found = model_of(observations), list[float]()
    start = subspace.start
    for n in range(len(subspace.axes)):
        positions = np.stack([start, start, start])
        positions[1:, n] = np.clip(start[n] + np.array([-0.25, 0.25]), 0.0, 1.0)
        value, *moved = model.posterior_mean(subspace.rows(positions))
        found.append(float(max(abs(np.array(moved) - value)) / model.standard_error))
    return tuple(found)


def _local_optimum(
    observations: Observations, subspace: Subspace, start: Array, bounds: tuple[Array, Array], words: ChosenWords
) -> tuple[float, Location]:
    """Return the highest worth near a start, and its location."""
    if not subspace.axes:
        return float(worths(observations, subspace.rows(start[None], words))[0]), Location(position=(), words=words)
    model, feasibility = model_of(observations), feasibility_of(observations)

    def cost(position: Array) -> tuple[float, Array]:
        row = subspace.rows(position[None], words)[0]
        mean, gradient = model.posterior_mean_gradient(row)
        if feasibility is not None:
            risk, slope = feasibility.log_probability_gradient(row)
            mean, gradient = mean + RISK * model.scale * risk, gradient + RISK * model.scale * slope
        return -mean / model.scale, -subspace.gradient_along_axes(gradient, position) / model.scale

    options = {"maxiter": SEARCH_ITERATIONS}
    found = minimize(cost, start, jac=True, method="L-BFGS-B", bounds=list(zip(*bounds, strict=True)), options=options)
    position = tuple(float(place) for place in np.clip(found.x, *bounds))
    return -float(found.fun) * model.scale, Location(position=position, words=words)

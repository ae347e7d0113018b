"""Where the model's hill is highest, in a subspace, between bounds that the best trials set."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.optimize import minimize

from search.surrogate.gaussian_process import Array, Data, Hill, model_of
from search.surrogate.subspace import Position, Subspace

CLOSEST = 20
"""The best trials, as the model sees them, whose smallest and largest values bound a recommendation."""
STARTS = 5
CLIMBED = 2
"""Combinations of words that are climbed: those that are highest at the starts."""
ITERATIONS = 60
"""Most steps of L-BFGS-B for one climb."""


@lru_cache(maxsize=128)
def summit(data: Data, where: Subspace, *, within: bool = True) -> tuple[Position, Position]:
    """Return the position of the highest expected value, and the words.

    Args:
        data: at least one trial.
        where: the axes to climb along.
        within: whether to stay where the best trials are; a recommendation does, a trial may look beyond.
    """
    hill = model_of(data)
    best = hill.rows[np.argsort(-hill.expected(hill.rows), kind="stable")]
    close = where.positions(best[:CLOSEST])
    low, high = (close.min(0), close.max(0)) if within else (np.zeros(len(where.axes)), np.ones(len(where.axes)))
    starts = np.clip(np.stack([close[0], close[:STARTS].mean(0)]), low, high)
    seen = {where.words_of(row) for row in hill.rows}
    words = [combination for combination in where.combinations() if combination in seen or not within]
    if len(words) > CLIMBED:
        height = {word: float(hill.expected(where.rows(starts, word)).max()) for word in words}
        words = sorted(words, key=lambda word: -height[word])[:CLIMBED]
    found = [_climb(hill, where, start, (low, high), word) for word in words or [()] for start in starts]
    _, position, word = max(found, key=lambda one: one[0])
    return tuple(float(place) for place in position), word


def expected(data: Data, where: Subspace, place: tuple[Position, Position]) -> float:
    """Return the expected value at a position with its words."""
    return float(model_of(data).expected(where.rows(np.array([place[0]]), place[1]))[0])


def effects(data: Data, where: Subspace) -> list[float]:
    """Return by how much a quarter of each axis changes the expected value at most, in parts of a trial's noise."""
    hill, found = model_of(data), list[float]()
    here = where.start
    for n in range(len(where.axes)):
        places = np.stack([here, here, here])
        places[1:, n] = np.clip(here[n] + np.array([-0.25, 0.25]), 0.0, 1.0)
        value, *moved = hill.expected(where.rows(places))
        found.append(float(max(abs(np.array(moved) - value)) / hill.doubt))
    return found


def _climb(
    hill: Hill, where: Subspace, start: Array, bounds: tuple[Array, Array], words: Position
) -> tuple[float, Array, Position]:
    if not where.axes:
        return float(hill.expected(where.rows(start[None], words))[0]), start, words

    def depth(position: Array) -> tuple[float, Array]:
        row = where.rows(position[None], words)[0]
        value, gradient = hill.slope(row)
        return -value / hill.spread, -where.pulled(gradient, position) / hill.spread

    options = {"maxiter": ITERATIONS}
    found = minimize(depth, start, jac=True, method="L-BFGS-B", bounds=list(zip(*bounds, strict=True)), options=options)
    return -float(found.fun) * hill.spread, np.clip(found.x, *bounds), words

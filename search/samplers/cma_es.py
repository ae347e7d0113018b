"""CMA-ES by the package `cmaes`, replayed from the completed trials each time.

Its state (mean, covariance, step size, random numbers) follows from the seed and from these trials, so nothing has to
be saved: a search that goes on proposes what it would have proposed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from inspect import signature
from typing import Any

import numpy as np

SIGMA = 0.1
"""First step size, as a part of an axis; an option of the same name changes it."""
EDGE = 0.02
"""How far from the bounds the mean begins at least, as a part of an axis."""


def known_options(_name: str) -> dict[str, Any]:
    """Return the options of CMA-ES by name, each with its default."""
    from cmaes import CMA

    own = {"mean", "bounds", "seed", "cov"}
    parameters = signature(CMA).parameters.values()
    return {one.name: one.default for one in parameters if one.name not in own} | {"sigma": SIGMA}


def suggest(
    start: Sequence[float],
    completed: Sequence[tuple[Sequence[float], float | None]],
    *,
    seed: int,
    options: Mapping[str, Any] | None = None,
) -> tuple[float, ...]:
    """Return what CMA-ES tries next.

    Args:
        start: where its mean begins, 0 to 1 by axis.
        completed: the trials that it proposed so far, oldest first; one without a value counts as the worst of its
            generation.
        seed: of the search and the stage.
        options: `sigma`, and those of `cmaes.CMA` (`population_size`, `lr_adapt`, ...).

    Raises:
        TypeError: an option that it does not have.
    """
    from cmaes import CMA

    given: dict[str, Any] = {"sigma": SIGMA, **(options or {})}
    if len(start) == 1:  # too few for it: a second axis that has no effect
        doubled = [((place[0], 0.5), value) for place, value in completed]
        return suggest((start[0], 0.5), doubled, seed=seed, options=options)[:1]
    mean = np.clip(np.array(start, dtype=float), EDGE, 1 - EDGE)
    bounds = np.tile([0.0, 1.0], (len(mean), 1))
    optimiser = CMA(mean=mean, bounds=bounds, seed=seed % 2**32, **given)
    size = optimiser.population_size
    for first in range(0, len(completed) - size + 1, size):
        generation = completed[first : first + size]
        for _ in generation:
            optimiser.ask()
        costs = [-value for _, value in generation if value is not None]
        worst = max(costs, default=0.0)
        optimiser.tell(
            [(np.array(place), worst if value is None else -value) for place, value in generation]
        )  # fmt: skip
    for _ in range(len(completed) % size):
        optimiser.ask()
    return tuple(optimiser.ask().tolist())

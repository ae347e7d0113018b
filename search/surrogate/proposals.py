"""The next trial of a stage, a screening design first, then a step away from where the model is highest.

Looking exactly where the model is highest teaches little: in 26 dimensions every direction has to be tried again and
again, and a random step of fixed size in all of them at once tries them all. Expected improvement, upper confidence
bounds and steps scaled to the noise were worse on made-up landscapes (`tests/benchmarks/RESULTS.md`).
"""

from __future__ import annotations

import numpy as np
from scipy.linalg import hadamard

from search.surrogate.gaussian_process import Data
from search.surrogate.optimum import summit
from search.surrogate.subspace import Position, Subspace

TRY_WORDS = 0.25
"""Part of the trials that try other words than the best ones."""


def screen(where: Subspace, number: int, seed: tuple[int, ...], reach: float) -> tuple[Position, Position]:
    """Return screening trial `number` (0, 1, ...): every axis up or down from `fixed`.

    The signs are columns of a Hadamard matrix (Plackett and Burman, The design of optimum multifactorial experiments,
    1946), so that the effects of all axes are told apart with the least error.

    Args:
        where: the axes; their start is `fixed`.
        number: of the trial within the screening.
        seed: of the search and the stage; turns the design.
        reach: how far to go, in parts of an axis; see `search.plan.REACH`.
    """
    draw = np.random.default_rng(seed)
    size = 1 << max(2, len(where.axes).bit_length())
    columns = draw.permutation(np.arange(1, size))[: len(where.axes)]
    signs = hadamard(size)[1 + number % (size - 1), columns]
    combinations = where.combinations()
    position = np.clip(where.start + reach * signs, 0.0, 1.0)
    return tuple(position.tolist()), combinations[number % len(combinations)]


def step(data: Data, where: Subspace, seed: tuple[int, ...], size: float) -> tuple[Position, Position]:
    """Return the highest place of the model, and a random step from there.

    Args:
        data: all that is known.
        where: the axes.
        seed: of the search, the stage and the trial.
        size: standard deviation of the step, in parts of an axis; see `search.plan.STEP`.
    """
    top, words = summit(data, where, within=False)
    draw = np.random.default_rng(seed)
    position = np.clip(np.array(top) + size * draw.normal(size=len(top)), 0.0, 1.0)
    combinations = where.combinations()
    if len(combinations) > 1 and draw.uniform() < TRY_WORDS:
        words = combinations[draw.integers(len(combinations))]
    return tuple(position.tolist()), words

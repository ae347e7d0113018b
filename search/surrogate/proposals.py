"""The next trial of a stage: a screening design first, then a random step from the surrogate's optimum.

A trial at the optimum itself teaches little: in 26 dimensions every direction has to be tried again and again, and a
random step of fixed size in all of them at once tries them all. Expected improvement, upper confidence bounds and steps
scaled to the noise were worse on made-up landscapes (`tests/benchmarks/RESULTS.md`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from scipy.linalg import hadamard

from search.plan import Stage
from search.surrogate.feasibility import likely
from search.surrogate.observations import Observations
from search.surrogate.optimum import optimum
from search.surrogate.subspace import Location, Subspace

SCREENING_REACH: Mapping[Stage, float] = {"groups": 0.15, "blocks": 0.1, "self": 0.25, "adjust": 0.25, "refine": 0.1}
"""How far the screening design goes along every axis, up or down, as a part of the axis."""
STEP_SIZES: Mapping[Stage, float] = {
    "flat": 0.03, "groups": 0.1, "blocks": 0.07, "self": 0.1, "adjust": 0.1, "refine": 0.07
}  # fmt: skip
"""Standard deviation of a step from the optimum while noise is small, as a part of an axis."""
SMALL_NOISE = 0.03
"""Noise that counts as small, as a part of what FLAT mixes differ by; beyond it, steps grow with its square root."""
LONGEST_STEP = 2.0
"""How many times as long as usual a step becomes at most, where noise is large."""
OTHER_WORDS = 0.25
"""Share of the trials that try other words than the best ones."""


def step_size(stage: Stage, relative_noise: float) -> float:
    """Return the standard deviation of a step from the optimum, as a part of an axis.

    Args:
        stage: that the step is a trial of.
        relative_noise: noise of a trial, as a part of what FLAT mixes differ by; 0 where it is not known.
    """
    return STEP_SIZES[stage] * min(max(1.0, math.sqrt(relative_noise / SMALL_NOISE)), LONGEST_STEP)


def screening_proposal(subspace: Subspace, number: int, seed: tuple[int, ...], reach: float) -> Location:
    """Return screening trial `number` (0, 1, ...): every axis up or down from `fixed`.

    The signs are columns of a Hadamard matrix (Plackett and Burman, The design of optimum multifactorial experiments,
    1946), so that the effects of all axes are estimated apart with the least error.

    Args:
        subspace: whose axes are screened; their start is `fixed`.
        number: of the trial within the screening.
        seed: of the search and the stage; chooses the columns.
        reach: how far to go, as a part of an axis; see `SCREENING_REACH`.
    """
    rng = np.random.default_rng(seed)
    axes = len(subspace.axes)
    size = 1 << max(2, axes.bit_length())
    columns = rng.permutation(np.arange(1, size))[:axes]
    signs = hadamard(size)[1 + number % (size - 1), columns]
    combinations = subspace.combinations()
    position = np.clip(subspace.start + reach * signs, 0.0, 1.0)
    return Location(position=tuple(position.tolist()), words=combinations[number % len(combinations)])


def step_proposal(observations: Observations, subspace: Subspace, seed: tuple[int, ...], size: float) -> Location:
    """Return a random step from the surrogate's optimum, to where pictures are likely not to break.

    Args:
        observations: all that is known.
        subspace: to step in.
        seed: of the search, the stage and the trial.
        size: standard deviation of the step, as a part of an axis; see `step_size`.
    """
    best = optimum(observations, subspace, within=False)
    rng = np.random.default_rng(seed)

    def step() -> Location:
        position = np.clip(np.array(best.position) + size * rng.normal(size=len(best.position)), 0.0, 1.0)
        words, combinations = best.words, subspace.combinations()
        if len(combinations) > 1 and rng.uniform() < OTHER_WORDS:
            words = combinations[rng.integers(len(combinations))]
        return Location(position=tuple(position.tolist()), words=words)

    return likely(observations, subspace, step)

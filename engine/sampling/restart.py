"""Restart (Xu et al. 2023, https://arxiv.org/abs/2306.14878): Heun's steps down, and up again with new noise.

How often, from where and to where are the WebUI's choices: with 20 steps or more, nearly half of them are spent between
the levels nearest to 0.1 and 2, once, or twice with 36 steps or more.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from engine.sampling.ode import heun
from engine.sampling.schedules import karras_between
from engine.sampling.stepping import Denoise, StepNoise
from engine.shots.samplers import RESTARTS_FROM

LOW, HIGH = 0.1, 2.0
"""Restarts lead from the level nearest to the first to the level nearest to the second."""
TWICE = 36
"""The fewest steps for two restarts."""
ONE_RESTART = 9
"""The steps of a single restart."""

LevelSteps = list[tuple[float, float]]
"""Steps, each from one level to a lower one."""


def restart(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: StepNoise, *, eta: float = 0.0, s_noise: float = 1.0
) -> Tensor:
    """Sample with restarts.

    Args:
        denoise: The denoiser.
        x: Noise times ``sigmas[0]``, ``(n, c, h, w)``.
        sigmas: Falling levels, the last 0 or more. With enough steps for a restart, only the first and the second last
            count, and Karras levels between them are visited.
        noise: Called for each restart.
        eta: Without effect.
        s_noise: The factor of new noise.

    Returns:
        The latent at the last level.
    """
    steps = steps_with_restarts(sigmas)
    reached = steps[0][0]
    for sigma, target in steps:
        if sigma > reached:
            up = math.sqrt((sigma - reached) * (sigma + reached))
            x = x + noise(sigma, reached) * (up * s_noise)
        x = heun(denoise, x, (sigma, target))
        reached = target
    return x


def steps_with_restarts(sigmas: Sequence[float]) -> LevelSteps:
    """All steps in their order; a step that begins above the end of the one before is a restart."""
    steps = len(sigmas) - 1
    if steps < RESTARTS_FROM:
        return list(pairwise(sigmas))
    times, each = (2, steps // 4) if steps >= TWICE else (1, ONE_RESTART)
    levels = karras_between(sigmas[0], sigmas[-2], steps - times * each)
    bottom, top = _nearest(levels, LOW), _nearest(levels, HIGH)
    down = list(pairwise(levels))
    if top >= bottom:
        return down
    again = list(pairwise(karras_between(levels[top], levels[bottom], each + 1)[:-1]))
    return down[:bottom] + again * times + down[bottom:]


def _nearest(levels: Sequence[float], wanted: float) -> int:
    return min(range(len(levels)), key=lambda number: abs(levels[number] - wanted))

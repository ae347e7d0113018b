"""DPM-Solver of orders one to three, in steps of its own: "DPM fast" and "DPM adaptive".

Lu et al. 2022 (https://arxiv.org/abs/2206.00927), algorithms 1, 2 and 5 and the adaptive step size, in noise-level
space, with the ancestral noise that k-diffusion adds. A step is ``h = log(sigma / target)``. Each sampler takes the
denoiser, ``x`` as noise times ``sigmas[0]`` ``(n, c, h, w)``, levels of which only the first, the last and their number
count, the noise, ``eta`` from 0 (no noise) to 1 and a factor ``s_noise``, and returns the latent at the last level,
which is above 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from engine.sampling.stepping import Denoise, StepNoise, split

FIRST_STEP = 0.05
"""The size of the first step that "DPM adaptive" tries."""
RELATIVE_ERROR, LEAST_ERROR = 0.05, 0.0078
"""The error allowed for each value of a latent: a share of it, and at least the second."""
ACCEPTED = 0.81
"""Steps are accepted whose factor for the next step is at least this."""
CLOSE = 1e-5
"""A walk is over this close to its end, in log sigma."""


def dpm_fast(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: StepNoise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """Even steps in log sigma, of order 3 as far as the calls reach: as many calls as there are steps in ``sigmas``."""
    first, last = sigmas[0], sigmas[-1]
    orders = orders_of(len(sigmas) - 1)
    h = math.log(first / last) / len(orders)
    levels = [first * math.exp(-h * number) for number in range(len(orders))]
    for order, (sigma, target) in zip(orders, pairwise([*levels, last]), strict=True):
        down, up = _down_and_up(sigma, target, last, eta)
        slope = _slope(denoise, x, sigma)
        x = _stepped(denoise, x, slope, sigma, down, order)
        if eta:
            x = torch.add(x, noise(sigma, target), alpha=up * s_noise)
    return x


def orders_of(calls: int) -> list[int]:
    """The orders of the steps of "DPM fast", which add up to the calls."""
    threes, rest = divmod(calls, 3)
    return [3] * threes + [rest] if rest else [3] * (threes - 1) + [2, 1]


def dpm_adaptive(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: StepNoise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """Steps of order 3, as long as their difference from order 2 allows; three calls each, also of those refused.

    The error is that of all pictures of ``x`` together, so that each needs a walk of its own.
    """
    sigma, last, before = sigmas[0], sigmas[-1], x
    size, order = FIRST_STEP, 1.5 if eta else 3
    while math.log(sigma / last) > CLOSE:
        target = max(last, sigma * math.exp(-size))
        down, up = _down_and_up(sigma, target, last, eta)
        low, high = _second_and_third(denoise, x, sigma, down)
        error = _error(low, high, before)
        if not math.isfinite(error):
            return high  # of a model that gives no numbers; no step is short enough
        factor = 1 + math.atan((1 / (error + 1e-8)) ** (1 / order) - 1)
        size *= factor
        if factor >= ACCEPTED:
            before, x, sigma, begin = low, high, target, sigma
            x = torch.add(x, noise(begin, target), alpha=up * s_noise) if eta else x
    return x


def _down_and_up(sigma: float, target: float, last: float, eta: float) -> tuple[float, float]:
    """The ancestral split of a step, which goes down to the last level at most."""
    down = max(last, split(sigma, target, eta)[0])
    return down, math.sqrt(max(0.0, (target - down) * (target + down)))


def _slope(denoise: Denoise, x: Tensor, sigma: float) -> Tensor:
    return (x - denoise(x, sigma)) / sigma


def _stepped(denoise: Denoise, x: Tensor, slope: Tensor, sigma: float, target: float, order: int) -> Tensor:
    """A step of an order from the slope at its beginning."""
    if order == 3:
        return _third(denoise, x, slope, _ahead(denoise, x, slope, sigma, target, 1 / 3), sigma, target)
    moved = x - slope * (target * math.expm1(math.log(sigma / target)))
    if order == 1:
        return moved
    return _second(x, slope, _ahead(denoise, x, slope, sigma, target, 1 / 2), sigma, target, 1 / 2)


def _second_and_third(denoise: Denoise, x: Tensor, sigma: float, target: float) -> tuple[Tensor, Tensor]:
    """The same step in order 2 and in order 3, which share their first two calls."""
    slope = _slope(denoise, x, sigma)
    ahead = _ahead(denoise, x, slope, sigma, target, 1 / 3)
    return _second(x, slope, ahead, sigma, target, 1 / 3), _third(denoise, x, slope, ahead, sigma, target)


def _ahead(denoise: Denoise, x: Tensor, slope: Tensor, sigma: float, target: float, share: float) -> Tensor:
    """The slope a share of a step further on."""
    part = math.log(sigma / target) * share
    between = sigma * math.exp(-part)
    return _slope(denoise, x - slope * (between * math.expm1(part)), between)


def _second(x: Tensor, slope: Tensor, ahead: Tensor, sigma: float, target: float, share: float) -> Tensor:
    whole = target * math.expm1(math.log(sigma / target))
    return x - slope * whole - (ahead - slope) * (whole / (2 * share))


def _third(denoise: Denoise, x: Tensor, slope: Tensor, ahead: Tensor, sigma: float, target: float) -> Tensor:
    """Order 3 with the slopes at one third and two thirds of the step."""
    h = math.log(sigma / target)
    part = h * 2 / 3
    between = sigma * math.exp(-part)
    bend = between * 2 * (math.expm1(part) / part - 1)
    middle = x - slope * (between * math.expm1(part)) - (ahead - slope) * bend
    further = _slope(denoise, middle, between)
    return x - slope * (target * math.expm1(h)) - (further - slope) * (target * 1.5 * (math.expm1(h) / h - 1))


def _error(low: Tensor, high: Tensor, before: Tensor) -> float:
    """The root of the mean square of the error in units of the allowed one: 1 is just allowed."""
    allowed = (torch.maximum(low.abs(), before.abs()) * RELATIVE_ERROR).clamp(min=LEAST_ERROR)
    return float(((low - high) / allowed).square().mean().sqrt())

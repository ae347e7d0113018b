"""Samplers without new noise: Euler, Heun, DPM2, LMS and DPM++ 2M.

They solve the probability flow ``dx / dsigma = (x - denoise(x, sigma)) / sigma`` (Karras et al. 2022,
https://arxiv.org/abs/2206.00364, equation 1 with s = 1). Each takes the denoiser, ``x`` as noise times ``sigmas[0]``
``(n, c, h, w)``, and falling levels of which the last may be 0, and returns the latent at the last level. The first
three may add noise before a step ("churn").
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from engine.sampling.stepping import STILL, Churn, Denoise, straight

LMS_ORDER = 4
"""From how many slopes LMS extrapolates at most."""


def euler(denoise: Denoise, x: Tensor, sigmas: Sequence[float], churn: Churn = STILL) -> Tensor:
    """Euler steps (Karras et al. 2022, algorithm 2 without its correction)."""
    for level, target in pairwise(sigmas):
        x, sigma = churn.raised(x, level, target, len(sigmas) - 1)
        x = straight(denoise(x, sigma), x, target / sigma)
    return x


def heun(denoise: Denoise, x: Tensor, sigmas: Sequence[float], churn: Churn = STILL) -> Tensor:
    """Heun's steps (Karras et al. 2022, algorithm 2); a step that ends at 0 is Euler's."""
    for level, target in pairwise(sigmas):
        x, sigma = churn.raised(x, level, target, len(sigmas) - 1)
        clean = denoise(x, sigma)
        ahead = straight(clean, x, target / sigma)
        if target == 0:
            return ahead
        slope, slope_ahead = (x - clean) / sigma, (ahead - denoise(ahead, target)) / target
        x = x + (slope + slope_ahead) * ((target - sigma) / 2)
    return x


def dpm2(denoise: Denoise, x: Tensor, sigmas: Sequence[float], churn: Churn = STILL) -> Tensor:
    """DPM-Solver-2's midpoint, in sigma instead of log sigma ("DPM2"); a step that ends at 0 is Euler's.

    The midpoint is the geometric mean of both levels (Lu et al. 2022, https://arxiv.org/abs/2206.00927, algorithm 1);
    the slope there carries the whole step.
    """
    for level, target in pairwise(sigmas):
        x, sigma = churn.raised(x, level, target, len(sigmas) - 1)
        clean = denoise(x, sigma)
        x = straight(clean, x, 0.0) if target == 0 else midpoint(denoise, x, clean, sigma, target)
    return x


def midpoint(denoise: Denoise, x: Tensor, clean: Tensor, sigma: float, target: float) -> Tensor:
    """One step of DPM2 from ``sigma`` to a ``target`` above 0; ``clean`` is the denoised ``x``."""
    middle = math.sqrt(sigma * target)
    half = straight(clean, x, middle / sigma)
    return x + (half - denoise(half, middle)) * ((target - sigma) / middle)


def lms(denoise: Denoise, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Linear multistep of order 4 in sigma (Adams-Bashforth on uneven steps), lower orders at the start."""
    slopes: deque[Tensor] = deque(maxlen=LMS_ORDER)
    for step, sigma in enumerate(sigmas[:-1]):
        slopes.appendleft((x - denoise(x, sigma)) / sigma)
        nodes = [sigmas[step - back] for back in range(len(slopes))]
        for slope, weight in zip(slopes, _integrals(nodes, sigma, sigmas[step + 1]), strict=True):
            x = torch.add(x, slope, alpha=weight)
    return x


def _integrals(nodes: Sequence[float], start: float, end: float) -> list[float]:
    """The integral from start to end of each Lagrange polynomial of the nodes.

    Gauss-Legendre's two points are exact up to degree 3, which four nodes have.
    """
    middle, half = (start + end) / 2, (end - start) / 2
    places = (middle - half / math.sqrt(3), middle + half / math.sqrt(3))
    return [half * sum(_lagrange(nodes, number, place) for place in places) for number in range(len(nodes))]


def _lagrange(nodes: Sequence[float], number: int, place: float) -> float:
    own = nodes[number]
    return math.prod((place - node) / (own - node) for other, node in enumerate(nodes) if other != number)


def dpmpp_2m(denoise: Denoise, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """DPM-Solver++(2M), Lu et al. 2022 (https://arxiv.org/abs/2211.01095), algorithm 2, in noise-level space."""
    before: Tensor | None = None
    last_h = 0.0
    for sigma, target in pairwise(sigmas):
        clean = denoise(x, sigma)
        if target == 0:
            return clean
        h = math.log(sigma / target)
        guess = clean if before is None else torch.lerp(before, clean, 1 + h / (2 * last_h))
        x = straight(guess, x, target / sigma)
        before, last_h = clean, h
    return x

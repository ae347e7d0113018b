"""Two samplers in noise-level space: DPM++ 2M and Euler ancestral.

Both walk a latent ``x = x0 + sigma * noise`` down a list of noise levels. A denoiser gives the clean latent expected
at a level: ``denoise(x, sigma) -> x0``. Step coefficients are plain float64 numbers, so a step costs only its tensor
arithmetic; ``x`` keeps its dtype and device.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor

Denoise = Callable[[Tensor, float], Tensor]
Noise = Callable[[], Tensor]


def dpmpp_2m(denoise: Denoise, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """DPM-Solver++(2M), Lu et al. 2022 (https://arxiv.org/abs/2211.01095), algorithm 2, in noise-level space.

    Args:
        denoise: The denoiser.
        x: Noise times ``sigmas[0]``, ``(n, c, h, w)``.
        sigmas: Falling levels; the last may be 0.

    Returns:
        The latent at ``sigmas[-1]``.
    """
    before: Tensor | None = None
    last_h = 0.0
    for sigma, target in pairwise(sigmas):
        clean = denoise(x, sigma)
        if target == 0:
            return clean
        h = math.log(sigma / target)
        guess = clean if before is None else torch.lerp(before, clean, 1 + h / (2 * last_h))
        x = x * (target / sigma) - math.expm1(-h) * guess
        before, last_h = clean, h
    return x


def euler_ancestral(denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise) -> Tensor:
    """Euler steps with fresh noise at each ("Euler a", eta = 1).

    The ancestral split of a step is that of DDPM (Ho et al. 2020) in noise-level space:
    ``up ** 2 = target ** 2 * (sigma ** 2 - target ** 2) / sigma ** 2`` and ``down ** 2 = target ** 2 - up ** 2``.

    Args:
        denoise: The denoiser.
        x: Noise times ``sigmas[0]``, ``(n, c, h, w)``.
        sigmas: Falling levels; the last may be 0.
        noise: Gives fresh unit noise of ``x``'s shape, dtype and device; not called for a step that ends at 0.

    Returns:
        The latent at ``sigmas[-1]``.
    """
    for sigma, target in pairwise(sigmas):
        clean = denoise(x, sigma)
        if target == 0:
            return clean
        up = target * math.sqrt((sigma - target) * (sigma + target)) / sigma
        down = target * target / sigma
        x = torch.lerp(clean, x, down / sigma).add_(noise(), alpha=up)
    return x

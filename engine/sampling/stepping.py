"""What all samplers have in common: the denoiser, the noise, the straight step, the ancestral split.

A sampler takes a latent ``x = x0 + sigma * noise`` down a list of noise levels. Step coefficients are plain float64
numbers, so a step costs only its tensor arithmetic; ``x`` keeps its dtype and device.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

Denoise = Callable[[Tensor, float], Tensor]
"""``denoise(x, sigma)``: the clean latent expected at a noise level, of ``x``'s shape and dtype."""

StepNoise = Callable[[float, float], Tensor]
"""``noise(sigma, target)``: unit noise of ``x``'s shape, dtype and device for a step from one level to a lower one."""


def straight(clean: Tensor, x: Tensor, ratio: float) -> Tensor:
    """``clean + ratio * (x - clean)``: to the level ``ratio * sigma`` along the line that a constant denoiser gives.

    It is an Euler step in sigma, and at the same time the first-order exponential step of DPM-Solver++.
    """
    return torch.lerp(clean, x, ratio)


def split(sigma: float, target: float, eta: float) -> tuple[float, float]:
    """The ancestral split of a step: down to the first level without noise, then new noise of the second on top.

    That of DDPM (Ho et al. 2020, https://arxiv.org/abs/2006.11239) in noise-level space, scaled by eta as in DDIM (Song
    et al. 2020, https://arxiv.org/abs/2010.02502, equation 16): ``up ** 2 = eta ** 2 * target ** 2 * (sigma ** 2 -
    target ** 2) / sigma ** 2`` and ``down ** 2 = target ** 2 - up ** 2``.
    """
    up = min(target, eta * target * math.sqrt((sigma - target) * (sigma + target)) / sigma)
    return math.sqrt((target - up) * (target + up)), up

"""What all samplers have in common: the denoiser, the noise, the straight step, the ancestral split.

A sampler takes a latent ``x = x0 + sigma * noise`` down a list of noise levels. Step coefficients are plain float64
numbers, so a step costs only its tensor arithmetic; ``x`` keeps its dtype and device.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Denoise = Callable[[Tensor, float], Tensor]
"""``denoise(x, sigma)``: the clean latent expected at a noise level, of ``x``'s shape and dtype."""

StepNoise = Callable[[float, float], Tensor]
"""``noise(sigma, target)``: unit noise of ``x``'s shape, dtype and device for a step from one level to a lower one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Churn:
    """Noise added before steps (Karras et al. 2022, https://arxiv.org/abs/2206.00364, algorithm 2).

    Attributes:
        amount: The rise of the levels of all steps together; 0: none.
        low: The lowest level at which noise is added.
        high: The highest.
        s_noise: The factor of the noise.
        noise: Drawn before every step, also before those without.
    """

    amount: float = 0.0
    low: float = 0.0
    high: float = math.inf
    s_noise: float = 1.0
    noise: StepNoise | None = None

    def raised(self, x: Tensor, sigma: float, target: float, steps: int) -> tuple[Tensor, float]:
        """Return a latent and its level before a step to a target, one of so many, with noise added."""
        if not self.amount or self.noise is None:
            return x, sigma
        drawn = self.noise(sigma, target)
        share = min(self.amount / steps, math.sqrt(2) - 1) if self.low <= sigma <= self.high else 0.0
        higher = sigma * (1 + share)
        return torch.add(x, drawn, alpha=math.sqrt((higher - sigma) * (higher + sigma)) * self.s_noise), higher


STILL = Churn()
"""No noise before any step."""


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

"""LCM: a latent consistency model gives the clean latent at every level, and new noise leads to the next lower one.

Luo et al. 2023 (https://arxiv.org/abs/2310.04378), algorithm 3. It needs a model that was distilled for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from engine.sampling.stepping import Denoise, StepNoise

SPREAD = 0.5
"""The standard deviation of clean latents in the weights of ``consistent``."""
TIME_SCALE = 10.0
"""Times are multiplied by it in the weights of ``consistent``."""


def lcm(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: StepNoise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """Sample with one call of the model for each step.

    Args:
        denoise: The denoiser, with the weights of ``consistent``.
        x: Noise times ``sigmas[0]``, ``(n, c, h, w)``.
        sigmas: Falling levels, of which the last may be 0.
        noise: Called for every step that ends above 0.
        eta: Without effect.
        s_noise: The factor of new noise.

    Returns:
        The latent at the last level.
    """
    for sigma, target in pairwise(sigmas):
        x = denoise(x, sigma)
        if target > 0:
            x = x + noise(sigma, target) * (target * s_noise)
    return x


def consistent(clean: Tensor, x: Tensor, time: float) -> Tensor:
    """The clean latent as a consistency model weights it with its input: at time 0 the input alone (appendix B)."""
    scaled = time * TIME_SCALE
    spread = math.hypot(scaled, SPREAD)
    return clean * (scaled / spread) + x * (SPREAD / spread) ** 2

"""Ancestral samplers, which add new noise at every step: Euler a, DPM2 a, DPM++ 2S a; DDIM is Euler a on other levels.

DDIM CFG++ is DDIM with another direction.

A step goes below its target without noise, and back up to it with new noise (`engine.sampling.stepping.split`). Each
takes the denoiser, ``x`` as noise times ``sigmas[0]`` ``(n, c, h, w)``, falling noise levels of which the last may be
0, the noise (not called for a step that ends at 0), ``eta`` from 0 (no noise) to 1 and a factor ``s_noise``, and
returns the latent at the last level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor

from engine.sampling.ode import midpoint
from engine.sampling.stepping import Denoise, StepNoise, split, straight


def euler_ancestral(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: StepNoise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """Euler steps ("Euler a"); with eta < 1 also DDIM's (Song et al. 2020, equation 12, in noise-level space)."""
    for sigma, target in pairwise(sigmas):
        clean = denoise(x, sigma)
        if target == 0:
            return clean
        down, up = split(sigma, target, eta)
        x = straight(clean, x, down / sigma).add_(noise(sigma, target), alpha=up * s_noise)
    return x


def dpm2_ancestral(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: StepNoise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """Steps of DPM2 ("DPM2 a"); a step that ends at 0 is Euler's."""
    for sigma, target in pairwise(sigmas):
        clean = denoise(x, sigma)
        if target == 0:
            return clean
        down, up = split(sigma, target, eta)
        x = midpoint(denoise, x, clean, sigma, down).add_(noise(sigma, target), alpha=up * s_noise)
    return x


def dpmpp_2s_ancestral(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: StepNoise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """Steps of DPM-Solver++(2S) (Lu et al. 2022, https://arxiv.org/abs/2211.01095, algorithm 1 with r = 1/2)."""
    for sigma, target in pairwise(sigmas):
        clean = denoise(x, sigma)
        if target == 0:
            return clean
        down, up = split(sigma, target, eta)
        middle = math.sqrt(sigma * down)
        clean = denoise(straight(clean, x, middle / sigma), middle)
        x = straight(clean, x, down / sigma).add_(noise(sigma, target), alpha=up * s_noise)
    return x


def ddim_cfgpp(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: StepNoise, *, eta: float = 0.0, s_noise: float = 1.0
) -> Tensor:
    """DDIM's steps to the guided latent, along the noise that the model predicts without guidance.

    Chung et al. 2024, "CFG++" (https://arxiv.org/abs/2406.08070), algorithm 2. The denoiser returns two latents,
    ``(2, n, c, h, w)``: the guided one and that of the negative.
    """
    for sigma, target in pairwise(sigmas):
        clean, without = denoise(x, sigma)
        down, up = split(sigma, target, eta)
        x = clean + (x - without) * (down / sigma)
        if eta:
            x = x.add_(noise(sigma, target), alpha=up * s_noise)
    return x

"""Samplers of the stochastic differential equation: DPM++ SDE, DPM++ 2M SDE (midpoint and Heun) and DPM++ 3M SDE.

Their noise is the increment of one Brownian path over sigma for each picture, so that a step of half the length gets
half of the same path. Each takes the denoiser, ``x`` as noise times ``sigmas[0]`` ``(n, c, h, w)``, falling noise
levels of which the last may be 0, the noise (not called for a step that ends at 0), ``eta`` from 0 (no noise) to 1 and
a factor ``s_noise``, and returns the latent at the last level.

With ``h = log(sigma / target)`` and ``H = h (1 + eta)`` all multistep ones have in common (Lu et al. 2022,
https://arxiv.org/abs/2211.01095, appendix B, in noise-level space)::

    x' = exp(-H) x + (1 - exp(-H)) D + ... + target sqrt(1 - exp(-2 eta h)) noise
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from engine.sampling.stepping import Denoise, StepNoise, split, straight


def dpmpp_sde(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: StepNoise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """DPM-Solver++ in one step with a midpoint (r = 1/2), both halves ancestral and on the same Brownian path."""
    for sigma, target in pairwise(sigmas):
        clean = denoise(x, sigma)
        if target == 0:
            return clean
        begin, halfway, end = _places(sigma, target)
        middle = math.sqrt(sigma * target)
        down, up = split(sigma, middle, eta)
        half = straight(clean, x, down / sigma).add_(noise(begin, halfway), alpha=up * s_noise)
        clean = denoise(half, middle)
        down, up = split(sigma, target, eta)
        x = straight(clean, x, down / sigma).add_(noise(begin, end), alpha=up * s_noise)
    return x


def _places(sigma: float, target: float) -> tuple[float, float, float]:
    """Both levels of a step and the one between them where k-diffusion reads the path: float32, through logarithms.

    They differ from the levels themselves in the last bit, which changes the noise.
    """
    begin, end = (-torch.tensor((sigma, target)).log()).unbind()
    halfway = begin + (end - begin) * 0.5
    first, middle, last = (-torch.stack((begin, halfway, end))).exp().tolist()
    return first, middle, last


def dpmpp_2m_sde(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: StepNoise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """SDE-DPM-Solver++(2M): the last two denoised latents; the second-order term is the midpoint's."""
    return _second_order(denoise, x, sigmas, noise, eta, s_noise, heun=False)


def dpmpp_2m_sde_heun(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: StepNoise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """SDE-DPM-Solver++(2M) with the exact integral of a linear denoiser as second-order term ("Heun")."""
    return _second_order(denoise, x, sigmas, noise, eta, s_noise, heun=True)


def _second_order(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: StepNoise, eta: float, s_noise: float, *, heun: bool
) -> Tensor:
    before: Tensor | None = None
    last_h = 0.0
    for sigma, target in pairwise(sigmas):
        clean = denoise(x, sigma)
        if target == 0:
            return clean
        h = math.log(sigma / target)
        x = straight(clean, x, math.exp(-h * (1 + eta)))
        if before is not None:
            weight = _phi_2(h * (1 + eta)) if heun else -math.expm1(-h * (1 + eta)) / 2
            x = torch.add(x, clean - before, alpha=weight * h / last_h)
        x = _noisy(x, noise, sigma, target, eta, s_noise)
        before, last_h = clean, h
    return x


def dpmpp_3m_sde(
    denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: StepNoise, *, eta: float = 1.0, s_noise: float = 1.0
) -> Tensor:
    """The same with the last three denoised latents: the exact integral of their divided differences in log sigma.

    The third-order term has the factor ``phi_3 = phi_2 / H - 1/2``, as k-diffusion has it.
    """
    past: list[tuple[Tensor, float]] = []  # denoised latents before this one, and the step after each; newest first
    for sigma, target in pairwise(sigmas):
        clean = denoise(x, sigma)
        if target == 0:
            return clean
        h = math.log(sigma / target)
        x = straight(clean, x, math.exp(-h * (1 + eta))) + _higher_orders(clean, past, h, h * (1 + eta))
        x = _noisy(x, noise, sigma, target, eta, s_noise)
        past = [(clean, h), *past[:1]]
    return x


def _higher_orders(clean: Tensor, past: Sequence[tuple[Tensor, float]], h: float, stretched: float) -> Tensor | float:
    """What the denoised latents before ``clean`` add to a step of ``h``; ``stretched`` is ``h (1 + eta)``."""
    if not past:
        return 0.0
    (before, h_before), *older = past
    slope = (clean - before) * (h / h_before)
    phi_2 = _phi_2(stretched)
    if not older:
        return slope * phi_2
    (oldest, h_oldest) = older[0]
    bend = (slope - (before - oldest) * (h / h_oldest)) * (h / (h_before + h_oldest))
    return (slope + bend * (h_before / h)) * phi_2 - bend * (phi_2 / stretched - 0.5)


def _phi_2(stretched: float) -> float:
    return math.expm1(-stretched) / stretched + 1


def _noisy(x: Tensor, noise: StepNoise, sigma: float, target: float, eta: float, s_noise: float) -> Tensor:
    if not eta:
        return x
    share = -math.expm1(-2 * eta * math.log(sigma / target))
    return torch.add(x, noise(sigma, target), alpha=target * math.sqrt(share) * s_noise)

"""UniPC: a predictor and a corrector of order up to three that share each model call.

Zhao et al. 2023 (https://arxiv.org/abs/2302.04867), algorithms 5 and 6 (data prediction, multistep), with ``B(h) = h``
("bh1"), the WebUI's default; in noise-level space, where all of it is in ``h = log(sigma / target)``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engine.sampling.stepping import Denoise, straight

ORDER = 3
"""The highest order of a step."""
PastLevels = list[tuple[float, Tensor]]
"""Levels above 0 and the denoised latents there, newest last."""


def unipc(denoise: Denoise, x: Tensor, sigmas: Sequence[float]) -> Tensor:
    """Sample with one model call for each step; the last step is not corrected, the first and last have lower orders.

    Args:
        denoise: The denoiser.
        x: Noise times ``sigmas[0]``, ``(n, c, h, w)``.
        sigmas: Falling levels, the last above 0.

    Returns:
        The latent at the last level.
    """
    past: PastLevels = [(sigmas[0], denoise(x, sigmas[0]))]
    steps = len(sigmas) - 1
    for step, target in enumerate(sigmas[1:], 1):
        recent = past[-min(ORDER, step, steps + 1 - step) :]
        ahead = _moved(x, recent, target, _predictor(recent, target))
        if step == steps:
            return ahead
        past.append((target, denoise(ahead, target)))
        x = _moved(x, recent, target, _corrector(recent, target), past[-1][1])
        del past[:-ORDER]
    return x


def _moved(x: Tensor, past: PastLevels, target: float, weights: Sequence[float], ahead: Tensor | None = None) -> Tensor:
    """``x`` at the target: the first-order step, plus ``h`` times the weighted differences of the denoised latents.

    Args:
        x: The latent at the newest level of ``past``.
        past: As many levels as the order.
        target: The level to reach.
        weights: One for each difference: the older latents' first, then that of ``ahead`` if there is one.
        ahead: The denoised prediction at the target, for the corrector.
    """
    sigma, newest = past[-1]
    h, ratios = _step_ratios(past, target)
    moved = straight(newest, x, target / sigma)
    others = [clean for _, clean in past[-2::-1]] + ([] if ahead is None else [ahead])
    for clean, ratio, weight in zip(others, ratios, weights, strict=False):  # the predictor has no use for the last 1
        moved = torch.add(moved, clean - newest, alpha=h * weight / ratio)
    return moved


def _step_ratios(past: PastLevels, target: float) -> tuple[float, list[float]]:
    """The step in ``-log sigma``, and in units of it where the older levels and, last, the target lie."""
    newest = past[-1][0]
    h = math.log(newest / target)
    return h, [*(math.log(newest / sigma) / h for sigma, _ in past[-2::-1]), 1.0]


def _predictor(past: PastLevels, target: float) -> list[float]:
    h, ratios = _step_ratios(past, target)
    if len(past) <= 2:
        return [0.5] * (len(past) - 1)  # the paper's choice for order 2, where any serves
    return _solved(ratios[:-1], h)


def _corrector(past: PastLevels, target: float) -> list[float]:
    h, ratios = _step_ratios(past, target)
    return [0.5] if len(past) == 1 else _solved(ratios, h)


def _solved(ratios: Sequence[float], h: float) -> list[float]:
    """The weights that make polynomials up to the number of ratios exact: ``sum_m a_m r_m ** k = b_k``."""
    powers = np.vander(np.array(ratios), increasing=True).T
    return [float(weight) for weight in np.linalg.solve(powers, _moments(h, len(ratios)))]


def _moments(h: float, count: int) -> npt.NDArray[np.float64]:
    """The right-hand sides ``b_k = k! phi_(k+1)(-h)`` for k = 1, 2, ...

    With ``phi_1(z) = (exp(z) - 1) / z`` and ``phi_(k+1)(z) = (phi_k(z) - 1 / k!) / z``.
    """
    phi, moments = math.expm1(-h) / -h, list[float]()
    for k in range(1, count + 1):
        phi = (phi - 1 / math.factorial(k)) / -h
        moments.append(phi * math.factorial(k))
    return np.array(moments)

"""Noise levels: those a model was trained on, and the time of a noise level.

A noise level ``sigma`` is the noise's standard deviation when the clean latent is left unscaled: ``x = x0 + sigma *
noise``, as in Karras et al. 2022 (https://arxiv.org/abs/2206.00364). All numbers are float64; nothing here needs torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import numpy.typing as npt

TRAINING_STEPS = 1000
"""The number of noise levels a model was trained on."""
BETA_RANGE = (0.00085, 0.012)
"""The first and the last beta; the square roots of all are evenly spaced ("scaled linear")."""
LEAST_KEPT = 4.8973451890853435e-08
"""The WebUI's last product of ``1 - beta`` for a schedule that ends in pure noise, in place of 0."""
ALIGNED_SD1 = (14.615, 6.475, 3.861, 2.697, 1.886, 1.396, 0.963, 0.652, 0.399, 0.152, 0.029)
"""The levels of "Align Your Steps" for SD1 and SD2; see ``ALIGNED_SDXL``."""
ALIGNED_SDXL = (14.615, 6.315, 3.771, 2.181, 1.342, 0.862, 0.555, 0.380, 0.234, 0.113, 0.029)
"""The levels of "Align Your Steps" for SDXL (Sabour et al. 2024, https://arxiv.org/abs/2404.14507), as its authors
publish them for each family (https://research.nvidia.com/labs/toronto-ai/AlignYourSteps/howto.html)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseLevels:
    """The noise levels a model was trained on.

    Attributes:
        log_sigmas: ``(1000,)`` natural logarithms, rising with time 0..999.
        aligned: The falling levels of "Align Your Steps" for this family of models.
    """

    log_sigmas: npt.NDArray[np.float64]
    aligned: tuple[float, ...] = ALIGNED_SD1

    @property
    def lowest(self) -> float:
        """The smallest trained noise level; 0.0292 for SD1."""
        return math.exp(self.log_sigmas[0])

    @property
    def highest(self) -> float:
        """The largest trained noise level; 14.6146 for SD1."""
        return math.exp(self.log_sigmas[-1])

    def time_of(self, sigma: float) -> float:
        """The model's fractional time for a noise level, by linear interpolation in log sigma; clamped to 0..999."""
        return float(np.interp(math.log(sigma), self.log_sigmas, np.arange(len(self.log_sigmas))))

    def sigma_of(self, time: float) -> float:
        """The noise level at a fractional time 0..999, by linear interpolation in log sigma."""
        return math.exp(np.interp(time, np.arange(len(self.log_sigmas)), self.log_sigmas))


@cache
def levels_of(*, sdxl: bool, zero_terminal: bool, half: bool = False) -> NoiseLevels:
    """Return a model's levels: SD1's, which all families share, or those that end in pure noise.

    Args:
        sdxl: Whether the model is of SDXL, whose "Align Your Steps" is another.
        zero_terminal: Whether the levels end in pure noise.
        half: Whether they are computed in half precision, as before WebUI 1.7.0-225.
    """
    levels = zero_terminal_levels(half=half) if zero_terminal else sd1_levels(half=half)
    return replace(levels, aligned=ALIGNED_SDXL) if sdxl else levels


@cache
def sd1_levels(*, half: bool = False) -> NoiseLevels:
    """Return SD1's levels: ``sigma = sqrt((1 - a) / a)`` with ``a`` the running product of ``1 - beta``.

    Both are rounded to float32, as in every program that keeps ``a`` with the model; this changes the lowest levels by
    a hundred-thousandth.
    """
    return _levels(_kept(half=half))


@cache
def zero_terminal_levels(*, half: bool = False) -> NoiseLevels:
    """Return SD1's levels, shifted and scaled so that almost nothing of the picture is left at the last time.

    Algorithm 1 of Lin et al. 2023 (https://arxiv.org/abs/2305.08891). The last ``a`` is not 0 but the WebUI's number,
    so that the highest level, 4518.8, is finite.
    """
    roots = np.sqrt(_kept(half=half).astype(np.float64))
    kept = ((roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])) ** 2
    kept[-1] = LEAST_KEPT
    return _levels(kept.astype(np.float32))


def _kept(*, half: bool) -> npt.NDArray[np.floating]:
    low, high = BETA_RANGE
    betas = np.linspace(math.sqrt(low), math.sqrt(high), TRAINING_STEPS) ** 2
    return np.cumprod(1 - betas).astype(np.float32).astype(np.float16 if half else np.float32)


def _levels(kept: npt.NDArray[np.floating]) -> NoiseLevels:
    """The levels of what is kept of a picture; of half precision they are logarithms of half precision too."""
    sigmas = np.sqrt((1 - kept) / kept)
    if kept.dtype == np.float16:
        return NoiseLevels(log_sigmas=np.log(sigmas).astype(np.float64))
    return NoiseLevels(log_sigmas=np.log(sigmas.astype(np.float64)))

"""Noise levels: those a model was trained on, and the time of a noise level.

A noise level ``sigma`` is the noise's standard deviation when the clean latent is left unscaled: ``x = x0 + sigma *
noise``, as in Karras et al. 2022 (https://arxiv.org/abs/2206.00364). All levels are float32 numbers, rounded after each
operation as in AUTOMATIC1111's WebUI, with torch on the CPU: Brownian noise depends on the last bit of a level.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from functools import cache, lru_cache

import numpy as np
import torch
from torch import Tensor

from engine.shots.samplers import LCM_TIMES

REMEMBERED = 1024
"""How many times of noise levels are remembered: every picture asks for the same ones."""
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


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NoiseLevels:
    """The noise levels a model was trained on.

    Attributes:
        sigmas: ``(n,)`` float32 or float16, rising with time; 1000 but for the sampler LCM.
        aligned: The falling levels of "Align Your Steps" for this family of models.
        low: The lowest level of schedules that choose their range; 0 is the trained one.
        high: The highest.
        rho: The exponent of the schedules that have one; 0 is each one's own.
        spacing: How many trained times lie between two levels: their times are ``spacing - 1``, ``2 * spacing - 1``,
            ...
        log_sigmas: ``(n,)`` float32, the natural logarithms of ``sigmas``, taken in their precision.
    """

    sigmas: Tensor
    aligned: tuple[float, ...] = ALIGNED_SD1
    low: float = 0.0
    high: float = 0.0
    rho: float = 0.0
    spacing: int = 1
    log_sigmas: Tensor = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "log_sigmas", self.sigmas.log().float())

    @property
    def lowest(self) -> float:
        """The smallest trained noise level; 0.0292 for SD1."""
        return float(self.sigmas[0])

    @property
    def highest(self) -> float:
        """The largest trained noise level; 14.6146 for SD1."""
        return float(self.sigmas[-1])

    @property
    def ends(self) -> tuple[float, float]:
        """The highest and the lowest level of schedules that choose their range."""
        return self.high or self.highest, self.low or self.lowest

    @property
    def last_time(self) -> int:
        """The time of the highest level, 999."""
        return len(self.sigmas) * self.spacing - 1

    def time_of(self, sigma: float) -> float:
        """The model's time for a noise level, from that of the lowest level to ``last_time``.

        Fractional, by linear interpolation in log sigma; with a spacing, the time of the nearest level instead.
        """
        return _time_of(self, sigma)

    def sigma_of(self, time: float) -> float:
        """The noise level at a fractional time up to ``last_time``, by linear interpolation in log sigma."""
        return float(self.sigmas_at(torch.tensor(float(time))))

    def sigmas_at(self, times: Tensor) -> Tensor:
        """The noise levels at fractional times, float32 of any shape, by linear interpolation in log sigma."""
        if self.spacing > 1:
            times = ((times - (self.spacing - 1)) / self.spacing).clamp(0, len(self.sigmas) - 1)
        share = times.frac()
        low, high = self.log_sigmas[times.floor().long()], self.log_sigmas[times.ceil().long()]
        return ((1 - share) * low + share * high).exp()

    def consistent(self) -> NoiseLevels:
        """The levels that the sampler LCM knows: 50 of the trained ones, at the times 19, 39, ..., 999."""
        spacing = len(self.sigmas) // LCM_TIMES
        return replace(self, sigmas=self.sigmas[spacing - 1 :: spacing], spacing=spacing)


@lru_cache(REMEMBERED)
def _time_of(levels: NoiseLevels, sigma: float) -> float:
    logs, log = levels.log_sigmas, torch.tensor(sigma).log()
    if levels.spacing > 1:
        return float((log - logs).abs().argmin()) * levels.spacing + levels.spacing - 1
    below = int(torch.searchsorted(logs, log, right=True)) - 1
    below = min(max(below, 0), len(logs) - 2)
    low, high = logs[below], logs[below + 1]
    share = ((low - log) / (low - high)).clamp(0, 1)
    return float((1 - share) * below + share * (below + 1))


@cache
def levels_of(*, sdxl: bool, zero_terminal: bool, half: bool = False) -> NoiseLevels:
    """Return a model's levels: SD1's, which all families share, or those that end in pure noise.

    Args:
        sdxl: Whether the model is of SDXL, whose "Align Your Steps" is another.
        zero_terminal: Whether the levels end in pure noise.
        half: Whether they are computed in half precision, as before WebUI 1.7.0-225.
    """
    kept = _kept(half=half)
    kept = _ending_in_noise(kept) if zero_terminal else kept
    return NoiseLevels(sigmas=((1 - kept) / kept) ** 0.5, aligned=ALIGNED_SDXL if sdxl else ALIGNED_SD1)


def sd1_levels() -> NoiseLevels:
    """Return SD1's levels: ``sigma = sqrt((1 - a) / a)`` with ``a`` the running product of ``1 - beta``.

    Betas and their product are float64; ``a`` is rounded to float32, as in every program that keeps it with the model.
    """
    return levels_of(sdxl=False, zero_terminal=False)


def zero_terminal_levels() -> NoiseLevels:
    """Return SD1's levels, shifted and scaled so that almost nothing of the picture is left at the last time.

    Algorithm 1 of Lin et al. 2023 (https://arxiv.org/abs/2305.08891). The last ``a`` is not 0 but the WebUI's number,
    so that the highest level, 4518.8, is finite.
    """
    return levels_of(sdxl=False, zero_terminal=True)


def _ending_in_noise(kept: Tensor) -> Tensor:
    roots = kept.float().sqrt()
    first, last = roots[0], roots[-1]
    rescaled = ((roots - last) * (first / (first - last))) ** 2
    rescaled[-1] = LEAST_KEPT
    return rescaled


def _kept(*, half: bool) -> Tensor:
    low, high = BETA_RANGE
    betas = np.linspace(math.sqrt(low), math.sqrt(high), TRAINING_STEPS) ** 2
    return torch.from_numpy(np.cumprod(1 - betas)).float().to(torch.float16 if half else torch.float32)

"""Noise levels: SD1's training schedule, the two step schedules, and the time that belongs to a noise level.

A noise level ``sigma`` is the noise's standard deviation when the clean latent is left unscaled: ``x = x0 + sigma *
noise``, as in Karras et al. 2022 (https://arxiv.org/abs/2206.00364). All numbers are float64; nothing here needs torch.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

TRAINING_STEPS = 1000
BETA_RANGE = (0.00085, 0.012)  # "scaled linear": the square roots are evenly spaced
LEAST_KEPT = 4.8973451890853435e-08
KARRAS_RHO = 7.0


@dataclass(frozen=True, slots=True, kw_only=True)
class NoiseLevels:
    """The noise levels a model was trained on.

    Attributes:
        log_sigmas: ``(1000,)`` natural logarithms, rising with time 0..999.
    """

    log_sigmas: npt.NDArray[np.float64]

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

    def karras(self, steps: int) -> tuple[float, ...]:
        """``steps`` levels evenly spaced in ``sigma ** (1 / 7)``, then 0 (Karras et al. 2022, equation 5)."""
        top, bottom = self.highest ** (1 / KARRAS_RHO), self.lowest ** (1 / KARRAS_RHO)
        ramp = np.linspace(0, 1, steps)
        return (*(float(sigma) for sigma in (top + ramp * (bottom - top)) ** KARRAS_RHO), 0.0)

    def uniform(self, steps: int) -> tuple[float, ...]:
        """``steps`` levels evenly spaced in time from 999 to 0, then 0: the WebUI's "Uniform"."""
        times = np.linspace(len(self.log_sigmas) - 1, 0, steps)
        logs = np.interp(times, np.arange(len(self.log_sigmas)), self.log_sigmas)
        return (*(float(sigma) for sigma in np.exp(logs)), 0.0)


@cache
def sd1_levels() -> NoiseLevels:
    """SD1's levels: ``sigma = sqrt((1 - a) / a)`` with ``a`` the running product of ``1 - beta``."""
    return _levels(_kept())


@cache
def zero_terminal_levels() -> NoiseLevels:
    """SD1's levels shifted and stretched so that next to nothing of the picture is left at the last time.

    Algorithm 1 of Lin et al. 2023 (https://arxiv.org/abs/2305.08891). The last ``a`` is not 0 but the WebUI's number,
    so that the highest level, 4518.8, is finite.
    """
    roots = np.sqrt(_kept())
    kept = ((roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])) ** 2
    kept[-1] = LEAST_KEPT
    return _levels(kept)


def _kept() -> npt.NDArray[np.float64]:
    low, high = BETA_RANGE
    betas = np.linspace(math.sqrt(low), math.sqrt(high), TRAINING_STEPS) ** 2
    return np.asarray(np.cumprod(1 - betas), dtype=np.float64)


def _levels(kept: npt.NDArray[np.float64]) -> NoiseLevels:
    return NoiseLevels(log_sigmas=0.5 * np.log((1 - kept) / kept))


def sigmas_for(sampler: str, steps: int, levels: NoiseLevels | None = None) -> tuple[float, ...]:
    """The noise levels a named sampler visits: ``steps + 1`` falling numbers, the last 0.

    Args:
        sampler: "DPM++ 2M Karras" (Karras levels) or "Euler a" (uniform in time, the WebUI's default for it).
        steps: At least 1.
        levels: What the model was trained on; SD1's where left out.
    """
    levels = levels or sd1_levels()
    return levels.karras(steps) if sampler.endswith("Karras") else levels.uniform(steps)

"""Schedules: the noise levels that a sampler visits, by the names of AUTOMATIC1111's WebUI.

Each schedule takes the levels a model was trained on and a number of steps, and gives falling levels; all but
"KL Optimal" end at 0. The facts (ranges, roundings, what the last level is) are those of WebUI 1.10's ``sd_schedulers``
and ``sd_samplers_timesteps``. All numbers are float64; the WebUI's are float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from engine.sampling.sigmas import NoiseLevels
from engine.shots.samplers import SAMPLERS, TIMES, resolved, spacing

KARRAS_RHO = 7.0
"""The exponent of the schedule "Karras", the paper's choice."""
BETA_SHAPE = 0.6
"""Both parameters of the beta distribution of the schedule "Beta", the WebUI's default."""

ScheduleFunction = Callable[[NoiseLevels, int], tuple[float, ...]]
"""``schedule(levels, steps)``: falling noise levels."""


def sigmas_for(sampler: str, schedule: str, steps: int, levels: NoiseLevels) -> tuple[float, ...]:
    """Return the noise levels a sampler visits, falling, from the first step's to that of the final latent.

    Args:
        sampler: A name of ``engine.shots.samplers.SAMPLERS``.
        schedule: A name of ``engine.shots.samplers.SCHEDULES``; ignored by samplers with levels of their own.
        steps: The number on the WebUI's slider; at least the sampler's fewest.
        levels: What the model was trained on.

    Returns:
        ``steps + 1`` numbers, except with DDIM, UniPC and the schedule "DDIM": these space times evenly by a whole
        number, so that their count differs where that does not divide 1000.
    """
    if sampler in _OWN:
        return _OWN[sampler](levels, steps)
    discards = SAMPLERS[sampler].discards
    sigmas = _SCHEDULES[resolved(sampler, schedule)](levels, steps + discards)
    return (*sigmas[:-2], sigmas[-1]) if discards else sigmas


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondPassLevels:
    """The noise levels of a second pass over a picture: the last ones of all that are planned.

    Attributes:
        start: The level up to which noise is added to the picture.
        sigmas: The levels visited, falling. The first is ``start``, except with DDIM and UniPC, which begin one level
            lower than the noise that the WebUI adds.
        planned: All planned levels, of which these are the last.
    """

    start: float
    sigmas: tuple[float, ...]
    planned: tuple[float, ...]


def second_pass_levels(sampler: str, schedule: str, steps: int, planned: int, levels: NoiseLevels) -> SecondPassLevels:
    """Return the levels of a second pass, as in ``sample_img2img`` of WebUI 1.10's samplers.

    Args:
        sampler: A name of ``engine.shots.samplers.SAMPLERS``.
        schedule: A name of ``engine.shots.samplers.SCHEDULES``; ignored by samplers with levels of their own.
        steps: How many steps are made, at least ``engine.shots.samplers.fewest_steps`` of a second pass.
        planned: How many are planned, of which these are the last (``engine.shots.hires.Hires.planned``); at least
            ``steps``.
        levels: What the model was trained on.
    """
    if sampler in _OWN:
        return _own_second_pass_levels(sampler, steps, planned, levels)
    every = sigmas_for(sampler, schedule, planned, levels)
    sigmas = every[planned - steps :]
    return SecondPassLevels(start=sigmas[0], sigmas=sigmas, planned=every)


def _own_second_pass_levels(sampler: str, steps: int, planned: int, levels: NoiseLevels) -> SecondPassLevels:
    """DDIM visits its last levels below that of the noise, UniPC evenly spaced times from there down to 0."""
    times = ddim_times(planned)
    start, visited = times[-steps], times[1 - steps :]
    own = sampler == "DDIM"
    sigmas = _at(levels, visited) if own else _at_alphas(levels, np.linspace(visited[0], 0, steps))
    return SecondPassLevels(start=levels.sigma_of(start), sigmas=sigmas, planned=_OWN[sampler](levels, planned))


# ---------------------------------------------------------------------------------------------------- continuous


def karras(levels: NoiseLevels, steps: int) -> tuple[float, ...]:
    """``steps`` levels evenly spaced in ``sigma ** (1 / 7)``, then 0 (Karras et al. 2022, equation 5)."""
    top, bottom = levels.highest ** (1 / KARRAS_RHO), levels.lowest ** (1 / KARRAS_RHO)
    return _then_zero(np.linspace(top, bottom, steps) ** KARRAS_RHO)


def exponential(levels: NoiseLevels, steps: int) -> tuple[float, ...]:
    """``steps`` levels evenly spaced in log sigma, then 0. "Polyexponential" is the same at its default rho of 1."""
    return _then_zero(np.exp(np.linspace(math.log(levels.highest), math.log(levels.lowest), steps)))


def kl_optimal(levels: NoiseLevels, steps: int) -> tuple[float, ...]:
    """``steps + 1`` levels evenly spaced in ``arctan(sigma)``, the last the lowest trained one and not 0.

    The KL-optimal spacing of Sabour et al. 2024 (https://arxiv.org/abs/2404.14507, section 3.2) for normal data.
    """
    angles = np.linspace(math.atan(levels.highest), math.atan(levels.lowest), steps + 1)
    return tuple(float(sigma) for sigma in np.tan(angles))


def align_your_steps(levels: NoiseLevels, steps: int) -> tuple[float, ...]:
    """The family's table of "Align Your Steps", interpolated linearly in log sigma over the step's number, then 0."""
    table = levels.aligned
    # Counted from the lowest level, as in the WebUI: a single step is that level alone.
    places = np.linspace(0, 1, steps)
    logs = np.interp(places, np.linspace(0, 1, len(table)), np.log(table[::-1]))
    return _then_zero(np.exp(logs)[::-1])


def beta(levels: NoiseLevels, steps: int) -> tuple[float, ...]:
    """``steps`` quantiles of a beta distribution between the lowest and the highest level, then 0.

    Lee et al. 2024, "Beta Sampling is All You Need" (https://arxiv.org/abs/2407.12173); the WebUI applies it to sigma,
    not to time.
    """
    shares = betaincinv(BETA_SHAPE, BETA_SHAPE, 1 - np.linspace(0, 1, steps))
    return _then_zero(levels.lowest + shares * (levels.highest - levels.lowest))


# ------------------------------------------------------------------------------------------------------- in time


def uniform(levels: NoiseLevels, steps: int) -> tuple[float, ...]:
    """``steps`` levels evenly spaced in time from 999 to 0, then 0. "Normal" is the same."""
    return _then_zero(_at(levels, np.linspace(TIMES - 1, 0, steps)))


def sgm_uniform(levels: NoiseLevels, steps: int) -> tuple[float, ...]:
    """``steps`` levels evenly spaced in time, such that 0 would be the next, then 0."""
    return _then_zero(_at(levels, np.linspace(TIMES - 1, 0, steps + 1)[:-1]))


def simple(levels: NoiseLevels, steps: int) -> tuple[float, ...]:
    """Every ``1000 / steps``-th trained level from the highest, rounded down, then 0."""
    times = [TIMES - 1 - int(step * (TIMES / steps)) for step in range(steps)]
    return _then_zero(_at(levels, times))


def ddim(levels: NoiseLevels, steps: int) -> tuple[float, ...]:
    """The trained levels at times 1, 1 + k, 1 + 2k, ..., with k = 1000 // steps, falling, then 0."""
    return _then_zero(_at(levels, range(1, TIMES, spacing(steps))[::-1]))


# ----------------------------------------------------------------------------------------------- samplers' own


def ddim_own(levels: NoiseLevels, steps: int) -> tuple[float, ...]:
    """The levels that the sampler DDIM visits: the trained ones at times 1, 1 + k, ..., falling, without 0.

    The final latent is at the last of them, time 1, so that 20 steps call the model 19 times.
    """
    return _at(levels, ddim_times(steps))


def ddim_times(steps: int) -> list[int]:
    """Return the trained times of the sampler DDIM for a number of steps, falling."""
    return [min(time + 1, TIMES - 1) for time in range(0, TIMES, spacing(steps))][::-1]


def unipc_own(levels: NoiseLevels, steps: int) -> tuple[float, ...]:
    """The levels that the sampler UniPC visits: evenly spaced in time from 999 to 0; the final latent is at time 0.

    Between two trained times the logarithm of alpha = 1 / sqrt(1 + sigma ** 2) is interpolated, as in DPM-Solver and
    UniPC for models of discrete time (Zhao et al. 2023, https://arxiv.org/abs/2302.04867).
    """
    return _at_alphas(levels, np.linspace(TIMES - 1, 0, len(range(0, TIMES, spacing(steps))) + 1))


def _at_alphas(levels: NoiseLevels, times: Sequence[float] | npt.NDArray[np.float64]) -> tuple[float, ...]:
    """Levels at fractional times, between two trained ones by the logarithm of alpha."""
    log_alphas = -0.5 * np.log1p(np.exp(2 * levels.log_sigmas))
    logs = np.interp(times, np.arange(TIMES), log_alphas)
    return tuple(float(sigma) for sigma in np.sqrt(np.expm1(-2 * logs)))


_SCHEDULES: dict[str, ScheduleFunction] = {
    "Uniform": uniform,
    "Karras": karras,
    "Exponential": exponential,
    "Polyexponential": exponential,
    "SGM Uniform": sgm_uniform,
    "KL Optimal": kl_optimal,
    "Align Your Steps": align_your_steps,
    "Simple": simple,
    "Normal": uniform,
    "DDIM": ddim,
    "Beta": beta,
}
_OWN: dict[str, ScheduleFunction] = {"DDIM": ddim_own, "UniPC": unipc_own}


def _at(levels: NoiseLevels, times: Sequence[float] | npt.NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(levels.sigma_of(float(time)) for time in times)


def _then_zero(sigmas: Any) -> tuple[float, ...]:
    return (*(float(sigma) for sigma in sigmas), 0.0)

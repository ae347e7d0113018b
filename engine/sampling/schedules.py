"""Schedules: the noise levels that a sampler visits, by the names of AUTOMATIC1111's WebUI.

Each schedule takes the levels a model was trained on and a number of steps, and gives falling levels; all but
"KL Optimal" end at 0. The facts (ranges, roundings, what the last level is) are those of WebUI 1.10's ``sd_schedulers``
and ``sd_samplers_timesteps``. Levels are float32, with the WebUI's operations in its order: one step rounded in another
way changes the noise of samplers that follow a Brownian path.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import betaincinv
from torch import Tensor

from engine.sampling.sigmas import NoiseLevels
from engine.shots.samplers import SAMPLERS, TIMES, resolved, spacing

KARRAS_RHO = 7.0
"""The exponent of the schedule "Karras", the paper's choice."""
SPANNING = frozenset({"DPM fast", "DPM adaptive"})
"""The samplers that choose the levels between the first and the last themselves."""
BETA_SHAPE = 0.6
"""Both parameters of the beta distribution of the schedule "Beta", the WebUI's default."""

REMEMBERED = 64
"""How many schedules are remembered: every trial asks for the same ones."""

ScheduleFunction = Callable[[NoiseLevels, int], tuple[float, ...]]
"""``schedule(levels, steps)``: falling noise levels."""


@lru_cache(REMEMBERED)
def sigmas_for(sampler: str, schedule: str, steps: int, levels: NoiseLevels) -> tuple[float, ...]:
    """Return the noise levels a sampler visits, falling, from the first step's to that of the final latent.

    Args:
        sampler: A name of ``engine.shots.samplers.SAMPLERS``.
        schedule: A name of ``engine.shots.samplers.SCHEDULES``; ignored by samplers with levels of their own.
        steps: The number on the WebUI's slider; at least the sampler's fewest.
        levels: What the model was trained on.

    Returns:
        ``steps + 1`` numbers, except with samplers with levels of their own and the schedule "DDIM": these space times
        evenly by a whole number, so that their count differs where that does not divide 1000. Samplers that choose
        their levels themselves get the first and the last of them, and as many in between as tell the steps.
    """
    if sampler in _OWN:
        return _OWN[sampler](levels, steps)
    levels = levels_for(sampler, levels)
    if sampler in SPANNING:
        return _spanned(levels.highest, levels.lowest, steps)
    return _scheduled(sampler, schedule, steps, levels)


@lru_cache(REMEMBERED)
def start_of(sampler: str, schedule: str, steps: int, levels: NoiseLevels) -> float:
    """Return the level of the first noise: the first one visited.

    With "DPM fast" and "DPM adaptive", which begin at the highest trained level, it is the schedule's first all the
    same, as in the WebUI.
    """
    planned = _scheduled if sampler in SPANNING else sigmas_for
    return planned(sampler, schedule, steps, levels)[0]


@lru_cache(REMEMBERED)
def levels_for(sampler: str, levels: NoiseLevels) -> NoiseLevels:
    """The levels that a sampler knows of all that a model was trained on."""
    return levels.consistent() if sampler == "LCM" else levels


def _scheduled(sampler: str, schedule: str, steps: int, levels: NoiseLevels) -> tuple[float, ...]:
    discards = SAMPLERS[sampler].discards
    sigmas = _SCHEDULES[resolved(sampler, schedule)](levels, steps + discards)
    return (*sigmas[:-2], sigmas[-1]) if discards else sigmas


def _spanned(highest: float, lowest: float, steps: int) -> tuple[float, ...]:
    """``steps + 1`` levels from the highest to the lowest, evenly spaced in log sigma."""
    between = np.exp(np.linspace(math.log(highest), math.log(lowest), steps + 1)[1:-1])
    return highest, *(float(sigma) for sigma in between), lowest


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


@lru_cache(REMEMBERED)
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
    every = _scheduled(sampler, schedule, planned, levels_for(sampler, levels))
    sigmas = every[planned - steps :]
    if sampler in SPANNING:
        sigmas = _spanned(sigmas[0], sigmas[-2], len(sigmas) - 1)
    return SecondPassLevels(start=sigmas[0], sigmas=sigmas, planned=every)


def _own_second_pass_levels(sampler: str, steps: int, planned: int, levels: NoiseLevels) -> SecondPassLevels:
    """DDIM and its like visit their last levels below that of the noise, UniPC evenly spaced times from there to 0."""
    times = ddim_times(planned)
    start, visited = times[-steps], times[1 - steps :]
    even = sampler == "UniPC"
    sigmas = _at_alphas(levels, np.linspace(visited[0], 0, steps)) if even else _numbers(levels.sigmas[visited])
    return SecondPassLevels(start=float(levels.sigmas[start]), sigmas=sigmas, planned=_OWN[sampler](levels, planned))


# ---------------------------------------------------------------------------------------------------- continuous


def karras(levels: NoiseLevels, steps: int) -> tuple[float, ...]:
    """``steps`` levels evenly spaced in ``sigma ** (1 / 7)``, then 0 (Karras et al. 2022, equation 5)."""
    return karras_between(*levels.ends, steps, levels.rho or KARRAS_RHO)


def karras_between(highest: float, lowest: float, steps: int, rho: float = KARRAS_RHO) -> tuple[float, ...]:
    """The same between two levels, both of them included."""
    top, bottom = highest ** (1 / rho), lowest ** (1 / rho)
    return _then_zero((top + torch.linspace(0, 1, steps) * (bottom - top)) ** rho)


def exponential(levels: NoiseLevels, steps: int) -> tuple[float, ...]:
    """``steps`` levels evenly spaced in log sigma, then 0."""
    top, bottom = map(math.log, levels.ends)
    return _then_zero(torch.linspace(top, bottom, steps).exp())


def polyexponential(levels: NoiseLevels, steps: int) -> tuple[float, ...]:
    """Levels whose logarithms fall with a power of the step's number, rho, then 0; at 1 they are ``exponential``'s."""
    top, bottom = map(math.log, levels.ends)
    return _then_zero((torch.linspace(1, 0, steps) ** (levels.rho or 1.0) * (top - bottom) + bottom).exp())


def kl_optimal(levels: NoiseLevels, steps: int) -> tuple[float, ...]:
    """``steps + 1`` levels evenly spaced in ``arctan(sigma)``, the last the lowest trained one and not 0.

    The KL-optimal spacing of Sabour et al. 2024 (https://arxiv.org/abs/2404.14507, section 3.2) for normal data.
    """
    top, bottom = torch.tensor(levels.ends).arctan()
    shares = torch.arange(steps + 1) / steps
    return _numbers((shares * bottom + (1 - shares) * top).tan())


def align_your_steps(levels: NoiseLevels, steps: int) -> tuple[float, ...]:
    """The family's table of "Align Your Steps", interpolated linearly in log sigma over the step's number, then 0."""
    table = levels.aligned
    if steps == len(table):
        return _then_zero(_rounded(table))
    # Counted from the lowest level, as in the WebUI: a single step is that level alone.
    places = np.linspace(0, 1, steps)
    logs = np.interp(places, np.linspace(0, 1, len(table)), np.log(table[::-1]))
    return _then_zero(_rounded(np.exp(logs)[::-1]))


def beta(levels: NoiseLevels, steps: int) -> tuple[float, ...]:
    """``steps`` quantiles of a beta distribution between the lowest and the highest level, then 0.

    Lee et al. 2024, "Beta Sampling is All You Need" (https://arxiv.org/abs/2407.12173); the WebUI applies it to sigma,
    not to time.
    """
    shares = betaincinv(BETA_SHAPE, BETA_SHAPE, 1 - np.linspace(0, 1, steps))
    top, bottom = levels.ends
    return _then_zero(_rounded(bottom + shares * (top - bottom)))


# ------------------------------------------------------------------------------------------------------- in time


def uniform(levels: NoiseLevels, steps: int) -> tuple[float, ...]:
    """``steps`` levels evenly spaced in time from 999 to 0, then 0."""
    return _then_zero(levels.sigmas_at(torch.linspace(levels.last_time, levels.spacing - 1, steps)))


def normal(levels: NoiseLevels, steps: int) -> tuple[float, ...]:
    """The same between the times of the highest and the lowest level, which may be chosen here."""
    first, last = map(levels.time_of, levels.ends)
    return _then_zero(levels.sigmas_at(torch.linspace(first, last, steps)))


def sgm_uniform(levels: NoiseLevels, steps: int) -> tuple[float, ...]:
    """``steps`` levels evenly spaced in time, such that the lowest would be the next, then 0."""
    first, last = map(levels.time_of, levels.ends)
    return _then_zero(levels.sigmas_at(torch.linspace(first, last, steps + 1)[:-1]))


def simple(levels: NoiseLevels, steps: int) -> tuple[float, ...]:
    """Every ``1000 / steps``-th trained level from the highest, rounded down, then 0."""
    count = len(levels.sigmas)
    return _then_zero(levels.sigmas[[count - 1 - int(step * (count / steps)) for step in range(steps)]])


def ddim(levels: NoiseLevels, steps: int) -> tuple[float, ...]:
    """The trained levels number 1, 1 + k, 1 + 2k, ..., with k = 1000 // steps, falling, then 0."""
    return _then_zero(levels.sigmas[1 :: spacing(steps, len(levels.sigmas))].flip(0))


# ----------------------------------------------------------------------------------------------- samplers' own


def ddim_own(levels: NoiseLevels, steps: int) -> tuple[float, ...]:
    """The levels that DDIM, DDIM CFG++ and PLMS visit: the trained ones at times 1, 1 + k, ..., falling, without 0.

    The final latent is at the last of them, time 1, so that 20 steps of DDIM call the model 19 times.
    """
    return _numbers(levels.sigmas[ddim_times(steps)])


def ddim_times(steps: int) -> list[int]:
    """Return the trained times of the sampler DDIM for a number of steps, falling."""
    return [min(time + 1, TIMES - 1) for time in range(0, TIMES, spacing(steps))][::-1]


def unipc_own(levels: NoiseLevels, steps: int) -> tuple[float, ...]:
    """The levels that the sampler UniPC visits: evenly spaced in time from 999 to 0; the final latent is at time 0.

    Between two trained times the logarithm of alpha = 1 / sqrt(1 + sigma ** 2) is interpolated, as in DPM-Solver and
    UniPC for models of discrete time (Zhao et al. 2023, https://arxiv.org/abs/2302.04867). In float64: nothing in UniPC
    amplifies the last bits.
    """
    return _at_alphas(levels, np.linspace(TIMES - 1, 0, len(range(0, TIMES, spacing(steps))) + 1))


def _at_alphas(levels: NoiseLevels, times: Sequence[float] | npt.NDArray[np.float64]) -> tuple[float, ...]:
    """Levels at fractional times, between two trained ones by the logarithm of alpha."""
    log_alphas = -0.5 * np.log1p(levels.sigmas.double().numpy() ** 2)
    logs = np.interp(times, np.arange(TIMES), log_alphas)
    return tuple(float(sigma) for sigma in np.sqrt(np.expm1(-2 * logs)))


_SCHEDULES: dict[str, ScheduleFunction] = {
    "Uniform": uniform,
    "Karras": karras,
    "Exponential": exponential,
    "Polyexponential": polyexponential,
    "SGM Uniform": sgm_uniform,
    "KL Optimal": kl_optimal,
    "Align Your Steps": align_your_steps,
    "Simple": simple,
    "Normal": normal,
    "DDIM": ddim,
    "Beta": beta,
}
_OWN: dict[str, ScheduleFunction] = {"DDIM": ddim_own, "DDIM CFG++": ddim_own, "PLMS": ddim_own, "UniPC": unipc_own}


def _rounded(sigmas: Sequence[float] | npt.NDArray[np.float64]) -> Tensor:
    return torch.tensor(np.asarray(sigmas, np.float32))


def _numbers(sigmas: Tensor) -> tuple[float, ...]:
    return tuple(sigmas.tolist())


def _then_zero(sigmas: Tensor) -> tuple[float, ...]:
    return (*_numbers(sigmas), 0.0)

"""Every sampler by its name: from unit noise, or from the latent of a picture, to the final latent."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from torch import Tensor

from engine.sampling import ancestral, ode, sde
from engine.sampling.dpm_solver import dpm_adaptive, dpm_fast
from engine.sampling.lcm import lcm
from engine.sampling.plms import plms
from engine.sampling.restart import restart
from engine.sampling.schedules import SecondPassLevels
from engine.sampling.stepping import STILL, Churn, Denoise, StepNoise
from engine.sampling.unipc import unipc
from engine.shots.samplers import SAMPLERS

OdeSampler = Callable[[Denoise, Tensor, Sequence[float]], Tensor]
"""``sampler(denoise, x, sigmas)``: a sampler without new noise."""
ChurnedSampler = Callable[[Denoise, Tensor, Sequence[float], Churn], Tensor]
"""``sampler(denoise, x, sigmas, churn)``: a sampler that may add noise before a step."""
NoisySampler = Callable[..., Tensor]
"""``sampler(denoise, x, sigmas, noise, eta=..., s_noise=...)``: a sampler with new noise."""

_CHURNED: dict[str, ChurnedSampler] = {"Euler": ode.euler, "Heun": ode.heun, "DPM2": ode.dpm2}
_PLAIN: dict[str, OdeSampler] = {
    "LMS": ode.lms,
    "DPM++ 2M": ode.dpmpp_2m,
    "PLMS": plms,
    "UniPC": unipc,
}
_NOISY: dict[str, NoisySampler] = {
    "Euler a": ancestral.euler_ancestral,
    "DPM2 a": ancestral.dpm2_ancestral,
    "DPM++ 2S a": ancestral.dpmpp_2s_ancestral,
    "DPM++ SDE": sde.dpmpp_sde,
    "DPM++ 2M SDE": sde.dpmpp_2m_sde,
    "DPM++ 2M SDE Heun": sde.dpmpp_2m_sde_heun,
    "DPM++ 3M SDE": sde.dpmpp_3m_sde,
    "DPM fast": dpm_fast,
    "DPM adaptive": dpm_adaptive,
    "Restart": restart,
    "DDIM": ancestral.euler_ancestral,
    "DDIM CFG++": ancestral.ddim_cfgpp,
    "LCM": lcm,
}
_VARIANCE_PRESERVING = frozenset(name for name, facts in SAMPLERS.items() if not facts.automatic)


def sample(
    sampler: str,
    denoise: Denoise,
    unit: Tensor,
    sigmas: Sequence[float],
    noise: StepNoise,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    churn: Churn = STILL,
    start: float | None = None,
) -> Tensor:
    """Sample a latent from unit noise.

    Samplers with levels of their own, such as DDIM, are variance-preserving, their latents have a variance of 1: the
    WebUI starts them from ``unit`` itself, which is ``unit * sqrt(1 + sigma ** 2)`` here, and decodes their result
    without scaling it back.

    Args:
        sampler: A name of ``engine.shots.samplers.SAMPLERS``.
        denoise: The denoiser; of DDIM CFG++ it returns two latents (``engine.sampling.ancestral.ddim_cfgpp``).
        unit: The first noise, ``(n, c, h, w)``; it is not changed.
        sigmas: Falling levels, from `engine.sampling.schedules.sigmas_for`.
        noise: All noise after the first; called by samplers that add noise.
        eta: Share of new noise, 0 to 1; without effect on samplers that add none.
        s_noise: The factor of new noise.
        churn: The noise before steps of samplers that can add some; it is drawn from ``noise``.
        start: The level of the first noise, from `engine.sampling.schedules.start_of`; None is ``sigmas[0]``.

    Returns:
        The latent to decode, of ``unit``'s shape and dtype.
    """
    first = sigmas[0] if start is None else start
    x = unit * (math.hypot(1, first) if sampler in _VARIANCE_PRESERVING else first)
    return _sampled(sampler, denoise, x, sigmas, noise, eta, s_noise, churn)


def resample(
    sampler: str,
    denoise: Denoise,
    latents: Tensor,
    unit: Tensor,
    levels: SecondPassLevels,
    noise: StepNoise,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
    churn: Churn = STILL,
) -> Tensor:
    """Add noise to a latent and sample again, as in the WebUI's second pass.

    Samplers with levels of their own treat the noised latent, scaled to a variance of 1, as one of the level at which
    they begin, which is lower than the level of the noise that was added.

    Args:
        sampler: A name of ``engine.shots.samplers.SAMPLERS``.
        denoise: The denoiser.
        latents: A final latent, ``(n, c, h, w)``; it is not changed.
        unit: Unit noise of its shape.
        levels: From `engine.sampling.schedules.second_pass_levels`.
        noise: All noise after the first; called by samplers that add noise.
        eta: Share of new noise, 0 to 1; without effect on samplers that add none.
        s_noise: The factor of new noise.
        churn: The noise before steps of samplers that can add some; it is drawn from ``noise``.

    Returns:
        The latent to decode, of ``latents``' shape and dtype.
    """
    x = latents + unit * levels.start
    if sampler in _VARIANCE_PRESERVING:
        x = x * (math.hypot(1, levels.sigmas[0]) / math.hypot(1, levels.start))
    return _sampled(sampler, denoise, x, levels.sigmas, noise, eta, s_noise, churn)


def _sampled(
    sampler: str,
    denoise: Denoise,
    x: Tensor,
    sigmas: Sequence[float],
    noise: StepNoise,
    eta: float,
    s_noise: float,
    churn: Churn,
) -> Tensor:
    if sampler in _CHURNED:
        x = _CHURNED[sampler](denoise, x, sigmas, replace(churn, noise=noise, s_noise=s_noise))
    elif sampler in _PLAIN:
        x = _PLAIN[sampler](denoise, x, sigmas)
    else:
        x = _NOISY[sampler](denoise, x, sigmas, noise, eta=eta, s_noise=s_noise)
    return x / math.hypot(1, sigmas[-1]) if sampler in _VARIANCE_PRESERVING else x

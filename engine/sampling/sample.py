"""Every sampler by its name, from unit noise, or from a noised picture, to the finished latent."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from torch import Tensor

from engine.sampling import ancestral, ode, sde
from engine.sampling.schedules import Rest
from engine.sampling.stepping import Denoise, Noise
from engine.sampling.unipc import unipc

Plain = Callable[[Denoise, Tensor, Sequence[float]], Tensor]
Noisy = Callable[..., Tensor]

_PLAIN: dict[str, Plain] = {
    "Euler": ode.euler,
    "Heun": ode.heun,
    "DPM2": ode.dpm2,
    "LMS": ode.lms,
    "DPM++ 2M": ode.dpmpp_2m,
    "UniPC": unipc,
}
_NOISY: dict[str, Noisy] = {
    "Euler a": ancestral.euler_ancestral,
    "DPM2 a": ancestral.dpm2_ancestral,
    "DPM++ 2S a": ancestral.dpmpp_2s_ancestral,
    "DPM++ SDE": sde.dpmpp_sde,
    "DPM++ 2M SDE": sde.dpmpp_2m_sde,
    "DPM++ 2M SDE Heun": sde.dpmpp_2m_sde_heun,
    "DPM++ 3M SDE": sde.dpmpp_3m_sde,
    "DDIM": ancestral.euler_ancestral,
}
_VARIANCE_PRESERVING = frozenset({"DDIM", "UniPC"})


def sample(
    sampler: str,
    denoise: Denoise,
    unit: Tensor,
    sigmas: Sequence[float],
    noise: Noise,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """Walk from unit noise down to a latent.

    DDIM and UniPC live where the latent's variance is kept at 1: the WebUI starts them from ``unit`` itself, which is
    ``unit * sqrt(1 + sigma ** 2)`` here, and decodes what they leave without scaling it back.

    Args:
        sampler: A name of ``engine.shots.samplers.SAMPLERS``.
        denoise: The denoiser.
        unit: The first noise, ``(n, c, h, w)``; is left alone.
        sigmas: Falling levels, from `engine.sampling.schedules.sigmas_for`.
        noise: All noise after the first; only asked by samplers that add some.
        eta: Share of fresh noise, 0 to 1; without meaning for samplers that add none.
        s_noise: A factor on fresh noise.

    Returns:
        The latent to decode, of ``unit``'s shape and dtype.
    """
    x = unit * (math.hypot(1, sigmas[0]) if sampler in _VARIANCE_PRESERVING else sigmas[0])
    return _walked(sampler, denoise, x, sigmas, noise, eta, s_noise)


def resample(
    sampler: str,
    denoise: Denoise,
    latents: Tensor,
    unit: Tensor,
    rest: Rest,
    noise: Noise,
    *,
    eta: float = 1.0,
    s_noise: float = 1.0,
) -> Tensor:
    """Noise a latent and walk down again, as the WebUI's second pass does.

    DDIM and UniPC take the noised latent, its variance kept at 1, for one of the level where they begin, which is lower
    than that of the noise added.

    Args:
        sampler: A name of ``engine.shots.samplers.SAMPLERS``.
        denoise: The denoiser.
        latents: A finished latent, ``(n, c, h, w)``; is left alone.
        unit: Unit noise of its shape.
        rest: The levels, from `engine.sampling.schedules.rest_for`.
        noise: All noise after the first; only asked by samplers that add some.
        eta: Share of fresh noise, 0 to 1; without meaning for samplers that add none.
        s_noise: A factor on fresh noise.

    Returns:
        The latent to decode, of ``latents``' shape and dtype.
    """
    x = latents + unit * rest.start
    if sampler in _VARIANCE_PRESERVING:
        x = x * (math.hypot(1, rest.sigmas[0]) / math.hypot(1, rest.start))
    return _walked(sampler, denoise, x, rest.sigmas, noise, eta, s_noise)


def _walked(
    sampler: str, denoise: Denoise, x: Tensor, sigmas: Sequence[float], noise: Noise, eta: float, s_noise: float
) -> Tensor:
    if sampler in _PLAIN:
        x = _PLAIN[sampler](denoise, x, sigmas)
    else:
        x = _NOISY[sampler](denoise, x, sigmas, noise, eta=eta, s_noise=s_noise)
    return x / math.hypot(1, sigmas[-1]) if sampler in _VARIANCE_PRESERVING else x

"""The first pass of shots, from noise to latents, and which shots can go through it together."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import torch
from torch import Tensor

from engine.errors import RenderError
from engine.rendering.guidance import is_guided
from engine.rendering.noise import NoiseSource
from engine.rendering.noise_memory import NoiseMemory
from engine.sampling.sample import sample
from engine.sampling.schedules import sigmas_for, start_of
from engine.sampling.sigmas import NoiseLevels
from engine.sampling.stepping import STILL, Churn, Denoise
from engine.shots.shot import Shot


def first_pass(
    shots: Sequence[Shot],
    denoise: Denoise,
    levels: NoiseLevels,
    device: torch.device,
    memory: NoiseMemory | None = None,
) -> Tensor:
    """Sample the latents of shots that take the same steps.

    Args:
        shots: One of the groups of ``groups_of``, or a part of it.
        denoise: The guided denoiser of these shots.
        levels: The noise levels the model was trained on.
        device: Where the latents are made.
        memory: Keeps the shots' noise for the next time; None: it is drawn anew.

    Returns:
        ``(n, 4, h, w)`` float32, in the order of the shots.
    """
    first = shots[0]
    sigmas = sigmas_for(first.sampler, first.schedule, first.steps, levels)
    source = NoiseSource(shots, device, memory)
    unit = source.first()
    noise = source.after(sigmas)
    eta, s_noise, churn = first.noise_share, first.noise_factor, churn_of(first)
    start = start_of(first.sampler, first.schedule, first.steps, levels)
    return sample(first.sampler, denoise, unit, sigmas, noise, eta=eta, s_noise=s_noise, churn=churn, start=start)


def churn_of(shot: Shot) -> Churn:
    """Return the noise that is added before a shot's steps."""
    options = shot.options
    return Churn(amount=options.s_churn, low=options.s_tmin, high=options.s_tmax or math.inf) if shot.churns else STILL


def picture_size_of(shots: Sequence[Shot]) -> tuple[int, int]:
    """Return the width and height of the shots' pictures.

    Raises:
        RenderError: There are no shots, or their pictures have several sizes.
    """
    sizes = Counter(shot.picture_size for shot in shots)
    if not sizes:
        raise RenderError("no shots to render", remedy="give at least one")
    if len(sizes) > 1:
        listed = ", ".join(f"{width}x{height} ({count} shots)" for (width, height), count in sizes.items())
        raise RenderError(
            f"shots of several sizes in one call: {listed}", remedy="render each size in a call of its own"
        )
    return next(iter(sizes))


def groups_of(shots: Sequence[Shot]) -> list[list[int]]:
    """Return the numbers of the shots in groups that take the same steps, in both passes."""
    groups: dict[object, list[int]] = {}
    for number, shot in enumerate(shots):
        enlarged = (shot.hires.upscaler, shot.hires.denoise, shot.target) if shot.hires else None
        alone = number if any(one.sampler == "DPM adaptive" for one in shot.passes) else None  # its steps are its own
        groups.setdefault((enlarged, alone, *map(_steps_of, shot.passes)), []).append(number)
    return list(groups.values())


def _steps_of(shot: Shot) -> object:
    """Everything that decides the steps of one pass."""
    noise = (shot.noise_share, shot.noise_factor)
    size = (shot.width, shot.height)
    return (
        *size,
        shot.sampler,
        shot.follows,
        shot.steps,
        noise,
        is_guided(shot),
        shot.compatibility.half_levels,
        shot.options,
    )

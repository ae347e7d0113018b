"""The denoising loss of a model on given pictures: how well it separates picture and noise, without any sampling.

A picture is encoded, noised to a level and put through the UNet once; the error of the noise it predicts is what
diffusion models are trained with (Ho et al. 2020, https://arxiv.org/abs/2006.11239, equation 14). A model that could
have made the pictures has a small error on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.gradients.tracing import recomputed
from engine.rendering.denoiser import Denoiser
from engine.shots.limits import LATENT_STEP
from engine.shots.shot import Shot

LEVELS = 8
"""The usual number of noise levels, each a UNet call for every picture."""
QUIETEST, LOUDEST = 0.02, 0.98
"""The part of the model's times, 0 to 1, from which noise levels are drawn: at the ends all models err alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoisedPictures:
    """Pictures, and the noise that is added to them.

    Attributes:
        latents: ``(n, 4, h, w)`` float32, from ``Gradients.encode``.
        captions: the prompt of each picture; "" is none.
        seed: of noise and levels; the same seed is the same noise whatever the model, so that losses compare.
        levels: how many noise levels, each a UNet call for every picture.
    """

    latents: Tensor
    captions: tuple[str, ...]
    seed: int = 0
    levels: int = LEVELS


def denoising_errors(
    denoiser: Denoiser, pictures: NoisedPictures, *, backward: Callable[[Tensor], None] | None = None
) -> Tensor:
    """Return the mean squared error of the predicted noise, averaged over the levels.

    Args:
        denoiser: of the model.
        pictures: what to denoise.
        backward: called with the mean error of every level, a scalar with gradients, before the next level begins.

    Returns:
        ``(n,)``; a model that always predicts 0 has an error of about 1.
    """
    shots = [_shot(pictures, number) for number in range(len(pictures.latents))]
    rows: list[Tensor] = []
    for number, (sigma, noise) in enumerate(_noises(denoiser, pictures)):
        with torch.set_grad_enabled(backward is not None):
            numbered = denoiser.numbered(shots)
            error = _error(lambda x: numbered(x, sigma, number), pictures.latents, sigma, noise)  # noqa: B023
            if backward:
                backward(error.mean() / pictures.levels)
        rows.append(error.detach())
    return torch.stack(rows).mean(0)


def _shot(pictures: NoisedPictures, number: int) -> Shot:
    """A shot by which the UNet gets a picture's caption alone: guidance at 1."""
    height, width = (side * LATENT_STEP for side in pictures.latents.shape[2:])
    return Shot(
        prompt=pictures.captions[number], seed=0, width=width, height=height, steps=pictures.levels, cfg=1.0
    )  # fmt: skip


def _noises(denoiser: Denoiser, pictures: NoisedPictures) -> Iterator[tuple[float, Tensor]]:
    """Noise levels, one from each of equal stretches of time, and noise."""
    generator = torch.Generator("cpu").manual_seed(pictures.seed)
    for number in range(pictures.levels):
        part = (number + float(torch.rand((), generator=generator))) / pictures.levels
        time = (QUIETEST + (LOUDEST - QUIETEST) * part) * (len(denoiser.levels.log_sigmas) - 1)
        noise = torch.randn(pictures.latents.shape, generator=generator)
        yield denoiser.levels.sigma_of(time), noise.to(denoiser.device)


def _error(denoise: Callable[[Tensor], Tensor], latents: Tensor, sigma: float, noise: Tensor) -> Tensor:
    x = latents + sigma * noise
    clean = recomputed(denoise, x) if torch.is_grad_enabled() else denoise(x)
    return ((clean - latents) / sigma).square().flatten(1).mean(1)

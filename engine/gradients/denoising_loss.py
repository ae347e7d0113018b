"""The denoising loss of a model on given pictures: how well it tells apart picture and noise, without any sampling.

A picture is encoded, noised to a level and shown to the UNet once; the error of the noise it finds there is what
diffusion models are trained with (Ho et al. 2020, https://arxiv.org/abs/2006.11239, equation 14). A model that could
have drawn the pictures errs little on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.errors import RenderError
from engine.gradients.traced_renderer import TracedRenderer, again
from engine.shots.limits import LATENT_STEP
from engine.shots.shot import Shot

LEVELS = 8
QUIETEST, LOUDEST = 0.02, 0.98
"""The part of the model's times, 0 to 1, from which levels are drawn; at the ends all models err alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noised:
    """Pictures to be noised and looked at.

    Attributes:
        latents: ``(n, 4, h, w)`` float32, from ``DenoisingLoss.encoded``.
        captions: what the UNet is told of each picture; "" is nothing.
        seed: of noise and levels; the same seed is the same noise whatever the model, so that losses compare.
        levels: how many noise levels, each a UNet call for every picture.
    """

    latents: Tensor
    captions: tuple[str, ...]
    seed: int = 0
    levels: int = LEVELS


class DenoisingLoss(TracedRenderer):
    """A renderer that looks at pictures instead of making them."""

    @torch.inference_mode()
    def encoded(self, pictures: Tensor) -> Tensor:
        """Latents of pictures by the built model's VAE.

        Args:
            pictures: ``(n, 3, h, w)`` from 0 to 1; sides are multiples of 8.

        Returns:
            ``(n, 4, h / 8, w / 8)`` float32: the means of what the encoder finds.

        Raises:
            RenderError: other shapes, or too little memory for one picture.
        """
        if pictures.ndim != 4 or pictures.shape[1] != 3 or any(side % LATENT_STEP for side in pictures.shape[2:]):
            raise RenderError(
                f"pictures of shape {tuple(pictures.shape)} cannot be encoded; (n, 3, h, w) is wanted, sides multiples "
                f"of {LATENT_STEP}"
            )
        return self._codec.encode(pictures.to(self._device, torch.float32))

    def errors(self, noised: Noised, *, backward: Callable[[Tensor], None] | None = None) -> Tensor:
        """Mean squared error of the noise found, ``(n,)``, averaged over the levels; 1 for a model that finds nothing.

        Args:
            noised: what to look at.
            backward: called with the mean error of every level, a scalar with gradients, before the next level begins.
        """
        shots = [self._shot(noised, number) for number in range(len(noised.latents))]
        rows: list[Tensor] = []
        for number, (sigma, noise) in enumerate(self._draws(noised)):
            with torch.set_grad_enabled(backward is not None):
                error = self._error(shots, noised.latents, sigma, noise, number)
                if backward:
                    backward(error.mean() / noised.levels)
            rows.append(error.detach())
        return torch.stack(rows).mean(0)

    def _shot(self, noised: Noised, number: int) -> Shot:
        """What makes the UNet hear a caption alone: guidance at 1."""
        height, width = (side * LATENT_STEP for side in noised.latents.shape[2:])
        return Shot(prompt=noised.captions[number], seed=0, width=width, height=height, steps=noised.levels, cfg=1.0)

    def _draws(self, noised: Noised) -> Iterator[tuple[float, Tensor]]:
        """Levels, one from each of equal stretches of time, and noise."""
        generator = torch.Generator("cpu").manual_seed(noised.seed)
        for number in range(noised.levels):
            part = (number + float(torch.rand((), generator=generator))) / noised.levels
            time = (QUIETEST + (LOUDEST - QUIETEST) * part) * (len(self._levels.log_sigmas) - 1)
            noise = torch.randn(noised.latents.shape, generator=generator)
            yield self._levels.sigma_of(time), noise.to(self._device)

    def _error(self, shots: Sequence[Shot], latents: Tensor, sigma: float, noise: Tensor, call: int) -> Tensor:
        numbered = self._denoiser.numbered(shots)
        x = latents + sigma * noise
        clean = again(lambda x: numbered(x, sigma, call), x) if torch.is_grad_enabled() else numbered(x, sigma, call)
        return ((clean - latents) / sigma).square().flatten(1).mean(1)

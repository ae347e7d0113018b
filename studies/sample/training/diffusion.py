"""The loss that UNets are trained with: the noise of noised latents, by SD1's noise levels.

What makes a step count for more: noise levels are spread evenly over each batch; levels of little noise weigh less
(min-SNR weighting, Hang et al. 2023, "Efficient Diffusion Training via Min-SNR Weighting Strategy", gamma 5); each
channel's noise gets a small offset of its own, since SD1's last level lets some of the mean colour through, which a
sampler that begins with pure noise does not have; and the mean of a channel counts by itself as an error of the picture
where there is much noise. Otherwise it hardly counts there, and pictures come out neither dark nor bright.

Shapes: latents ``(n, 4, h, w)``, token ids ``(n, 77)``, context ``(n, 77, TEXT_WIDTH)``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import torch

LEVELS = 1000
"""Number of noise levels."""
GAMMA = 5.0
"""The signal-to-noise ratio above which levels weigh less."""
OFFSET = 0.05
"""Standard deviation of the offset of a channel's noise."""
MOST_MEAN = 25.0
"""The largest weight of the squared mean of a channel's error; up to there it is that of the picture's error."""
NO_TEXT = 0.1
"""Share of the captions that are dropped."""

Denoiser = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]
"""Noised latents, noise levels ``(n,)`` and context to the noise in the latents."""


@lru_cache
def signal_shares(device: torch.device) -> torch.Tensor:
    """Return the cumulative alphas of SD1's scaled-linear schedule, ``(1000,)``."""
    betas = torch.linspace(0.00085**0.5, 0.012**0.5, LEVELS, dtype=torch.float64) ** 2
    return torch.cumprod(1 - betas, 0).float().to(device)


def even_levels(count: int, generator: torch.Generator) -> torch.Tensor:
    """Return ``count`` noise levels, one in each of as many equal ranges, ``(count,)``."""
    places = torch.arange(count, device=generator.device)
    shift = torch.rand(count, generator=generator, device=generator.device)
    return ((places + shift) / count * LEVELS).long().clamp(max=LEVELS - 1)


def diffusion_loss(
    denoiser: Denoiser, latents: torch.Tensor, context: torch.Tensor, generator: torch.Generator
) -> torch.Tensor:
    """Return the weighted mean squared error of the predicted noise."""
    levels = even_levels(len(latents), generator)
    share = signal_shares(latents.device)[levels][:, None, None, None]
    noise = _noise(latents, generator)
    with torch.autocast(latents.device.type, torch.bfloat16):
        predicted = denoiser(share.sqrt() * latents + (1 - share).sqrt() * noise, levels, context)
    ratio = share / (1 - share)
    error = predicted.float() - noise
    means = error.mean((2, 3), keepdim=True)
    return (ratio.clamp(max=GAMMA) / ratio * error**2).mean() + ((1 / ratio).clamp(max=MOST_MEAN) * means**2).mean()


def _noise(latents: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    plain = torch.randn(latents.shape, generator=generator, device=latents.device)
    return plain + OFFSET * torch.randn((*latents.shape[:2], 1, 1), generator=generator, device=latents.device)


def pick(count: int, of: int, generator: torch.Generator) -> torch.Tensor:
    """Return ``count`` random numbers below ``of``."""
    return torch.randint(of, (count,), generator=generator, device=generator.device)

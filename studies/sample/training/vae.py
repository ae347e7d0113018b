"""The VAE: drawings to latents and back.

What a few thousand steps need, beside the usual losses: three of the four latent channels are tied to the mean colour
of their patch, tightly at first, since colours come last otherwise; and a little noise is added to the latents, so that
the decoder forgives what a sampler of few steps gets wrong.

Shapes: pictures ``(n, 3, side, side)`` in -1..1, latents ``(n, 4, side / 8, side / 8)``.
"""

# diffusers annotates its models more narrowly than they are:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportOptionalMemberAccess=false
# pyright: reportOptionalSubscript=false

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL

from studies.sample.training.pictures import signed
from studies.sample.training.widths import LATENT_SCALE

CROP = 64
"""Side of the crops that most steps see, in pixels."""
WHOLE = 0.75
"""Share of the steps after which they see whole pictures, as many pixels a step."""
NOISE = 0.03
"""Standard deviation of the noise on latents of unit size."""
COLOUR_GAIN = 2.0
"""What a patch's mean colour, -1..1, is multiplied by to be a latent of about unit size."""
TIE, TIE_HALF_LIFE, LAST_TIE = 1.0, 400, 0.01
"""Weight of the tie between latents and colours at first, the steps in which it halves, and its last weight."""


def vae_loss(
    vae: AutoencoderKL, pictures: torch.Tensor, *, crops: int, step: int, total: int, generator: torch.Generator
) -> torch.Tensor:
    """Loss of a step on random crops, or on whole pictures near the end.

    Args:
        vae: the model.
        pictures: ``(n, 3, side, side)`` uint8, on the model's device.
        crops: crops a step; a whole picture counts as ``(side / CROP) ** 2``.
        step: from 0.
        total: steps of the run.
        generator: of what is random.
    """
    batch = _batch(pictures, crops, generator, whole=step >= WHOLE * total)
    with torch.autocast(batch.device.type, torch.bfloat16):
        latents = vae.encode(batch).latent_dist.mean
        noise = NOISE * torch.randn(latents.shape, generator=generator, device=batch.device)
        out = vae.decode(latents + noise).sample
    out, latents = out.float(), latents.float()
    tie = max(LAST_TIE, TIE * 0.5 ** (step / TIE_HALF_LIFE))
    colours = COLOUR_GAIN * F.avg_pool2d(batch, 8)
    return _difference(out, batch) + tie * F.mse_loss(latents[:, :3], colours) + 0.05 * _off_unit(latents)


def decoder_loss(
    vae: AutoencoderKL, latents: torch.Tensor, pictures: torch.Tensor, *, batch: int, generator: torch.Generator
) -> torch.Tensor:
    """Loss of the decoder alone, on random whole pictures whose settled latents, ``LATENT_SCALE`` in, are known."""
    picks = torch.randint(len(pictures), (batch,), generator=generator, device=generator.device)
    known = latents[picks]
    with torch.autocast(known.device.type, torch.bfloat16):
        noise = NOISE * torch.randn(known.shape, generator=generator, device=known.device)
        out = vae.decode((known + noise) / LATENT_SCALE).sample
    return _difference(out.float(), signed(pictures[picks]))


def _batch(pictures: torch.Tensor, crops: int, generator: torch.Generator, *, whole: bool) -> torch.Tensor:
    side = pictures.shape[-1]
    count = max(1, crops * CROP**2 // side**2) if whole else crops

    def numbers(below: int) -> list[int]:
        return torch.randint(below, (count,), generator=generator, device=generator.device).tolist()

    picks = numbers(len(pictures))
    if whole:
        return signed(pictures[picks])
    corners = zip(picks, numbers(side - CROP + 1), numbers(side - CROP + 1), strict=True)
    return signed(torch.stack([pictures[pick, :, y : y + CROP, x : x + CROP] for pick, y, x in corners]))


def _difference(out: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Absolute and squared differences of pixels, of their gradients, and of the mean colours of patches."""
    pixels = F.l1_loss(out, wanted) + F.mse_loss(out, wanted)
    edges = F.l1_loss(_gradients(out), _gradients(wanted))
    return pixels + 0.5 * edges + F.l1_loss(F.avg_pool2d(out, 8), F.avg_pool2d(wanted, 8))


def _gradients(x: torch.Tensor) -> torch.Tensor:
    """Horizontal and vertical differences, stacked as channels, one pixel smaller each way."""
    return torch.cat([x[..., 1:, :-1] - x[..., :-1, :-1], x[..., :-1, 1:] - x[..., :-1, :-1]], 1)


def _off_unit(latents: torch.Tensor) -> torch.Tensor:
    """How far each channel is from mean 0 and standard deviation 1."""
    axes = (0, 2, 3)
    return (latents.mean(axes) ** 2).mean() + ((latents.std(axes) - 1) ** 2).mean()


@torch.no_grad()
def settle(vae: AutoencoderKL, pictures: torch.Tensor) -> None:
    """Make the latents unit size after ``LATENT_SCALE``, and their variances what training had.

    Both are folded into the two 1x1 convolutions round the latents; ``pictures`` are uint8 drawings to measure on.
    """
    size = torch.cat([vae.encode(signed(chunk)).latent_dist.mean for chunk in pictures.split(32)]).std()
    factor = 1 / (LATENT_SCALE * size)
    vae.quant_conv.weight[:4] *= factor
    vae.quant_conv.bias[:4] *= factor
    vae.quant_conv.weight[4:] = 0
    vae.quant_conv.bias[4:] = 2 * (NOISE * factor).log()
    vae.post_quant_conv.weight /= factor


@torch.no_grad()
def latents_of(vae: AutoencoderKL, pictures: torch.Tensor) -> torch.Tensor:
    """Mean latents of uint8 pictures, times ``LATENT_SCALE``, ``(n, 4, side / 8, side / 8)`` on the CPU."""
    device = next(vae.parameters()).device
    chunks = pictures.split(32)
    return torch.cat([(vae.encode(signed(c.to(device))).latent_dist.mean * LATENT_SCALE).cpu() for c in chunks])


@torch.no_grad()
def round_trip(vae: AutoencoderKL, pictures: torch.Tensor) -> torch.Tensor:
    """Encode and decode uint8 pictures; returns uint8 on the CPU."""
    device = next(vae.parameters()).device

    def one(chunk: torch.Tensor) -> torch.Tensor:
        out = vae.decode(vae.encode(signed(chunk.to(device))).latent_dist.mean).sample
        return ((out.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu()

    return torch.cat([one(chunk) for chunk in pictures.split(8)])

"""Enlarging latents and pictures by an upscaler's name, with the roundings of AUTOMATIC1111's WebUI 1.10.

Pictures go through eight bits: their values times 255 without the fraction. The facts are those of ``sample_hr_pass``
(modules/processing.py), ``resize_image`` (modules/images.py), ``Upscaler.upscale`` (modules/upscaler.py) and
``latent_upscale_modes`` (modules/shared.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from engine.shots.hires import Target
from engine.shots.limits import LATENT_STEP

Enlarge = Callable[[Image.Image], Image.Image]
"""``enlarge(picture)``: one pass of an upscaler model, which makes a picture a whole number of times larger."""

MODES: dict[str, tuple[str, bool]] = {
    "Latent": ("bilinear", False),
    "Latent (antialiased)": ("bilinear", True),
    "Latent (bicubic)": ("bicubic", False),
    "Latent (bicubic antialiased)": ("bicubic", True),
    "Latent (nearest)": ("nearest", False),
    "Latent (nearest-exact)": ("nearest-exact", False),
}
"""How torch interpolates for each upscaler of latents, and whether it smooths first (which matters when shrinking)."""
RESAMPLING = {"Lanczos": Image.Resampling.LANCZOS, "Nearest": Image.Resampling.NEAREST}
"""The filters of the upscalers that are no model."""
MOST_PASSES = 3
"""How often a model file enlarges a picture at most, where one pass does not reach the size."""


def enlarged_latents(latents: Tensor, upscaler: str, target: Target) -> Tensor:
    """Latents ``(n, 4, h, w)`` of the target's size, before anything is cut off."""
    mode, antialias = MODES[upscaler]
    size = (target.height // LATENT_STEP, target.width // LATENT_STEP)
    return interpolate(latents, size=size, mode=mode, antialias=antialias)


def enlarged_picture(picture: Image.Image, upscaler: str | Enlarge, target: Target) -> Image.Image:
    """A picture of exactly the target's size, before anything is cut off.

    Args:
        picture: RGB.
        upscaler: A name of ``engine.shots.hires.PICTURE_UPSCALERS``, or one pass of a model.
        target: The size to reach; what does not grow is only resized.
    """
    size = (target.width, target.height)
    scale = max(target.width / picture.width, target.height / picture.height)
    if upscaler != "None" and scale > 1:
        picture = _upscaled(picture, _pass(upscaler, scale), scale)
    return picture if picture.size == size else picture.resize(size, Image.Resampling.LANCZOS)


def _pass(upscaler: str | Enlarge, scale: float) -> Enlarge:
    if not isinstance(upscaler, str):
        return upscaler
    return lambda picture: picture.resize(
        (int(picture.width * scale), int(picture.height * scale)), RESAMPLING[upscaler]
    )


def _upscaled(picture: Image.Image, once: Enlarge, scale: float) -> Image.Image:
    """As many passes as the size needs, at most ``MOST_PASSES``, then that size, in whole steps of 8 pixels."""
    width, height = (int(side * scale // LATENT_STEP * LATENT_STEP) for side in picture.size)
    for _ in range(MOST_PASSES):
        if picture.width >= width and picture.height >= height:
            break
        before, picture = picture.size, once(picture)
        if picture.size == before:
            break
    return picture if picture.size == (width, height) else picture.resize((width, height), Image.Resampling.LANCZOS)


def to_bytes(pictures: Tensor) -> list[Image.Image]:
    """Pictures ``(n, 3, h, w)`` from 0 to 1 as RGB pictures of eight bits; fractions are dropped."""
    values = (pictures * 255).to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()
    return [Image.fromarray(one) for one in values]


def from_bytes(pictures: Sequence[Image.Image]) -> Tensor:
    """RGB pictures of one size as ``(n, 3, h, w)`` float32 from 0 to 1, on the CPU."""
    values = np.stack([np.asarray(one, dtype=np.float32) for one in pictures]) / np.float32(255)
    return torch.from_numpy(values).permute(0, 3, 1, 2).contiguous()

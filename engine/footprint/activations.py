"""The working memory of the UNet and of the VAE: what their layers make and drop while they run.

All of it grows with the area of the pictures, and with nothing else: attention is computed without its matrix. So one
number for each network is enough. ``python -m tests.benchmarks.engine.count_activations`` counts them, on networks of
real size without memory, and a test compares them with these.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from engine.architecture.widths import REAL, SD1, FamilyName, Widths

UNET_ELEMENTS: Mapping[FamilyName, float] = {"sd1": 8340.0, "sd2": 8345.0, "sdxl": 5170.0}
"""Numbers at a UNet's largest moment, for each row of a batch and each pixel of its latents."""
DECODE_ELEMENTS = 1216.2
"""Numbers at the largest moment of the VAE's decoder, for each pixel of the pictures."""
STRIP_ELEMENTS = 400.0
"""The same of the decoder strip by strip, beside what one strip takes."""
STRIP_BYTES = 160_000_000
"""What a strip and the weights of its layer take besides, at most."""
ENCODE_ELEMENTS = 771.0
"""Numbers at the largest moment of the VAE's encoder, for each pixel of the pictures."""
LATENT_SIDE = 8
"""Pixels along a side of one pixel of the latents."""
FLOAT_BYTES: Mapping[str, int] = {"fp32": 4, "fp16": 2, "bf16": 2}
"""Bytes of one number, by precision."""


def unet_bytes(widths: Widths, precision: str, width: int, height: int, rows: int) -> int:
    """Return the working memory of one call of the UNet.

    Args:
        widths: Of the model.
        precision: fp32, fp16 or bf16: what the UNet computes in.
        width: Of the pictures, in pixels.
        height: Of the pictures, in pixels.
        rows: Of the batch; a picture with a negative prompt takes two.
    """
    latents = ceil(width / LATENT_SIDE) * ceil(height / LATENT_SIDE)
    share = widths.unet[0] / REAL[widths.family].unet[0]
    return int(rows * latents * UNET_ELEMENTS[widths.family] * share * FLOAT_BYTES[precision])


def decode_bytes(
    widths: Widths, precision: str, width: int, height: int, pictures: int = 1, *, strips: bool = False
) -> int:
    """Return the working memory of decoding pictures at once.

    Args:
        widths: Of the model.
        precision: fp32, fp16 or bf16: what the VAE computes in.
        width: Of the pictures, in pixels.
        height: Of the pictures, in pixels.
        pictures: Decoded at once.
        strips: Whether the VAE works strip by strip, which takes less.
    """
    pixels = pictures * width * height
    if strips:
        return _vae_bytes(STRIP_ELEMENTS, widths, precision, pixels) + STRIP_BYTES
    return _vae_bytes(DECODE_ELEMENTS, widths, precision, pixels)


def encode_bytes(widths: Widths, precision: str, width: int, height: int, pictures: int = 1) -> int:
    """Return the working memory of encoding pictures at once; the arguments are as for ``decode_bytes``."""
    return _vae_bytes(ENCODE_ELEMENTS, widths, precision, pictures * width * height)


def _vae_bytes(elements: float, widths: Widths, precision: str, pixels: int) -> int:
    return int(elements * widths.vae[0] / SD1.vae[0] * pixels * FLOAT_BYTES[precision])

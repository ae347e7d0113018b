"""Every tensor of an SD1, SD2 or SDXL checkpoint: LDM key and shape, for any widths.

The list is what a complete file must hold.
"""

from __future__ import annotations

from engine.architecture.text import text
from engine.architecture.unet import unet
from engine.architecture.vae import vae
from engine.architecture.widths import LATENT_CHANNELS, TEXT, UNET, VAE, Shape, Widths

__all__ = ["LATENT_CHANNELS", "TEXT", "UNET", "VAE", "Shape", "Widths", "shapes"]


def shapes(widths: Widths) -> dict[str, Shape]:
    """Return the shape of every weight of a complete file, by key."""
    found = {UNET + name: shape for name, shape in unet(widths)}
    found |= {VAE + name: shape for name, shape in vae(widths)}
    for encoder in widths.encoders:
        found |= {encoder.prefix + name: shape for name, shape in text(encoder)}
    return found

"""The bytes of weights: of the live model by part, and of the parents by what a search moves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import prod
from typing import Literal

from engine.architecture.keymap import fills
from engine.architecture.layout import UNET, VAE, Widths, shapes
from engine.footprint.activations import FLOAT_BYTES

Part = Literal["unet", "text", "vae"]
"""A part of a model whose memory is one piece."""
PARTS: tuple[Part, ...] = ("unet", "text", "vae")
"""All values of ``Part``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartBytes:
    """Bytes by part of a model."""

    unet: int = 0
    text: int = 0
    """All text encoders."""
    vae: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.unet + self.text + self.vae

    def __add__(self, other: PartBytes) -> PartBytes:
        return PartBytes(unet=self.unet + other.unet, text=self.text + other.text, vae=self.vae + other.vae)


def part_of_key(key: str) -> Part:
    """Return the part that an LDM key belongs to: what is neither the UNet's nor the VAE's is text."""
    if key.startswith(UNET):
        return "unet"
    return "vae" if key.startswith(VAE) else "text"


def live_bytes(widths: Widths, precision: str, vae_precision: str) -> PartBytes:
    """Return the bytes of a live model.

    Args:
        widths: Of the model.
        precision: fp32, fp16 or bf16, of UNet and text encoders.
        vae_precision: Of the VAE.
    """
    counted = dict.fromkeys(PARTS, 0)
    for key, shape in shapes(widths).items():
        if fills(key, widths):
            counted[part_of_key(key)] += prod(shape)
    size = FLOAT_BYTES[precision]
    vae = counted["vae"] * FLOAT_BYTES[vae_precision]
    return PartBytes(unet=counted["unet"] * size, text=counted["text"] * size, vae=vae)


def part_bytes(sizes: Iterable[tuple[str, int]]) -> PartBytes:
    """Return the bytes of keys by part; of pairs of a key and its bytes."""
    counted: Mapping[Part, list[int]] = {part: [] for part in PARTS}
    for key, size in sizes:
        counted[part_of_key(key)].append(size)
    return PartBytes(unet=sum(counted["unet"]), text=sum(counted["text"]), vae=sum(counted["vae"]))

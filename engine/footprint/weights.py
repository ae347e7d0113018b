"""The bytes of weights: of the live model by part, and of the parents by what a search moves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
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
    counted, size = _elements(widths), FLOAT_BYTES[precision]
    vae = counted.vae * FLOAT_BYTES[vae_precision]
    return PartBytes(unet=counted.unet * size, text=counted.text * size, vae=vae)


@cache
def _elements(widths: Widths) -> PartBytes:
    """The same with one byte a number."""
    return part_bytes((key, prod(shape)) for key, shape in shapes(widths).items() if fills(key, widths))


def part_bytes(sizes: Iterable[tuple[str, int]]) -> PartBytes:
    """Return the bytes of keys by part; of pairs of a key and its bytes."""
    counted = dict.fromkeys(PARTS, 0)
    for key, size in sizes:
        counted[part_of_key(key)] += size
    return PartBytes(unet=counted["unet"], text=counted["text"], vae=counted["vae"])

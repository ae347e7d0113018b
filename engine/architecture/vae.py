"""Every tensor of the VAE, in the original names: one architecture for SD1, SD2 and SDXL."""

from __future__ import annotations

from collections.abc import Iterator

from engine.architecture.parts import conv, norm
from engine.architecture.widths import LATENT_CHANNELS, NamedShape, Widths


def vae(widths: Widths) -> Iterator[NamedShape]:
    """Yield names, without prefix, and shapes."""
    yield from _encoder(widths.vae)
    yield from _decoder(widths.vae)
    yield from conv("quant_conv", 2 * LATENT_CHANNELS, 2 * LATENT_CHANNELS, 1)
    yield from conv("post_quant_conv", LATENT_CHANNELS, LATENT_CHANNELS, 1)


def _encoder(channels: tuple[int, ...]) -> Iterator[NamedShape]:
    yield from conv("encoder.conv_in", 3, channels[0])
    width = channels[0]
    for level, out in enumerate(channels):
        for number in range(2):
            yield from _residual(f"encoder.down.{level}.block.{number}", width, out)
            width = out
        if level < 3:
            yield from conv(f"encoder.down.{level}.downsample.conv", out, out)
    yield from _middle("encoder.mid", width)
    yield from norm("encoder.norm_out", width)
    yield from conv("encoder.conv_out", width, 2 * LATENT_CHANNELS)


def _decoder(channels: tuple[int, ...]) -> Iterator[NamedShape]:
    width = channels[3]
    yield from conv("decoder.conv_in", LATENT_CHANNELS, width)
    yield from _middle("decoder.mid", width)
    for level in (3, 2, 1, 0):
        for number in range(3):
            yield from _residual(f"decoder.up.{level}.block.{number}", width, channels[level])
            width = channels[level]
        if level > 0:
            yield from conv(f"decoder.up.{level}.upsample.conv", width, width)
    yield from norm("decoder.norm_out", width)
    yield from conv("decoder.conv_out", width, 3)


def _middle(name: str, width: int) -> Iterator[NamedShape]:
    yield from _residual(f"{name}.block_1", width, width)
    yield from norm(f"{name}.attn_1.norm", width)
    for part in ("q", "k", "v", "proj_out"):
        yield from conv(f"{name}.attn_1.{part}", width, width, 1)
    yield from _residual(f"{name}.block_2", width, width)


def _residual(name: str, width: int, out: int) -> Iterator[NamedShape]:
    yield from norm(f"{name}.norm1", width)
    yield from conv(f"{name}.conv1", width, out)
    yield from norm(f"{name}.norm2", out)
    yield from conv(f"{name}.conv2", out, out)
    if width != out:
        yield from conv(f"{name}.nin_shortcut", width, out, 1)

"""Every tensor of the UNet, in the original names of SD1, SD2 and SDXL.

All three are one architecture with different numbers: two residual blocks for each level of the encoder, three for
each of the decoder, and a transformer after each of them where the level has depth. The numbers of ``input_blocks`` and
``output_blocks`` follow from that.
"""

from __future__ import annotations

from collections.abc import Iterator

from engine.architecture.parts import conv, linear, norm
from engine.architecture.widths import LATENT_CHANNELS, NamedShape, Widths

DOWN_BLOCKS = 2
"""The residual blocks of a level of the encoder; the decoder has one more."""


def unet(widths: Widths) -> Iterator[NamedShape]:
    """Yield names, without prefix, and shapes."""
    first, last, time = widths.unet[0], widths.unet[-1], time_width(widths)
    yield from _two_layers("time_embed", first, time)
    if widths.vector:
        yield from _two_layers("label_emb.0", widths.vector, time)
    yield from conv("input_blocks.0.0", widths.inputs, first)
    skips = [first]
    yield from _down(widths, skips)
    yield from _residual("middle_block.0", last, last, time)
    yield from _attention("middle_block.1", last, widths.middle_depth, widths)
    yield from _residual("middle_block.2", last, last, time)
    yield from _up(widths, skips)
    yield from norm("out.0", first)
    yield from conv("out.2", first, LATENT_CHANNELS)


def time_width(widths: Widths) -> int:
    """Return the width of the time embedding, which every residual block reads."""
    return 4 * widths.unet[0]


def _two_layers(name: str, width: int, out: int) -> Iterator[NamedShape]:
    yield from linear(f"{name}.0", width, out)
    yield from linear(f"{name}.2", out, out)


def _down(widths: Widths, skips: list[int]) -> Iterator[NamedShape]:
    number, time = 1, time_width(widths)
    for level, (out, depth) in enumerate(zip(widths.unet, widths.depths, strict=True)):
        for _ in range(DOWN_BLOCKS):
            yield from _residual(f"input_blocks.{number}.0", skips[-1], out, time)
            if depth:
                yield from _attention(f"input_blocks.{number}.1", out, depth, widths)
            skips.append(out)
            number += 1
        if level < len(widths.unet) - 1:
            yield from conv(f"input_blocks.{number}.0.op", out, out)
            skips.append(out)
            number += 1


def _up(widths: Widths, skips: list[int]) -> Iterator[NamedShape]:
    width, time = widths.unet[-1], time_width(widths)
    for number in range(len(skips)):
        stage, place = divmod(number, DOWN_BLOCKS + 1)
        level = len(widths.unet) - 1 - stage
        name, out, depth = f"output_blocks.{number}", widths.unet[level], widths.depths[level]
        yield from _residual(f"{name}.0", width + skips.pop(), out, time)
        if depth:
            yield from _attention(f"{name}.1", out, depth, widths)
        if place == DOWN_BLOCKS and level > 0:
            yield from conv(f"{name}.{2 if depth else 1}.conv", out, out)
        width = out


def _residual(name: str, width: int, out: int, time: int) -> Iterator[NamedShape]:
    yield from norm(f"{name}.in_layers.0", width)
    yield from conv(f"{name}.in_layers.2", width, out)
    yield from linear(f"{name}.emb_layers.1", time, out)
    yield from norm(f"{name}.out_layers.0", out)
    yield from conv(f"{name}.out_layers.3", out, out)
    if width != out:
        yield from conv(f"{name}.skip_connection", width, out, 1)


def _attention(name: str, width: int, depth: int, widths: Widths) -> Iterator[NamedShape]:
    yield from norm(f"{name}.norm", width)
    yield from _projection(f"{name}.proj_in", width, widths)
    for number in range(depth):
        yield from _transformer(f"{name}.transformer_blocks.{number}", width, widths.context)
    yield from _projection(f"{name}.proj_out", width, widths)


def _projection(name: str, width: int, widths: Widths) -> Iterator[NamedShape]:
    if widths.linear_projections:
        yield from linear(name, width, width)
    else:
        yield from conv(name, width, width, 1)


def _transformer(name: str, width: int, context: int) -> Iterator[NamedShape]:
    for number, source in ((1, width), (2, context)):
        yield from linear(f"{name}.attn{number}.to_q", width, width, bias=False)
        yield from linear(f"{name}.attn{number}.to_k", source, width, bias=False)
        yield from linear(f"{name}.attn{number}.to_v", source, width, bias=False)
        yield from linear(f"{name}.attn{number}.to_out.0", width, width)
    yield from linear(f"{name}.ff.net.0.proj", width, 8 * width)  # twice 4 x width: the gate and what it gates
    yield from linear(f"{name}.ff.net.2", 4 * width, width)
    for number in (1, 2, 3):
        yield from norm(f"{name}.norm{number}", width)

"""Every tensor of an SD1 checkpoint: LDM key and shape, for any widths.

SD1 is one architecture; only its widths differ between the real files and tiny ones. The list is what a complete
file must hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

Shape = tuple[int, ...]
Entry = tuple[str, Shape]

UNET = "model.diffusion_model."
VAE = "first_stage_model."
TEXT = "cond_stage_model.transformer.text_model."
LATENT_CHANNELS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Widths:
    """The numbers that tell one SD1-layout file from another; the defaults are SD1.5's."""

    unet: tuple[int, int, int, int] = (320, 640, 1280, 1280)
    vae: tuple[int, int, int, int] = (128, 256, 512, 512)
    text: int = 768
    text_layers: int = 12
    text_hidden: int = 3072
    vocabulary: int = 49408
    positions: int = 77

    def __str__(self) -> str:
        return f"UNet {_row(self.unet)}, VAE {_row(self.vae)}, text {self.text} x {self.text_layers} layers"


def shapes(widths: Widths) -> dict[str, Shape]:
    """Key to shape of all weights and biases; ``position_ids`` and other buffers are not among them."""
    found = {UNET + name: shape for name, shape in _unet(widths)}
    found |= {VAE + name: shape for name, shape in _vae(widths)}
    found |= {TEXT + name: shape for name, shape in _text(widths)}
    return found


def _row(widths: tuple[int, ...]) -> str:
    return ",".join(str(width) for width in widths)


# ----------------------------------------------------------------------------------------------------- small parts


def _norm(name: str, width: int) -> Iterator[Entry]:
    yield f"{name}.weight", (width,)
    yield f"{name}.bias", (width,)


def _linear(name: str, width: int, out: int, *, bias: bool = True) -> Iterator[Entry]:
    yield f"{name}.weight", (out, width)
    if bias:
        yield f"{name}.bias", (out,)


def _conv(name: str, width: int, out: int, side: int = 3) -> Iterator[Entry]:
    yield f"{name}.weight", (out, width, side, side)
    yield f"{name}.bias", (out,)


# ------------------------------------------------------------------------------------------------------------ UNet


def _residual(name: str, width: int, out: int, time: int) -> Iterator[Entry]:
    yield from _norm(f"{name}.in_layers.0", width)
    yield from _conv(f"{name}.in_layers.2", width, out)
    yield from _linear(f"{name}.emb_layers.1", time, out)
    yield from _norm(f"{name}.out_layers.0", out)
    yield from _conv(f"{name}.out_layers.3", out, out)
    if width != out:
        yield from _conv(f"{name}.skip_connection", width, out, 1)


def _attention(name: str, width: int, context: int) -> Iterator[Entry]:
    inner = f"{name}.transformer_blocks.0"
    yield from _norm(f"{name}.norm", width)
    yield from _conv(f"{name}.proj_in", width, width, 1)
    for number, source in ((1, width), (2, context)):
        yield from _linear(f"{inner}.attn{number}.to_q", width, width, bias=False)
        yield from _linear(f"{inner}.attn{number}.to_k", source, width, bias=False)
        yield from _linear(f"{inner}.attn{number}.to_v", source, width, bias=False)
        yield from _linear(f"{inner}.attn{number}.to_out.0", width, width)
    yield from _linear(f"{inner}.ff.net.0.proj", width, 8 * width)  # twice 4 x width: the gate and what it gates
    yield from _linear(f"{inner}.ff.net.2", 4 * width, width)
    for number in (1, 2, 3):
        yield from _norm(f"{inner}.norm{number}", width)
    yield from _conv(f"{name}.proj_out", width, width, 1)


def _unet(widths: Widths) -> Iterator[Entry]:
    channels, context, time = widths.unet, widths.text, 4 * widths.unet[0]
    yield from _linear("time_embed.0", channels[0], time)
    yield from _linear("time_embed.2", time, time)
    yield from _conv("input_blocks.0.0", LATENT_CHANNELS, channels[0])
    skips = [channels[0]]
    yield from _unet_down(channels, context, time, skips)
    yield from _residual("middle_block.0", channels[3], channels[3], time)
    yield from _attention("middle_block.1", channels[3], context)
    yield from _residual("middle_block.2", channels[3], channels[3], time)
    yield from _unet_up(channels, context, time, skips)
    yield from _norm("out.0", channels[0])
    yield from _conv("out.2", channels[0], LATENT_CHANNELS)


def _unet_down(channels: tuple[int, ...], context: int, time: int, skips: list[int]) -> Iterator[Entry]:
    for number in range(1, 12):
        level, place = divmod(number - 1, 3)
        name, out = f"input_blocks.{number}", channels[level]
        if place == 2:
            yield from _conv(f"{name}.0.op", out, out)
        else:
            yield from _residual(f"{name}.0", skips[-1], out, time)
            if level < 3:
                yield from _attention(f"{name}.1", out, context)
        skips.append(out)


def _unet_up(channels: tuple[int, ...], context: int, time: int, skips: list[int]) -> Iterator[Entry]:
    width = channels[3]
    for number in range(12):
        stage, place = divmod(number, 3)
        name, out = f"output_blocks.{number}", channels[3 - stage]
        yield from _residual(f"{name}.0", width + skips.pop(), out, time)
        if stage > 0:
            yield from _attention(f"{name}.1", out, context)
        if place == 2 and stage < 3:
            yield from _conv(f"{name}.{1 if stage == 0 else 2}.conv", out, out)
        width = out


# ------------------------------------------------------------------------------------------------------------- VAE


def _vae_residual(name: str, width: int, out: int) -> Iterator[Entry]:
    yield from _norm(f"{name}.norm1", width)
    yield from _conv(f"{name}.conv1", width, out)
    yield from _norm(f"{name}.norm2", out)
    yield from _conv(f"{name}.conv2", out, out)
    if width != out:
        yield from _conv(f"{name}.nin_shortcut", width, out, 1)


def _vae_middle(name: str, width: int) -> Iterator[Entry]:
    yield from _vae_residual(f"{name}.block_1", width, width)
    yield from _norm(f"{name}.attn_1.norm", width)
    for part in ("q", "k", "v", "proj_out"):
        yield from _conv(f"{name}.attn_1.{part}", width, width, 1)
    yield from _vae_residual(f"{name}.block_2", width, width)


def _vae(widths: Widths) -> Iterator[Entry]:
    yield from _encoder(widths.vae)
    yield from _decoder(widths.vae)
    yield from _conv("quant_conv", 2 * LATENT_CHANNELS, 2 * LATENT_CHANNELS, 1)
    yield from _conv("post_quant_conv", LATENT_CHANNELS, LATENT_CHANNELS, 1)


def _encoder(channels: tuple[int, ...]) -> Iterator[Entry]:
    yield from _conv("encoder.conv_in", 3, channels[0])
    width = channels[0]
    for level, out in enumerate(channels):
        for number in range(2):
            yield from _vae_residual(f"encoder.down.{level}.block.{number}", width, out)
            width = out
        if level < 3:
            yield from _conv(f"encoder.down.{level}.downsample.conv", out, out)
    yield from _vae_middle("encoder.mid", width)
    yield from _norm("encoder.norm_out", width)
    yield from _conv("encoder.conv_out", width, 2 * LATENT_CHANNELS)


def _decoder(channels: tuple[int, ...]) -> Iterator[Entry]:
    width = channels[3]
    yield from _conv("decoder.conv_in", LATENT_CHANNELS, width)
    yield from _vae_middle("decoder.mid", width)
    for level in (3, 2, 1, 0):
        for number in range(3):
            yield from _vae_residual(f"decoder.up.{level}.block.{number}", width, channels[level])
            width = channels[level]
        if level > 0:
            yield from _conv(f"decoder.up.{level}.upsample.conv", width, width)
    yield from _norm("decoder.norm_out", width)
    yield from _conv("decoder.conv_out", width, 3)


# ------------------------------------------------------------------------------------------------------------ text


def _text(widths: Widths) -> Iterator[Entry]:
    width = widths.text
    yield "embeddings.token_embedding.weight", (widths.vocabulary, width)
    yield "embeddings.position_embedding.weight", (widths.positions, width)
    for number in range(widths.text_layers):
        name = f"encoder.layers.{number}"
        for part in ("q_proj", "k_proj", "v_proj", "out_proj"):
            yield from _linear(f"{name}.self_attn.{part}", width, width)
        yield from _norm(f"{name}.layer_norm1", width)
        yield from _linear(f"{name}.mlp.fc1", width, widths.text_hidden)
        yield from _linear(f"{name}.mlp.fc2", widths.text_hidden, width)
        yield from _norm(f"{name}.layer_norm2", width)
    yield from _norm("final_layer_norm", width)

"""LDM keys and the live parameters they fill.

Live means diffusers' ``UNet2DConditionModel`` and ``AutoencoderKL`` and transformers' CLIP text models. Most keys fill
one parameter with all of their tensor; a few of OpenCLIP's fill three, or one transposed
(``engine.architecture.keymap_text``), or none. Shapes are equal but for the eight attention weights of the VAE, which
LDM keeps as 1x1 convolutions, ``(c, c, 1, 1)``, and diffusers as ``(c, c)``.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from engine.architecture.keymap_text import text_parts
from engine.architecture.layout import TEXT, UNET, VAE, Widths, shapes

Component = Literal["unet", "vae", "text", "text_g"]
ENCODERS: tuple[Component, ...] = ("text", "text_g")
"""The text encoders' components, in the order of ``Widths.encoders``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fill:
    """A live parameter, and which part of an LDM tensor it is.

    Attributes:
        component: the module.
        name: the parameter's name in it.
        third: which third of the tensor's rows it is, 0 to 2; None: all of it.
        transposed: whether the parameter is the tensor's transpose.
    """

    component: Component
    name: str
    third: int | None = None
    transposed: bool = False


_UNET = {
    "time_embed.0": "time_embedding.linear_1",
    "time_embed.2": "time_embedding.linear_2",
    "input_blocks.0.0": "conv_in",
    "label_emb.0.0": "add_embedding.linear_1",
    "label_emb.0.2": "add_embedding.linear_2",
    "out.0": "conv_norm_out",
    "out.2": "conv_out",
}
_RESIDUAL = {
    "in_layers.0": "norm1",
    "in_layers.2": "conv1",
    "emb_layers.1": "time_emb_proj",
    "out_layers.0": "norm2",
    "out_layers.3": "conv2",
    "skip_connection": "conv_shortcut",
}
_MIDDLE = {"0": "resnets.0", "1": "attentions.0", "2": "resnets.1"}
_VAE_MIDDLE = {"block_1": "resnets.0", "block_2": "resnets.1", "attn_1": "attentions.0"}
_VAE_ATTENTION = {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}


def fills(key: str, widths: Widths) -> tuple[Fill, ...]:
    """Return the parameters that an LDM key fills in a model of these widths: none for buffers, EMA, unused layers."""
    if key.startswith(UNET):
        return _single_fill("unet", _unet(key.removeprefix(UNET)))
    if key.startswith(VAE):
        return _single_fill("vae", _vae(key.removeprefix(VAE)))
    for component, encoder in zip(ENCODERS, widths.encoders, strict=False):
        if key.startswith(encoder.prefix):
            parts = text_parts(key.removeprefix(encoder.prefix), encoder)
            return tuple(Fill(component=component, name=n, third=t, transposed=turned) for n, t, turned in parts)
    return ()


def unused(widths: Widths) -> frozenset[str]:
    """Return the keys of a complete file that fill no parameter; some files lack them.

    OpenCLIP's ``logit_scale``; with SD2 its projection and the last layer too.
    """
    return frozenset(key for key in shapes(widths) if not fills(key, widths))


def ldm_key(component: Component, name: str) -> str:
    """Return the LDM key that fills a parameter of SD1.

    Raises:
        KeyError: no SD1 model has such a parameter.
    """
    if component == "text":
        return TEXT + name
    return _inverse()[component, name]


@lru_cache(maxsize=1)
def _inverse() -> dict[tuple[Component, str], str]:
    """All keys that SD1 can have with any widths: with four different widths no shortcut is missing."""
    widest = Widths(unet=(1, 2, 3, 4), vae=(1, 2, 3, 4), text_layers=0)
    return {(fill.component, fill.name): key for key in shapes(widest) for fill in fills(key, widest)}


def _single_fill(component: Component, name: str | None) -> tuple[Fill, ...]:
    return (Fill(component=component, name=name),) if name else ()


def _renamed(tail: str, names: dict[str, str]) -> str | None:
    """``tail`` with the module in front of ``.weight`` or ``.bias`` renamed."""
    module, _, kind = tail.rpartition(".")
    return f"{names[module]}.{kind}" if module in names else None


def _unet(name: str) -> str | None:
    if found := _renamed(name, _UNET):
        return found
    side, _, rest = name.partition(".")
    if side == "middle_block":
        number, _, tail = rest.partition(".")
        return _inner(f"mid_block.{_MIDDLE[number]}", tail) if number in _MIDDLE else None
    if side in {"input_blocks", "output_blocks"} and rest.count(".") > 2:
        block, part, tail = rest.split(".", 2)
        return _input_block(int(block), part, tail) if side == "input_blocks" else _output_block(int(block), part, tail)
    return None


def _input_block(number: int, part: str, tail: str) -> str | None:
    level, place = divmod(number - 1, 3)
    if tail.startswith("op."):
        return f"down_blocks.{level}.downsamplers.0.conv.{tail.removeprefix('op.')}"
    return _inner(f"down_blocks.{level}.{_layer(part)}.{place}", tail)


def _output_block(number: int, part: str, tail: str) -> str | None:
    level, place = divmod(number, 3)
    if tail.startswith("conv."):
        return f"up_blocks.{level}.upsamplers.0.{tail}"
    return _inner(f"up_blocks.{level}.{_layer(part)}.{place}", tail)


def _layer(part: str) -> str:
    return "resnets" if part == "0" else "attentions"


def _inner(module: str, tail: str) -> str | None:
    renamed = tail if "attentions" in module else _renamed(tail, _RESIDUAL)
    return f"{module}.{renamed}" if renamed else None


def _vae(name: str) -> str | None:
    side, _, rest = name.partition(".")
    if side in {"quant_conv", "post_quant_conv"}:
        return name
    if side not in {"encoder", "decoder"}:
        return None
    found = _vae_side(rest)
    return f"{side}.{found}" if found else None


def _vae_side(name: str) -> str | None:
    parts = name.replace("nin_shortcut", "conv_shortcut").split(".")
    match parts:
        case ["conv_in" | "conv_out", kind]:
            return f"{parts[0]}.{kind}"
        case ["norm_out", kind]:
            return f"conv_norm_out.{kind}"
        case ["mid", "attn_1", part, kind] if part in _VAE_ATTENTION:
            return f"mid_block.attentions.0.{_VAE_ATTENTION[part]}.{kind}"
        case ["mid", block, *tail] if block in _VAE_MIDDLE:
            return ".".join(("mid_block", _VAE_MIDDLE[block], *tail))
        case ["down" | "up" as direction, level, *tail]:
            return _vae_level(direction, int(level), tail)
        case _:
            return None


def _vae_level(direction: str, level: int, parts: list[str]) -> str | None:
    block = f"down_blocks.{level}" if direction == "down" else f"up_blocks.{3 - level}"  # diffusers counts from below
    match parts:
        case ["block", number, *tail]:
            return ".".join((block, "resnets", number, *tail))
        case ["downsample" | "upsample" as step, *tail]:
            return ".".join((block, f"{step}rs.0", *tail))
        case _:
            return None

"""The model family of a checkpoint, recognised by its keys, and its widths.

SD1, SD2 and SDXL can be merged; other families are recognised so that messages can name them. Widths are read from the
shapes, so that full-size and tiny files are read in the same way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Literal

from engine.architecture.widths import (
    LATENT_CHANNELS,
    REAL,
    SD2_TEXT,
    SDXL_TEXT_G,
    SDXL_TEXT_L,
    TEXT,
    UNET,
    VAE,
    FamilyName,
    Shape,
    Widths,
)

Variant = Literal["standard", "inpainting", "instruct-pix2pix"]
"""What a UNet reads: latents alone; with a mask and a picture; with a picture."""

TITLES: dict[FamilyName, str] = {"sd1": "an SD1 checkpoint", "sd2": "an SD2 checkpoint", "sdxl": "an SDXL checkpoint"}
"""The families in messages."""

# Parts of keys by which other files are recognised, and their names: files with an original UNet, then files without.
_OTHER_FAMILIES = (
    ("double_blocks.", "a FLUX checkpoint"),
    ("joint_blocks.", "an SD3 checkpoint"),
    ("conditioner.embedders.0.model.", "an SDXL refiner"),
)
_OTHER_KINDS = (
    ("lora_", "a LoRA"),
    ("control_model.", "a ControlNet"),
    ("down_blocks.", "a model in the diffusers layout, not an original single file"),
    ("text_model.encoder.", "a text encoder alone"),
    ("transformer.resblocks.", "a text encoder alone"),
    ("decoder.up.", "a VAE alone"),
)
_VARIANTS: dict[int, Variant] = {LATENT_CHANNELS: "standard", 9: "inpainting", 8: "instruct-pix2pix"}
_OTHER_INPUTS = {5: "a depth-to-image checkpoint", 7: "an upscaling checkpoint"}

_PARTS = (UNET, "cond_stage_model.", "conditioner.embedders.")  # what a checkpoint has, if not whole
_FIRST = f"{UNET}input_blocks.0.0.weight"
_LABEL = f"{UNET}label_emb.0.0.weight"
_CONTEXTS: dict[int, FamilyName] = {1024: "sd2", 2048: "sdxl"}


def foreign(keys: Mapping[str, Shape]) -> str | None:
    """Return what a file seems to be if it is no SD1, SD2 or SDXL checkpoint, for a message; None if it is one."""
    if family := _marked(keys, _OTHER_FAMILIES):
        return family
    if not any(key.startswith(_PARTS) for key in keys):
        return _marked(keys, _OTHER_KINDS) or "no Stable Diffusion checkpoint that is known here"
    if (inputs := _inputs(keys)) in _VARIANTS:
        return None
    return _OTHER_INPUTS.get(inputs, f"a checkpoint whose UNet reads {inputs} channels")


def family_of(keys: Mapping[str, Shape]) -> FamilyName | None:
    """Return the family of a checkpoint with these keys and shapes; None for what ``foreign`` names.

    The text encoders decide. Where they are missing the UNet decides, and it is SD1 unless it has the width of another
    family, so that a message can name what is missing.
    """
    if foreign(keys):
        return None
    if _LABEL in keys or any(key.startswith("conditioner.embedders.") for key in keys):
        return "sdxl"
    if any(key.startswith(SD2_TEXT) for key in keys):
        return "sd2"
    if any(key.startswith("cond_stage_model.") for key in keys):
        return "sd1"
    return _CONTEXTS.get(_dimension(keys, f"{UNET}middle_block.1.transformer_blocks.0.attn2.to_k.weight", 1, 0), "sd1")


def no_pictures(widths: Widths) -> str | None:
    """Return why models of these widths cannot make pictures from prompts alone; None where they can."""
    if (variant := _VARIANTS.get(widths.inputs)) == "standard":
        return None
    return (
        f"the UNet reads {widths.inputs} channels ({variant or 'unknown kind'}) where text to picture has "
        f"{LATENT_CHANNELS}: it needs a picture besides the prompt, so no pictures can be made with it here. Merge it "
        "without rendering, or take the model's standard version"
    )


def read_widths(keys: Mapping[str, Shape]) -> Widths:
    """Return the widths that the shapes show; for missing keys the family's, so that messages can name these keys."""
    family = family_of(keys) or "sd1"
    real = REAL[family]
    unet = [_dimension(keys, f"{UNET}input_blocks.{n}.0.in_layers.2.weight", 0, w) for n, w in _first_of_level(real)]
    vae = [_dimension(keys, f"{VAE}encoder.down.{i}.block.0.conv1.weight", 0, real.vae[i]) for i in range(4)]
    return replace(
        real,
        unet=tuple(unet),
        depths=tuple(_depth(keys, number, real.depths[i]) for i, (number, _) in enumerate(_first_of_level(real))),
        inputs=_inputs(keys),
        vector=_dimension(keys, _LABEL, 1, real.vector),
        vae=(vae[0], vae[1], vae[2], vae[3]),
        **_text_widths(keys, real),
    )


def _first_of_level(widths: Widths) -> list[tuple[int, int]]:
    """The number of the first input block of each level of the UNet, and the level's width."""
    return [(1 + 3 * level, width) for level, width in enumerate(widths.unet)]


def _depth(keys: Mapping[str, Shape], block: int, default: int) -> int:
    """Transformer blocks in an input block; where the family has some, missing ones are reported as missing keys."""
    if not default:
        return 0
    return _count(keys, f"{UNET}input_blocks.{block}.1.transformer_blocks.", default)


def _text_widths(keys: Mapping[str, Shape], real: Widths) -> dict[str, int]:
    if real.family == "sd2":
        width, layers, hidden = _openclip_widths(keys, SD2_TEXT, (real.text, real.text_layers, real.text_hidden))
        tables = f"{SD2_TEXT}token_embedding.weight", f"{SD2_TEXT}positional_embedding"
    else:
        prefix = TEXT if real.family == "sd1" else SDXL_TEXT_L
        tables = f"{prefix}embeddings.token_embedding.weight", f"{prefix}embeddings.position_embedding.weight"
        width = _dimension(keys, tables[0], 1, real.text)
        layers = _count(keys, f"{prefix}encoder.layers.", real.text_layers)
        hidden = _dimension(keys, f"{prefix}encoder.layers.0.mlp.fc1.weight", 0, real.text_hidden)
    found = {"text": width, "text_layers": layers, "text_hidden": hidden}
    if real.family == "sdxl":
        second = _openclip_widths(keys, SDXL_TEXT_G, (real.text_g, real.text_g_layers, real.text_g_hidden))
        found |= dict(zip(("text_g", "text_g_layers", "text_g_hidden"), second, strict=True))
    found["vocabulary"] = _dimension(keys, tables[0], 0, real.vocabulary)
    found["positions"] = _dimension(keys, tables[1], 0, real.positions)
    return found


def _openclip_widths(keys: Mapping[str, Shape], prefix: str, real: tuple[int, int, int]) -> tuple[int, int, int]:
    """Width, layers and hidden width of an OpenCLIP encoder."""
    blocks = f"{prefix}transformer.resblocks."
    return (
        _dimension(keys, f"{prefix}token_embedding.weight", 1, real[0]),
        _count(keys, blocks, real[1]),
        _dimension(keys, f"{blocks}0.mlp.c_fc.weight", 0, real[2]),
    )


def _marked(keys: Iterable[str], marks: tuple[tuple[str, str], ...]) -> str | None:
    return next((name for mark, name in marks if any(mark in key for key in keys)), None)


def _inputs(keys: Mapping[str, Shape]) -> int:
    return _dimension(keys, _FIRST, 1, LATENT_CHANNELS)


def _dimension(keys: Mapping[str, Shape], key: str, place: int, default: int) -> int:
    shape = keys.get(key, ())
    return shape[place] if len(shape) > place else default


def _count(keys: Iterable[str], prefix: str, default: int) -> int:
    """How many numbered parts follow ``prefix``, by the highest number."""
    numbers = {key.removeprefix(prefix).split(".")[0] for key in keys if key.startswith(prefix)}
    return max((int(number) + 1 for number in numbers if number.isdecimal()), default=default)

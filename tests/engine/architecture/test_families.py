"""Telling a family, a variant and the widths from keys and shapes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.architecture.families import family_of, foreign, no_pictures, read_widths
from engine.architecture.layout import UNET, Shape, Widths, shapes
from engine.architecture.widths import REAL, SD1, SD2, SDXL, FamilyName
from tests.engine.architecture.test_layout import TINY_SDXL

TINY_SD2 = replace(SD2, unet=(32, 64, 64, 96), vae=(32, 32, 64, 64), text=64, text_layers=3, text_hidden=128)
ALL = [SD1, SD2, SDXL, TINY_SD2, TINY_SDXL, replace(SD1, inputs=9), replace(SDXL, inputs=8)]


@pytest.mark.parametrize("widths", ALL, ids=str)
def test_widths_and_family_come_back_from_the_shapes(widths: Widths) -> None:
    keys = shapes(widths)
    assert foreign(keys) is None
    assert family_of(keys) == widths.family
    assert read_widths(keys) == widths


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
@pytest.mark.parametrize("part", ["cond", "first_stage_model.", UNET])
def test_a_missing_part_does_not_hide_the_family(family: FamilyName, part: str) -> None:
    """The widths are the family's own then, so that what is missing can be counted and named."""
    left = {key: shape for key, shape in shapes(REAL[family]).items() if not key.startswith(part)}
    assert family_of(left) == family
    assert read_widths(left) == REAL[family]


def test_old_text_names_are_sd1() -> None:
    assert family_of({"cond_stage_model.transformer.embeddings.token_embedding.weight": (49408, 768)}) == "sd1"


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (f"{UNET}double_blocks.0.img_attn.qkv.weight", "a FLUX checkpoint"),
        (f"{UNET}joint_blocks.0.x_block.attn.qkv.weight", "an SD3 checkpoint"),
        ("conditioner.embedders.0.model.ln_final.weight", "an SDXL refiner"),
        ("lora_unet_down_blocks_0.lora_down.weight", "a LoRA"),
        ("control_model.input_blocks.0.0.weight", "a ControlNet"),
        ("down_blocks.0.resnets.0.conv1.weight", "a model in the diffusers layout, not an original single file"),
        ("text_model.encoder.layers.0.mlp.fc1.weight", "a text encoder alone"),
        ("transformer.resblocks.0.mlp.c_fc.weight", "a text encoder alone"),
        ("decoder.up.0.block.0.conv1.weight", "a VAE alone"),
        ("something.weight", "no Stable Diffusion checkpoint that is known here"),
    ],
)
def test_other_files_are_named(key: str, name: str) -> None:
    keys: dict[str, Shape] = {key: (2, 2)}
    assert foreign(keys) == name
    assert family_of(keys) is None


@pytest.mark.parametrize(
    ("inputs", "name"),
    [
        (5, "a depth-to-image checkpoint"),
        (7, "an upscaling checkpoint"),
        (12, "a checkpoint whose UNet reads 12 ch"),
    ],
)
def test_unknown_inputs_are_named(inputs: int, name: str) -> None:
    keys = shapes(replace(SD2, inputs=inputs))
    assert str(foreign(keys)).startswith(name)
    assert family_of(keys) is None


@pytest.mark.parametrize("widths", [SD1, SD2, SDXL], ids=["sd1", "sd2", "sdxl"])
@pytest.mark.parametrize("inputs", [4, 9, 8])
def test_variants_are_told_by_the_first_convolution(widths: Widths, inputs: int) -> None:
    keys = shapes(replace(widths, inputs=inputs))
    assert read_widths(keys) == replace(widths, inputs=inputs)
    assert family_of(keys) == widths.family


def test_variants_make_no_pictures_and_say_why() -> None:
    assert no_pictures(SD1) is None
    assert no_pictures(SDXL) is None
    for inputs, variant in ((9, "inpainting"), (8, "instruct-pix2pix")):
        reason = no_pictures(replace(SD1, inputs=inputs))
        assert reason is not None
        assert f"reads {inputs} channels ({variant})" in reason

from __future__ import annotations

from typing import Any

import pytest
import torch
from diffusers.loaders.single_file_utils import (
    convert_ldm_clip_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
    convert_open_clip_checkpoint,
)
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

from engine.architecture.configs import ModelFamily
from engine.architecture.keymap import Component, fills, ldm_key, unused
from engine.architecture.layout import UNET, VAE, Widths, shapes
from engine.architecture.widths import REAL, SD1, SD2, SD2_TEXT, SDXL, SDXL_TEXT_G
from engine.live.model import LiveModel, part_of
from tests.engine.models.tiny import TINY
from tests.engine.models.tiny_families import TINY_SD2, TINY_SDXL

ALL = [SD1, SD2, SDXL]
NAMES = list(REAL)


def hollow(widths: Widths) -> dict[str, Tensor]:
    """A whole file without memory."""
    return {key: torch.empty(shape, device="meta") for key, shape in shapes(widths).items()}


def ours(widths: Widths, component: Component) -> dict[str, str]:
    """Parameter name to key, of keys that fill one parameter."""
    found = [(fill, key) for key in shapes(widths) for fill in fills(key, widths) if fill.component == component]
    return {fill.name: key for fill, key in found}


@pytest.mark.parametrize(("widths", "count"), [(SD1, 686), (SD2, 686), (SDXL, 1680)], ids=NAMES)
def test_the_map_is_diffusers_own_for_the_unet(widths: Widths, count: int) -> None:
    full = hollow(widths)
    config = {"class_embed_type": None, "addition_embed_type": None, **ModelFamily(widths=widths).unet_config()}
    theirs = convert_ldm_unet_checkpoint(dict(full), config)
    keys = {id(tensor): key for key, tensor in full.items()}
    assert {name: keys[id(tensor)] for name, tensor in theirs.items()} == ours(widths, "unet")
    assert len(theirs) == count


def test_the_map_is_diffusers_own_for_the_vae() -> None:
    part = {
        key: torch.tensor([float(n)]).reshape(1, *(1,) * (len(shape) - 1))
        for n, (key, shape) in enumerate(shapes(SD1).items())
        if VAE in key
    }
    theirs = convert_ldm_vae_checkpoint(part, ModelFamily(widths=SD1).vae_config())  # it reshapes: numbers are the keys
    keys = {float(tensor.flatten()[0]): key for key, tensor in part.items()}
    assert {name: keys[float(tensor.flatten()[0])] for name, tensor in theirs.items()} == ours(SD1, "vae")
    assert len(theirs) == 248
    assert ours(SDXL, "vae") == ours(SD2, "vae") == ours(SD1, "vae")


@pytest.mark.parametrize("widths", [SD1, SDXL], ids=["sd1", "sdxl"])
def test_the_map_is_diffusers_own_for_clip(widths: Widths) -> None:
    full = hollow(widths)
    theirs = convert_ldm_clip_checkpoint(dict(full))
    keys = {id(tensor): key for key, tensor in full.items()}
    found = {name.removeprefix("text_model."): keys[id(tensor)] for name, tensor in theirs.items()}
    assert found == ours(widths, "text")
    assert len(theirs) == 196


@pytest.mark.parametrize(
    ("widths", "prefix", "component", "count"),
    [(TINY_SD2, SD2_TEXT, "text", 52), (TINY_SDXL, SDXL_TEXT_G, "text_g", 53)],
    ids=["sd2", "sdxl"],
)
def test_the_parts_are_diffusers_own_for_openclip(
    widths: Widths, prefix: str, component: Component, count: int
) -> None:
    """Values, not only names: rows are cut and the projection is turned."""
    full = {key: torch.randn(shape) for key, shape in shapes(widths).items() if key.startswith(prefix)}
    some: Any = CLIPTextModel(CLIPTextConfig(hidden_size=64, num_hidden_layers=1, num_attention_heads=1))
    theirs = convert_open_clip_checkpoint(some, full, prefix=prefix)
    found = {
        fill.name: part_of(fill, value).contiguous()
        for key, value in full.items()
        for fill in fills(key, widths)
        if fill.component == component
    }
    assert len(found) == count
    for name, value in found.items():
        assert torch.equal(value, theirs[name if name in theirs else f"text_model.{name}"]), name


@pytest.mark.parametrize("widths", [*ALL, TINY, TINY_SD2, TINY_SDXL], ids=str)
def test_every_parameter_has_one_key_and_takes_its_elements(widths: Widths) -> None:
    live = LiveModel.empty(widths)
    names = [(fill.component, fill.name) for key in live.shapes for fill in fills(key, widths)]
    expected = [(part, name) for part, module in live.modules.items() for name, _ in module.named_parameters()]
    assert sorted(names) == sorted(expected)
    for key, shape in live.shapes.items():
        for fill, parameter in zip(fills(key, widths), live.parameters_of(key), strict=True):
            part = part_of(fill, torch.empty(shape, device="meta"))
            square = key.startswith(VAE) and ".attn_1." in key and parameter.ndim == 2
            assert tuple(parameter.shape) == (tuple(part.shape)[:2] if square else tuple(part.shape)), key


def test_what_no_parameter_needs_is_known() -> None:
    assert unused(SD1) == frozenset()
    assert unused(SDXL) == {f"{SDXL_TEXT_G}logit_scale"}
    last = {key for key in shapes(SD2) if ".resblocks.23." in key}
    assert unused(SD2) == {f"{SD2_TEXT}logit_scale", f"{SD2_TEXT}text_projection", *last}
    assert len(last) == 12


def test_the_inverse_goes_back() -> None:
    for key in shapes(SD1):
        (fill,) = fills(key, SD1)
        assert ldm_key(fill.component, fill.name) == key


def test_other_keys_have_no_parameter() -> None:
    for key in (
        "cond_stage_model.transformer.text_model.embeddings.position_ids",
        "model_ema.diffusion_modelinput_blocks00weight",
        "alphas_cumprod",
        f"{UNET}middle_block.3.in_layers.0.weight",
        f"{VAE}loss.logvar",
        f"{VAE}encoder.tail.weight",
    ):
        assert fills(key, SD1) == (), key
    for key in (f"{SDXL_TEXT_G}logit_scale", f"{SDXL_TEXT_G}transformer.resblocks.0.tail.weight", f"{SDXL_TEXT_G}x.y"):
        assert fills(key, SDXL) == (), key


def test_an_unknown_parameter_has_no_key() -> None:
    with pytest.raises(KeyError):
        ldm_key("unet", "conv_middle.weight")

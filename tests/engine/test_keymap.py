from __future__ import annotations

import pytest
import torch
from diffusers.loaders.single_file_utils import (
    convert_ldm_clip_checkpoint,
    convert_ldm_unet_checkpoint,
    convert_ldm_vae_checkpoint,
)
from torch import Tensor

from engine.configs import Family
from engine.keymap import ldm_key, live_name
from engine.layout import UNET, VAE, Widths, shapes
from engine.live import LiveModel

FULL = Widths()


@pytest.fixture(scope="module")
def full() -> dict[str, Tensor]:
    """SD1.5 at full size, without memory."""
    return {key: torch.empty(shape, device="meta") for key, shape in shapes(FULL).items()}


def test_the_map_is_diffusers_own_for_the_unet(full: dict[str, Tensor]) -> None:
    config = {**Family(widths=FULL).unet_config(), "class_embed_type": None, "addition_embed_type": None}
    theirs = convert_ldm_unet_checkpoint(dict(full), config)
    keys = {id(tensor): key for key, tensor in full.items()}
    assert {name: keys[id(tensor)] for name, tensor in theirs.items()} == ours(full, "unet")
    assert len(theirs) == 686


def test_the_map_is_diffusers_own_for_the_vae(full: dict[str, Tensor]) -> None:
    part = {
        key: torch.tensor([float(n)]).reshape(1, *(1,) * (full[key].ndim - 1))
        for n, key in enumerate(full)
        if VAE in key
    }
    theirs = convert_ldm_vae_checkpoint(part, Family(widths=FULL).vae_config())  # it reshapes, so numbers tell the keys
    keys = {float(tensor.flatten()[0]): key for key, tensor in part.items()}
    assert {name: keys[float(tensor.flatten()[0])] for name, tensor in theirs.items()} == ours(full, "vae")
    assert len(theirs) == 248


def test_the_map_is_diffusers_own_for_the_text_encoder(full: dict[str, Tensor]) -> None:
    theirs = convert_ldm_clip_checkpoint(dict(full))
    keys = {id(tensor): key for key, tensor in full.items()}
    found = {name.removeprefix("text_model."): keys[id(tensor)] for name, tensor in theirs.items()}
    assert found == ours(full, "text")
    assert len(theirs) == 196


def ours(full: dict[str, Tensor], component: str) -> dict[str, str]:
    return {found[1]: key for key in full if (found := live_name(key)) and found[0] == component}


@pytest.mark.parametrize(
    "widths", [FULL, Widths(unet=(32, 64, 64, 64), vae=(32, 32, 64, 64), text=64, text_layers=3, text_hidden=256)]
)
def test_every_parameter_has_one_key_of_its_shape(widths: Widths) -> None:
    live, expected = LiveModel.empty(widths), shapes(widths)
    assert sorted(live.keys()) == sorted(expected)
    for key, shape in expected.items():
        parameter = live.parameter(key)
        square = key.startswith(VAE) and ".attn_1." in key and parameter.ndim == 2
        assert tuple(parameter.shape) == (shape[:2] if square else shape), key


def test_the_inverse_goes_back(full: dict[str, Tensor]) -> None:
    for key in full:
        found = live_name(key)
        assert found is not None
        assert ldm_key(*found) == key


def test_other_keys_have_no_parameter() -> None:
    for key in (
        "cond_stage_model.transformer.text_model.embeddings.position_ids",
        "model_ema.diffusion_modelinput_blocks00weight",
        "alphas_cumprod",
        f"{UNET}label_emb.0.0.weight",
        f"{UNET}middle_block.3.in_layers.0.weight",
        f"{VAE}loss.logvar",
        f"{VAE}encoder.tail.weight",
    ):
        assert live_name(key) is None, key


def test_an_unknown_parameter_has_no_key() -> None:
    with pytest.raises(KeyError):
        ldm_key("unet", "add_embedding.linear_1.weight")

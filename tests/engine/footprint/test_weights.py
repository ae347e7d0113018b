"""Bytes of weights, by part, equal what the live model of such widths has."""

from __future__ import annotations

import pytest

from engine.architecture.widths import REAL, SDXL, FamilyName
from engine.footprint.weights import PartBytes, live_bytes, part_bytes, part_of_key
from engine.live.model import LiveModel


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_the_live_model_has_as_many_bytes(family: FamilyName) -> None:
    live = LiveModel.empty(REAL[family])
    elements = {name: sum(one.numel() for one in module.parameters()) for name, module in live.modules.items()}
    text = sum(elements.values()) - elements["unet"] - elements["vae"]
    found = live_bytes(REAL[family], "fp16", "fp32")
    assert found == PartBytes(unet=2 * elements["unet"], text=2 * text, vae=4 * elements["vae"])


def test_half_the_bytes_in_half_precision() -> None:
    full, half = live_bytes(SDXL, "fp32", "fp32"), live_bytes(SDXL, "bf16", "fp16")
    assert full == half + half
    assert full.total == full.unet + full.text + full.vae


def test_keys_belong_to_parts() -> None:
    keys = {
        "model.diffusion_model.out.2.weight": "unet",
        "first_stage_model.decoder.conv_in.weight": "vae",
        "cond_stage_model.transformer.text_model.final_layer_norm.bias": "text",
        "conditioner.embedders.1.model.ln_final.bias": "text",
    }
    assert {key: part_of_key(key) for key in keys} == keys
    assert part_bytes((key, 2) for key in keys) == PartBytes(unet=2, vae=2, text=4)

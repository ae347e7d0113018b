"""The narrowest live model: what the tests of prompts and pictures render with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextModel

from engine.architecture.layout import Widths
from tests.engine.models.tiny import modules

NARROWEST = Widths(unet=(32, 32, 32, 32), vae=(32, 32, 32, 32), text=32, text_layers=3, text_hidden=64)


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyModel:
    """What ``engine.rendering.renderer`` asks of a model."""

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoder: CLIPTextModel


def tiny_model(seed: int = 0) -> TinyModel:
    """Random weights, the same for the same seed."""
    parts = modules(NARROWEST, seed)
    return TinyModel(
        unet=cast("UNet2DConditionModel", parts["unet"]),
        vae=cast("AutoencoderKL", parts["vae"]),
        text_encoder=cast("CLIPTextModel", parts["text"]),
    )

"""Small real diffusion models with fixed random weights, for the tests of what only needs modules."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import nn
from transformers import CLIPTextConfig, CLIPTextModel


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyModel:
    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoder: CLIPTextModel


def tiny_model(seed: int = 0) -> TinyModel:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = TinyModel(unet=_unet(), vae=_vae(), text_encoder=_text_encoder())
        for module in (model.unet, model.vae, model.text_encoder):
            _shake(module)
    return model


def _shake(module: nn.Module) -> None:
    module.eval().requires_grad_(False)
    for parameter in module.parameters():
        parameter.add_(0.02 * torch.randn_like(parameter))


def _unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        block_out_channels=(32, 64, 64, 64),
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        layers_per_block=2,
        attention_head_dim=8,
        cross_attention_dim=64,
    )


def _vae() -> AutoencoderKL:
    return AutoencoderKL(
        block_out_channels=(32, 32, 64, 64),
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=4,
        norm_num_groups=32,
        scaling_factor=0.18215,
    )


def _text_encoder() -> CLIPTextModel:
    config = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=64,
        intermediate_size=256,
        num_attention_heads=1,
        num_hidden_layers=3,
        max_position_embeddings=77,
        hidden_act="quick_gelu",
    )
    return CLIPTextModel(config)

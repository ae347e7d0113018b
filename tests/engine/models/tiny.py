"""Tiny random checkpoints in the real SD1 layout: diffusers' and transformers' own modules, saved under LDM names.

Norm weights and biases are random too: all ones and zeros would hide mistakes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from engine.architecture.keymap import Component, ldm_key
from engine.architecture.layout import Widths

TINY = Widths(unet=(32, 64, 64, 64), vae=(32, 32, 64, 64), text=64, text_layers=3, text_hidden=256)
POSITION_IDS = "cond_stage_model.transformer.text_model.embeddings.position_ids"


def modules(widths: Widths, seed: int) -> dict[Component, nn.Module]:
    """The three modules with random weights, built here independently of ``engine.architecture.families``."""
    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        block_out_channels=widths.unet,
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        layers_per_block=2,
        attention_head_dim=8,
        cross_attention_dim=widths.text,
    )
    vae_config: dict[str, Any] = {
        "block_out_channels": widths.vae,
        "down_block_types": ("DownEncoderBlock2D",) * 4,
        "up_block_types": ("UpDecoderBlock2D",) * 4,
        "layers_per_block": 2,
        "latent_channels": 4,
        "norm_num_groups": 32,
        "scaling_factor": 0.18215,
    }
    vae = AutoencoderKL(**vae_config)
    text = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=widths.vocabulary,
            hidden_size=widths.text,
            intermediate_size=widths.text_hidden,
            num_attention_heads=1,
            num_hidden_layers=widths.text_layers,
            max_position_embeddings=77,
            hidden_act="quick_gelu",
        )
    )
    found: dict[Component, nn.Module] = {"unet": unet, "vae": vae, "text": text}
    for module in found.values():
        shake(module)
    return found


def shake(module: nn.Module) -> None:
    """Random values everywhere, rounded to fp16, so that a file of either dtype holds the same model."""
    with torch.no_grad():
        for parameter in module.parameters():
            spread = 0.02 if parameter.ndim > 1 else 0.1
            parameter.add_(torch.randn_like(parameter) * spread).copy_(parameter.half().float())
    module.eval().requires_grad_(requires_grad=False)


def tensors(parts: dict[Component, nn.Module], dtype: torch.dtype = torch.float16) -> dict[str, Tensor]:
    """The content of a checkpoint, with ``position_ids`` and a noise table as real files have them."""
    found: dict[str, Tensor] = {}
    for component, module in parts.items():
        for name, parameter in module.named_parameters():
            square = component == "vae" and parameter.ndim == 2
            value = parameter.detach()[:, :, None, None] if square else parameter.detach()
            found[ldm_key(component, name)] = value.to(dtype).contiguous()
    found[POSITION_IDS] = torch.arange(77)[None]
    found["alphas_cumprod"] = torch.linspace(0.9991, 0.0047, 1000)
    return found


def write_tiny(path: Path, seed: int, *, widths: Widths = TINY, dtype: torch.dtype = torch.float16) -> Path:
    """Write a random tiny checkpoint."""
    save_file(tensors(modules(widths, seed), dtype), path, metadata={"format": "pt"})
    return path

"""Tiny random SD2 and SDXL checkpoints: diffusers' and transformers' own modules, saved under their original names.

The modules are built here independently of ``engine.architecture.configs``, and written by rules of their own: what
goes where is ``engine.architecture``'s business, which its ``test_keymap`` compares with diffusers' converters.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from engine.architecture.keymap import Component, Fill, fills
from engine.architecture.layout import Widths, shapes
from tests.engine.models.tiny import shake

TINY_SD2 = Widths(
    family="sd2", unet=(32, 64, 64, 128), vae=(32, 32, 64, 64), text=64, text_layers=3, text_hidden=128,
)  # fmt: skip
TINY_SDXL = Widths(
    family="sdxl", unet=(32, 64, 128), depths=(0, 1, 2), vector=96 + 6 * 32, vae=(32, 32, 64, 64),
    text=64, text_layers=3, text_hidden=128, text_g=96, text_g_layers=3, text_g_hidden=192,
)  # fmt: skip
OTHERS: dict[str, Widths] = {"sd2": TINY_SD2, "sdxl": TINY_SDXL}
V_MARKS = {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}

SD2_UNET: dict[str, Any] = {
    "block_out_channels": (32, 64, 64, 128),
    "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
    "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
    "layers_per_block": 2,
    "attention_head_dim": (1, 1, 1, 2),
    "cross_attention_dim": 64,
    "use_linear_projection": True,
}
SDXL_UNET: dict[str, Any] = {
    "block_out_channels": (32, 64, 128),
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "layers_per_block": 2,
    "transformer_layers_per_block": (1, 1, 2),
    "attention_head_dim": (1, 1, 2),
    "cross_attention_dim": 160,
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 32,
    "projection_class_embeddings_input_dim": 288,
}
VAE_CONFIG: dict[str, Any] = {
    "block_out_channels": (32, 32, 64, 64),
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "layers_per_block": 2,
    "latent_channels": 4,
}


def family_modules(family: Literal["sd2", "sdxl"], seed: int) -> dict[Component, nn.Module]:
    """The modules of a family with random weights, norms included."""
    torch.manual_seed(seed)
    found: dict[Component, nn.Module] = {"vae": AutoencoderKL(**VAE_CONFIG)}
    if family == "sd2":
        found["unet"] = UNet2DConditionModel(**SD2_UNET)
        found["text"] = CLIPTextModel(text_config(64, 128, layers=3, act="gelu"))
    else:
        found["unet"] = UNet2DConditionModel(**SDXL_UNET)
        found["text"] = CLIPTextModel(text_config(64, 128, layers=3, act="quick_gelu"))
        found["text_g"] = CLIPTextModelWithProjection(text_config(96, 192, layers=3, act="gelu"))
    for module in found.values():
        shake(module)
    return found


def text_config(width: int, hidden: int, *, layers: int, act: str) -> CLIPTextConfig:
    return CLIPTextConfig(
        vocab_size=49408,
        hidden_size=width,
        intermediate_size=hidden,
        projection_dim=width,
        num_attention_heads=1,
        num_hidden_layers=layers,
        max_position_embeddings=77,
        hidden_act=act,
        eos_token_id=49407,
    )


def family_tensors(
    widths: Widths, parts: dict[Component, nn.Module], dtype: torch.dtype = torch.float16
) -> dict[str, Tensor]:
    """The content of a checkpoint; what no module holds (``logit_scale``) is random."""
    noise = torch.Generator().manual_seed(0)
    found: dict[str, Tensor] = {}
    for key, shape in shapes(widths).items():
        pieces = [_stored(parts, fill) for fill in fills(key, widths)]
        value = torch.cat(pieces) if pieces else torch.randn(shape, generator=noise) * 0.1
        found[key] = value.reshape(shape).to(dtype).contiguous()
    return found


def _stored(parts: dict[Component, nn.Module], fill: Fill) -> Tensor:
    value = parts[fill.component].get_parameter(fill.name).detach()
    return value.t() if fill.transposed else value


def write_family(
    path: Path, family: Literal["sd2", "sdxl"], seed: int, *, more: dict[str, Tensor] | None = None
) -> Path:
    """Write a random tiny checkpoint of a family, with ``more`` tensors besides."""
    content = family_tensors(OTHERS[family], family_modules(family, seed)) | (more or {})
    save_file(content, path, metadata={"format": "pt"})
    return path

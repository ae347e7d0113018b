"""The sample world's models at their tiny widths, in diffusers and transformers classes."""

# diffusers annotates its models more narrowly than they are:
# pyright: reportArgumentType=false

from __future__ import annotations

from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

LATENT_SCALE = 0.18215  # what every SD1 program multiplies latents by
UNET_CHANNELS = (32, 64, 64, 64)
VAE_CHANNELS = (32, 32, 64, 64)
TEXT_WIDTH = 64
CLIP_CONFIG = {
    "embed_dim": 64,
    "quick_gelu": True,
    "vision_cfg": {"image_size": 64, "layers": 3, "width": 64, "head_width": 32, "patch_size": 8},
    "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 64, "heads": 2, "layers": 2},
}


def new_vae() -> AutoencoderKL:
    """The SD1 VAE at tiny widths."""
    return AutoencoderKL(
        block_out_channels=VAE_CHANNELS,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        layers_per_block=2,
        latent_channels=4,
        norm_num_groups=32,
        scaling_factor=LATENT_SCALE,
    )


def new_unet() -> UNet2DConditionModel:
    """The SD1 UNet at tiny widths: all 25 blocks, eight heads."""
    return UNet2DConditionModel(
        block_out_channels=UNET_CHANNELS,
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        layers_per_block=2,
        attention_head_dim=8,
        cross_attention_dim=TEXT_WIDTH,
    )


def new_text_encoder() -> CLIPTextModel:
    """The SD1 text encoder at a tiny width: three layers of one 64-wide head."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=49408,
            hidden_size=TEXT_WIDTH,
            intermediate_size=4 * TEXT_WIDTH,
            num_attention_heads=1,
            num_hidden_layers=3,
            max_position_embeddings=77,
            hidden_act="quick_gelu",
        )
    )

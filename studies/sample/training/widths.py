"""The sample world's models at their tiny widths, in diffusers and transformers classes."""

# diffusers annotates its models more narrowly than they are:
# pyright: reportArgumentType=false

from __future__ import annotations

from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

LATENT_SCALE = 0.18215
"""What every SD1 program multiplies latents by."""
TEXT_WIDTH = 64
"""Width of what the text encoder gives."""
VAE_CHANNELS = (32, 64, 96, 96)
"""Channels of the VAE's levels, from the picture to the latents."""
UNET_CHANNELS = (32, 64, 96, 96)
"""Channels of the UNet's levels, from 16 x 16 to 2 x 2."""


def new_vae() -> AutoencoderKL:
    """Return the SD1 VAE at tiny widths."""
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
    """Return the SD1 UNet at tiny widths: all 25 blocks, eight heads."""
    return UNet2DConditionModel(
        block_out_channels=UNET_CHANNELS,
        down_block_types=("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
        up_block_types=("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
        layers_per_block=2,
        attention_head_dim=8,
        cross_attention_dim=TEXT_WIDTH,
    )


def new_text_encoder(words: int) -> CLIPTextModel:
    """Return the SD1 text encoder at a tiny width: three layers of one 64-wide head, for a table of ``words`` rows."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=words,
            hidden_size=TEXT_WIDTH,
            intermediate_size=4 * TEXT_WIDTH,
            num_attention_heads=1,
            num_hidden_layers=3,
            max_position_embeddings=77,
            hidden_act="quick_gelu",
            bos_token_id=words - 2,
            eos_token_id=words - 1,
        )
    )

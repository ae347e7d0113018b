"""What is the same for all models of a family, and the configurations of the three live modules.

Head counts are not in the shapes: SD1's UNet always has 8, the text encoder one per 64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from engine.widths import LATENT_CHANNELS, Widths

UNET_HEADS = 8
TEXT_HEAD_WIDTH = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The facts of SD1 that rendering needs, and the configurations of its three modules.

    Attributes:
        widths: the widths of this file.
        prediction: what the UNet predicts; SD1 predicts the noise.
        vae_scale: latents are the encoder's output times this.
        latent_factor: picture pixels per latent pixel, along a side.
        train_steps, beta_start, beta_end: the noise schedule, with the square roots of beta evenly spaced.
    """

    widths: Widths
    name: str = "sd1"
    prediction: str = "epsilon"
    vae_scale: float = 0.18215
    latent_channels: int = LATENT_CHANNELS
    latent_factor: int = 8
    train_steps: int = 1000
    beta_start: float = 0.00085
    beta_end: float = 0.012

    def unet_config(self) -> dict[str, Any]:
        """Arguments of ``diffusers.UNet2DConditionModel``."""
        return {
            "sample_size": 64,
            "block_out_channels": self.widths.unet,
            "down_block_types": ("CrossAttnDownBlock2D",) * 3 + ("DownBlock2D",),
            "up_block_types": ("UpBlock2D",) + ("CrossAttnUpBlock2D",) * 3,
            "layers_per_block": 2,
            "attention_head_dim": UNET_HEADS,  # diffusers' name for the number of heads
            "cross_attention_dim": self.widths.text,
        }

    def vae_config(self) -> dict[str, Any]:
        """Arguments of ``diffusers.AutoencoderKL``."""
        return {
            "sample_size": 512,
            "block_out_channels": self.widths.vae,
            "down_block_types": ("DownEncoderBlock2D",) * 4,
            "up_block_types": ("UpDecoderBlock2D",) * 4,
            "layers_per_block": 2,
            "latent_channels": self.latent_channels,
            "norm_num_groups": 32,
            "scaling_factor": self.vae_scale,
        }

    def text_config(self) -> dict[str, Any]:
        """Arguments of ``transformers.CLIPTextConfig``."""
        return {
            "vocab_size": self.widths.vocabulary,
            "hidden_size": self.widths.text,
            "intermediate_size": self.widths.text_hidden,
            "num_attention_heads": max(1, self.widths.text // TEXT_HEAD_WIDTH),
            "num_hidden_layers": self.widths.text_layers,
            "max_position_embeddings": self.widths.positions,
            "hidden_act": "quick_gelu",
        }

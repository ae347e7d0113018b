"""What a model's family decides about it, and the configurations of its live modules.

Numbers of heads do not show in shapes: SD1's UNet always has 8, everything else one head per 64 channels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from engine.architecture.widths import END, LATENT_CHANNELS, SIZES, FamilyName, TextEncoder, Widths

Prediction = Literal["epsilon", "v"]
"""What a UNet predicts: the noise, or the velocity of Salimans and Ho 2022 (https://arxiv.org/abs/2202.00512)."""

PREDICTIONS: tuple[Prediction, ...] = ("epsilon", "v")
"""All values of ``Prediction``."""
SD1_HEADS = 8
"""The attention heads of every level of SD1's UNet."""
HEAD_WIDTH = 64
"""The channels of a head everywhere else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFamily:
    """The facts that rendering needs of a model, and the configurations of its modules.

    Attributes:
        widths: the widths of this file.
        prediction: what the UNet predicts.
        zero_terminal_snr: whether it was trained on a schedule that ends in pure noise.
    """

    widths: Widths
    prediction: Prediction = "epsilon"
    zero_terminal_snr: bool = False
    latent_channels: int = LATENT_CHANNELS

    @property
    def name(self) -> FamilyName:
        """``sd1``, ``sd2`` or ``sdxl``."""
        return self.widths.family

    @property
    def vae_scale(self) -> float:
        """Latents are the encoder's output times this."""
        return 0.13025 if self.name == "sdxl" else 0.18215

    @property
    def size_width(self) -> int:
        """Channels of each embedded number of SDXL's sizes; 0 for the others."""
        return (self.widths.vector - self.widths.text_g) // SIZES if self.widths.vector else 0

    def unet_config(self) -> dict[str, Any]:
        """Arguments of ``diffusers.UNet2DConditionModel``."""
        widths = self.widths
        attends = [bool(depth) for depth in widths.depths]
        config: dict[str, Any] = {
            "sample_size": {"sd1": 64, "sd2": 96, "sdxl": 128}[self.name],
            "block_out_channels": widths.unet,
            "down_block_types": tuple("CrossAttnDownBlock2D" if there else "DownBlock2D" for there in attends),
            "up_block_types": tuple("CrossAttnUpBlock2D" if there else "UpBlock2D" for there in reversed(attends)),
            "layers_per_block": 2,
            "transformer_layers_per_block": tuple(depth or 1 for depth in widths.depths),  # 1 where it is not read
            "attention_head_dim": self._heads(),  # diffusers' name for the number of heads
            "cross_attention_dim": widths.context,
            "use_linear_projection": widths.linear_projections,
        }
        return config | (self._added() if widths.vector else {})

    def vae_config(self) -> dict[str, Any]:
        """Arguments of ``diffusers.AutoencoderKL``."""
        return {
            "sample_size": 1024 if self.name == "sdxl" else 512,
            "block_out_channels": self.widths.vae,
            "down_block_types": ("DownEncoderBlock2D",) * 4,
            "up_block_types": ("UpDecoderBlock2D",) * 4,
            "layers_per_block": 2,
            "latent_channels": self.latent_channels,
            "norm_num_groups": 32,
            "scaling_factor": self.vae_scale,
        }

    def text_config(self, encoder: TextEncoder) -> dict[str, Any]:
        """Arguments of ``transformers.CLIPTextConfig``."""
        return {
            "vocab_size": encoder.vocabulary,
            "hidden_size": encoder.width,
            "intermediate_size": encoder.hidden,
            "projection_dim": encoder.width,
            "num_attention_heads": _heads(encoder.width),
            "num_hidden_layers": encoder.used_layers,
            "max_position_embeddings": encoder.positions,
            "hidden_act": "quick_gelu" if encoder.kind == "clip" else "gelu",
            "eos_token_id": END,  # with the 2 of older files transformers pools where the highest id stands
        }

    def _heads(self) -> int | tuple[int, ...]:
        return SD1_HEADS if self.name == "sd1" else tuple(_heads(width) for width in self.widths.unet)

    def _added(self) -> dict[str, Any]:
        """How the pooled text and the sizes go in."""
        return {
            "addition_embed_type": "text_time",
            "addition_time_embed_dim": self.size_width,
            "projection_class_embeddings_input_dim": self.widths.vector,
        }


def _heads(width: int) -> int:
    return max(1, width // HEAD_WIDTH)

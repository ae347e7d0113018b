"""The model family of a checkpoint, told from its keys, and what is the same for all of that family.

Only SD1 can be merged; the others are recognised to name them. Widths are read from the shapes, so that real and
tiny files are read alike. Head counts are not in the shapes: the UNet always has 8, the text encoder one per 64.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from engine.layout import LATENT_CHANNELS, TEXT, UNET, VAE, Shape, Widths

UNET_HEADS = 8
TEXT_HEAD_WIDTH = 64

# What files of other kinds have in their keys, and what to call them: with an original UNet inside, and without one.
_OTHER_FAMILIES = (
    ("conditioner.embedders.", "an SDXL checkpoint"),
    ("double_blocks.", "a FLUX checkpoint"),
    ("joint_blocks.", "an SD3 checkpoint"),
    ("cond_stage_model.model.", "an SD2 checkpoint"),
)
_OTHER_KINDS = (
    ("lora_", "a LoRA"),
    ("control_model.", "a ControlNet"),
    ("down_blocks.", "a model in the diffusers layout, not an original single file"),
    ("text_model.encoder.", "a text encoder alone"),
    ("decoder.up.", "a VAE alone"),
)
_OTHER_INPUTS = {9: "an inpainting checkpoint", 8: "an InstructPix2Pix checkpoint"}


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


def foreign(keys: Mapping[str, Shape]) -> str | None:
    """What a file that is no SD1 checkpoint seems to be, for a message; None for SD1."""
    if family := _marked(keys, _OTHER_FAMILIES):
        return family
    if not any(key.startswith(UNET) for key in keys):
        return _marked(keys, _OTHER_KINDS) or "no Stable Diffusion checkpoint that is known here"
    first = keys.get(f"{UNET}input_blocks.0.0.weight", ())
    return _OTHER_INPUTS.get(first[1]) if len(first) > 1 else None


def _marked(keys: Iterable[str], marks: tuple[tuple[str, str], ...]) -> str | None:
    return next((name for mark, name in marks if any(mark in key for key in keys)), None)


def read_widths(keys: Mapping[str, Shape]) -> Widths:
    """The widths that the shapes show; where a telling key is missing, SD1.5's, so that its absence can be named."""
    real = Widths()

    def size(key: str, place: int, default: int) -> int:
        shape = keys.get(key, ())
        return shape[place] if len(shape) > place else default

    unet = [size(f"{UNET}input_blocks.{n}.0.in_layers.2.weight", 0, real.unet[i]) for i, n in enumerate((1, 4, 7, 10))]
    vae = [size(f"{VAE}encoder.down.{i}.block.0.conv1.weight", 0, real.vae[i]) for i in range(4)]
    layers = {
        key.removeprefix(f"{TEXT}encoder.layers.").split(".")[0] for key in keys if key.startswith(f"{TEXT}encoder.")
    }
    return Widths(
        unet=(unet[0], unet[1], unet[2], unet[3]),
        vae=(vae[0], vae[1], vae[2], vae[3]),
        text=size(f"{TEXT}embeddings.token_embedding.weight", 1, real.text),
        text_layers=max((int(n) + 1 for n in layers if n.isdecimal()), default=real.text_layers),
        text_hidden=size(f"{TEXT}encoder.layers.0.mlp.fc1.weight", 0, real.text_hidden),
        vocabulary=size(f"{TEXT}embeddings.token_embedding.weight", 0, real.vocabulary),
        positions=size(f"{TEXT}embeddings.position_embedding.weight", 0, real.positions),
    )

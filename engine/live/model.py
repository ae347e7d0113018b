"""The live model: diffusers' UNet and VAE and transformers' text encoders, made without any hub."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

from engine.architecture.configs import ModelFamily
from engine.architecture.families import no_pictures
from engine.architecture.keymap import ENCODERS, Component, Fill, fills
from engine.architecture.layout import Shape, Widths, shapes
from engine.errors import RenderError


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveModel:
    """The modules of a model, in evaluation mode, without gradients.

    After ``empty`` the parameters have shapes but no memory; ``LiveWeights`` gives them theirs.

    Attributes:
        unet: ``unet(x, t, encoder_hidden_states=c).sample``: x ``(n, 4, h, w)``, c ``(n, 77 k, context width)``; SDXL's
            takes ``added_cond_kwargs`` besides.
        vae: ``vae.decode(latents / family.vae_scale).sample``: ``(n, 3, 8 h, 8 w)`` in -1..1.
        text_encoder: flat ``CLIPTextModel``; its ``hidden_states`` end before ``final_layer_norm``.
        text_encoder_g: SDXL's second encoder; None for the others.
        family: widths, VAE scale, what the UNet predicts, the noise schedule.
        shapes: LDM key to shape of every tensor that fills a parameter.
    """

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    text_encoder_g: CLIPTextModelWithProjection | None
    family: ModelFamily
    shapes: dict[str, Shape]

    @classmethod
    def empty(cls, widths: Widths | ModelFamily) -> LiveModel:
        """A model of these widths with parameters that have no memory yet.

        Args:
            widths: the widths, or a family with the widths and what its UNet predicts.

        Raises:
            RenderError: the UNet reads more than latents, as inpainting models do.
        """
        family = widths if isinstance(widths, ModelFamily) else ModelFamily(widths=widths)
        if reason := no_pictures(family.widths):
            raise RenderError(reason)
        with torch.device("meta"):
            unet = UNet2DConditionModel(**family.unet_config())
            vae = AutoencoderKL(**family.vae_config())
            configs = [CLIPTextConfig(**family.text_config(encoder)) for encoder in family.widths.encoders]
            text, second = CLIPTextModel(configs[0]), [CLIPTextModelWithProjection(config) for config in configs[1:]]
        for module in (unet, vae, text, *second):
            module.eval().requires_grad_(requires_grad=False)
        filling = {key: shape for key, shape in shapes(family.widths).items() if fills(key, family.widths)}
        return cls(
            unet=unet, vae=vae, text_encoder=text, text_encoder_g=second[0] if second else None, family=family,
            shapes=filling,
        )  # fmt: skip

    @property
    def modules(self) -> dict[Component, nn.Module]:
        """The modules by component; ``text_g`` only where there are two text encoders."""
        encoders = [encoder for encoder in (self.text_encoder, self.text_encoder_g) if encoder is not None]
        return {"unet": self.unet, "vae": self.vae, **dict(zip(ENCODERS, encoders, strict=False))}

    def module(self, component: Component) -> nn.Module:
        """One of the modules."""
        return self.modules[component]

    def places(self, key: str) -> list[tuple[nn.Module, str]]:
        """Return the modules that hold the parameters of an LDM key, and the names of their attributes.

        Raises:
            KeyError: the key fills none.
        """
        return [self._place(fill) for fill in self._fills(key)]

    def parameters_of(self, key: str) -> list[nn.Parameter]:
        """Return the parameters that an LDM key fills.

        Raises:
            KeyError: the key fills none.
        """
        return [owner.get_parameter(leaf) for owner, leaf in self.places(key)]

    def bind(self, key: str, memory: Tensor) -> None:
        """Make the parameters of ``key`` views of ``memory``, which is flat or in the shape of the LDM tensor.

        Raises:
            KeyError: the key fills none.
        """
        for fill in self._fills(key):
            owner, leaf = self._place(fill)
            part = part_of(fill, memory.view(self.shapes[key])).view(owner.get_parameter(leaf).shape)
            setattr(owner, leaf, nn.Parameter(part, requires_grad=False))

    def fill_buffers(self, device: torch.device) -> None:
        """Make the text encoders' position numbers, which are not read from checkpoints: some files have wrong ones."""
        positions = torch.arange(self.family.widths.positions, device=device)[None]
        for encoder in (self.text_encoder, getattr(self.text_encoder_g, "text_model", None)):
            if encoder is not None:
                encoder.embeddings.register_buffer("position_ids", positions, persistent=False)
        rest = [name for part in self.modules.values() for name, buffer in part.named_buffers() if buffer.is_meta]
        if rest:
            raise RuntimeError(f"these buffers were never filled: {rest}")

    def _fills(self, key: str) -> tuple[Fill, ...]:
        filled = fills(key, self.family.widths)
        if not filled:
            raise KeyError(key)
        return filled

    def _place(self, fill: Fill) -> tuple[nn.Module, str]:
        path, _, leaf = fill.name.rpartition(".")
        return self.module(fill.component).get_submodule(path), leaf


def part_of(fill: Fill, tensor: Tensor) -> Tensor:
    """Return the part of an LDM tensor that fills a parameter: a view, never a copy."""
    if fill.third is not None:
        tensor = tensor.view(3, tensor.shape[0] // 3, *tensor.shape[1:])[fill.third]
    return tensor.t() if fill.transposed else tensor

"""The live model: diffusers' UNet and VAE and transformers' text encoder, made without any hub."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel

from engine.configs import Family
from engine.keymap import Component, ldm_key, live_name
from engine.layout import Widths


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveModel:
    """The three modules of a model, in evaluation mode, without gradients.

    After ``empty`` the parameters have shapes but no memory; ``LiveWeights`` gives them theirs.

    Attributes:
        unet: ``unet(x, t, encoder_hidden_states=c).sample``: x ``(n, 4, h, w)``, c ``(n, 77 k, text width)``.
        vae: ``vae.decode(latents / family.vae_scale).sample``: ``(n, 3, 8 h, 8 w)`` in -1..1.
        text_encoder: flat ``CLIPTextModel``; its ``hidden_states`` end before ``final_layer_norm``.
        family: widths, VAE scale, what the UNet predicts, the noise schedule.
    """

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    text_encoder: CLIPTextModel
    family: Family

    @classmethod
    def empty(cls, widths: Widths) -> LiveModel:
        """A model of these widths with parameters that have no memory yet."""
        family = Family(widths=widths)
        with torch.device("meta"):
            unet = UNet2DConditionModel(**family.unet_config())
            vae = AutoencoderKL(**family.vae_config())
            text = CLIPTextModel(CLIPTextConfig(**family.text_config()))
        for module in (unet, vae, text):
            module.eval().requires_grad_(requires_grad=False)
        return cls(unet=unet, vae=vae, text_encoder=text, family=family)

    def module(self, component: Component) -> nn.Module:
        """One of the three modules."""
        modules: dict[Component, nn.Module] = {"unet": self.unet, "vae": self.vae, "text": self.text_encoder}
        return modules[component]

    def keys(self) -> Iterator[str]:
        """The LDM key of every parameter."""
        for component in ("unet", "vae", "text"):
            for name, _ in self.module(component).named_parameters():
                yield ldm_key(component, name)

    def parameter(self, key: str) -> nn.Parameter:
        """The parameter that an LDM key fills.

        Raises:
            KeyError: the key fills none.
        """
        owner, leaf = self.place(key)
        return owner.get_parameter(leaf)

    def place(self, key: str) -> tuple[nn.Module, str]:
        """The module that holds the parameter of an LDM key, and the attribute it is.

        Raises:
            KeyError: the key fills none.
        """
        found = live_name(key)
        if found is None:
            raise KeyError(key)
        path, _, leaf = found[1].rpartition(".")
        return self.module(found[0]).get_submodule(path), leaf

    def bind(self, key: str, memory: Tensor) -> None:
        """Let ``memory`` (of the parameter's shape) be the parameter of ``key`` from now on."""
        setattr(*self.place(key), nn.Parameter(memory, requires_grad=False))

    def fill_buffers(self, device: torch.device) -> None:
        """Make the text encoder's position numbers, which no checkpoint is trusted with."""
        positions = torch.arange(self.family.widths.positions, device=device)[None]
        self.text_encoder.embeddings.register_buffer("position_ids", positions, persistent=False)
        rest = [
            name for part in (self.unet, self.vae, self.text_encoder) for name, b in part.named_buffers() if b.is_meta
        ]
        if rest:
            raise RuntimeError(f"these buffers were never filled: {rest}")

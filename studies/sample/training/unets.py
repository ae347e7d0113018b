"""The losses of the UNets and text encoders: of one that knows every look, and of a pair that was made from it.

A pair is trained as what it is for, to be merged. Each step mixes the two by random ratios of their blocks, and the mix
has to draw the look that the plan gives these ratios; what the mix learns goes to both parents, by their shares. So
the parents, every FLAT mix of them and every mix that takes each axis from another parent draw cleanly.
"""

# diffusers and transformers annotate their models more narrowly than they are:
# pyright: reportArgumentType=false, reportAttributeAccessIssue=false, reportCallIssue=false

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch.func import functional_call
from transformers import CLIPTextModel

from engine.architecture.keymap import Component, ldm_key
from engine.recipes.blocks import BLOCKS, block_of
from studies.sample.training.axes import PairPlan, random_ratios
from studies.sample.training.captions import vocabulary_rows, without_text
from studies.sample.training.diffusion import NO_TEXT, diffusion_loss, pick
from studies.sample.training.latents import LatentData
from studies.sample.training.widths import new_text_encoder, new_unet

PIECES = 2
"""Mixes of a step of a pair; each gets its part of the batch."""

Weights = Mapping[str, torch.Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawer:
    """What draws latents from a prompt."""

    unet: UNet2DConditionModel
    text: CLIPTextModel


def new_drawer(device: torch.device) -> Drawer:
    """Return an untrained drawer; on a processor with the attention that is quickest there for such narrow heads."""
    drawer = Drawer(unet=new_unet().to(device), text=new_text_encoder(len(vocabulary_rows())).to(device))
    if device.type == "cpu":
        drawer.unet.set_attn_processor(AttnProcessor())
    return drawer


def base_loss(drawer: Drawer, data: LatentData, batch: int, generator: torch.Generator) -> torch.Tensor:
    """Loss on random drawings of every look; half of the captions name some axes, some captions are dropped."""
    chosen = pick(batch, len(data.latents), generator)
    which = torch.rand(2, batch, generator=generator, device=generator.device)
    ids = torch.where(which[0, :, None] < 0.5, data.plain[chosen], data.partly[chosen])
    context = drawer.text(without_text(ids, which[1] < NO_TEXT)).last_hidden_state

    def denoiser(noised: torch.Tensor, levels: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        return drawer.unet(noised, levels, words).sample

    return diffusion_loss(denoiser, data.latents[chosen], context, generator)


def block_ratios(component: Component, names: Weights, ratios: torch.Tensor) -> dict[str, float]:
    """Return each parameter's ratio, from those of ``BLOCKS``."""
    return {name: float(ratios[BLOCKS.index(block_of(ldm_key(component, name)))]) for name in names}


def mixed(component: Component, first: Weights, second: Weights, ratios: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return both models' parameters, weighted by their blocks' ratios; gradients go to both."""
    by_name = block_ratios(component, first, ratios)
    return {name: torch.lerp(first[name], second[name], by_name[name]) for name in first}


def pair_loss(
    a: Drawer, b: Drawer, plan: PairPlan, data: LatentData, batch: int, generator: torch.Generator
) -> torch.Tensor:
    """Loss of random mixes of two drawers on drawings of the looks that the plan gives them."""
    # The ratios are drawn on the processor, whatever the device: they index lists.
    seed = int(torch.randint(2**31, (1,), generator=generator, device=generator.device))
    numbers = torch.Generator().manual_seed(seed)
    losses = [
        _mix_loss(a, b, plan, data, batch // PIECES, random_ratios(plan, numbers), generator) for _ in range(PIECES)
    ]
    return torch.stack(losses).mean()


def _mix_loss(
    a: Drawer,
    b: Drawer,
    plan: PairPlan,
    data: LatentData,
    batch: int,
    ratios: torch.Tensor,
    generator: torch.Generator,
) -> torch.Tensor:
    chosen = data.alike(plan.amounts(ratios), batch, generator)
    text = mixed("text", dict(a.text.named_parameters()), dict(b.text.named_parameters()), ratios)
    unet = mixed("unet", dict(a.unet.named_parameters()), dict(b.unet.named_parameters()), ratios)
    drop = torch.rand(batch, generator=generator, device=generator.device) < NO_TEXT
    ids = without_text(data.plain[chosen], drop)
    context = functional_call(a.text, text, (ids,)).last_hidden_state

    def denoiser(noised: torch.Tensor, levels: torch.Tensor, words: torch.Tensor) -> torch.Tensor:
        return functional_call(a.unet, unet, (noised, levels, words)).sample

    return diffusion_loss(denoiser, data.latents[chosen], context, generator)


def freeze_what_is_shared(drawer: Drawer) -> None:
    """Leave both parents of a pair alike in the embedding of noise levels and in the tables of tokens and places.

    Dialects do not agree on the block of the first, and the tables are large.
    """
    drawer.unet.time_embedding.requires_grad_(requires_grad=False)
    for name, parameter in drawer.text.named_parameters():
        if "embeddings." in name:
            parameter.requires_grad_(requires_grad=False)

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from engine.architecture.keymap import Component
from engine.checkpoints.checkpoint import open_checkpoint
from engine.live.model import LiveModel
from engine.live.weights import LiveWeights
from engine.recipes.recipe import Recipe
from tests.engine.models.tiny import TINY, modules

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def live(tiny_a: Path) -> LiveModel:
    """The live model of A, out of the file."""
    model = LiveModel.empty(open_checkpoint(tiny_a).widths)
    weights = LiveWeights.load(
        model, {"A": open_checkpoint(tiny_a), "B": open_checkpoint(tiny_a)}, device=CPU, dtype=torch.float32
    )
    weights.build(weights.plan(Recipe.flat(0)))
    return model


@pytest.fixture(scope="module")
def original() -> dict[Component, nn.Module]:
    """The modules that A was written from."""
    return modules(TINY, 1)


def noise(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_the_unet_gives_the_original_output(live: LiveModel, original: dict[Component, nn.Module]) -> None:
    x, context, t = noise(2, 4, 8, 8), noise(2, 77, 64), torch.tensor([500.0, 20.5])
    ours = live.unet(x, t, encoder_hidden_states=context).sample
    assert torch.equal(ours, original["unet"](x, t, encoder_hidden_states=context).sample)


@torch.no_grad()
def test_the_vae_gives_the_original_output(live: LiveModel, original: dict[Component, nn.Module]) -> None:
    latents, pictures = noise(1, 4, 4, 4), noise(1, 3, 32, 32)
    ours: Any = live.vae
    theirs: Any = original["vae"]
    assert torch.equal(ours.decode(latents).sample, theirs.decode(latents).sample)
    assert torch.equal(ours.encode(pictures).latent_dist.mean, theirs.encode(pictures).latent_dist.mean)


@torch.no_grad()
def test_the_text_encoder_gives_the_original_output(live: LiveModel, original: dict[Component, nn.Module]) -> None:
    tokens = torch.randint(0, 49408, (2, 77), generator=torch.Generator().manual_seed(0))
    ours = live.text_encoder(tokens, output_hidden_states=True)
    theirs = original["text"](tokens, output_hidden_states=True)
    assert torch.equal(ours.last_hidden_state, theirs.last_hidden_state)
    assert torch.equal(live.text_encoder.final_layer_norm(ours.hidden_states[-1]), ours.last_hidden_state)


def test_nothing_is_left_without_memory(live: LiveModel) -> None:
    for component in ("unet", "vae", "text"):
        module = live.module(component)
        assert not module.training
        assert not any(p.is_meta or p.requires_grad for p in module.parameters())
        assert not any(buffer.is_meta for buffer in module.buffers())


def test_the_family_facts(live: LiveModel) -> None:
    assert live.family.widths == TINY
    assert live.family.vae_scale == live.vae.config["scaling_factor"] == 0.18215
    assert live.family.prediction == "epsilon"
    assert live.family.latent_channels == 4


def test_head_counts_follow_the_width() -> None:
    assert LiveModel.empty(TINY).text_encoder.config.num_attention_heads == 1
    full = LiveModel.empty(type(TINY)())
    assert full.text_encoder.config.num_attention_heads == 12
    assert sum(p.numel() for p in full.unet.parameters()) == 859_520_964
    assert full.unet.get_submodule("down_blocks.0.attentions.0.transformer_blocks.0.attn1").heads == 8


def test_buffers_have_no_parameter() -> None:
    live = LiveModel.empty(TINY)
    with pytest.raises(KeyError):
        live.parameters_of("cond_stage_model.transformer.text_model.embeddings.position_ids")
    with pytest.raises(KeyError):
        live.bind("alphas_cumprod", torch.zeros(3))

"""Live weights of tiny models, and what tests ask of them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from engine.checkpoints.checkpoint import Checkpoint, open_checkpoint
from engine.live.allocation import Memory
from engine.live.model import LiveModel
from engine.live.weights import LiveWeights
from engine.recipes.recipe import Recipe

FLOATS = (torch.float16, torch.bfloat16, torch.float32)
"""The dtypes of the second parent's tensors, in turn."""
CPU = torch.device("cpu")
UNET = "model.diffusion_model."
QUERY = f"{UNET}output_blocks.5.1.transformer_blocks.0.attn1.to_q.weight"


def loaded(files: Mapping[str, Checkpoint], parents: str = "auto", memory: Memory | None = None) -> LiveWeights:
    fresh = {name: open_checkpoint(checkpoint.path) for name, checkpoint in files.items()}
    live = LiveModel.empty(fresh["A"].widths)
    return LiveWeights.load(live, fresh, device=CPU, dtype=torch.float16, parents=parents, memory=memory)


def build(weights: LiveWeights, recipe: Recipe) -> None:
    weights.build(weights.plan(recipe))


def values(weights: LiveWeights) -> dict[str, Tensor]:
    return {key: weights.read(key).clone() for key in weights.keys}


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[key]) for key, value in one.items())

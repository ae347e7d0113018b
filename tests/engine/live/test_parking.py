from __future__ import annotations

from pathlib import Path

import pytest
import torch

from engine.checkpoints.checkpoint import open_checkpoint
from engine.live.model import LiveModel
from engine.live.weights import LiveWeights
from engine.recipes.recipe import Recipe

QUERY = "model.diffusion_model.output_blocks.5.1.transformer_blocks.0.attn1.to_q.weight"
NORM = "cond_stage_model.transformer.text_model.final_layer_norm.weight"
CONV = "first_stage_model.decoder.conv_in.weight"


@pytest.fixture(scope="module")
def weights(tiny_a: Path, tiny_b: Path) -> LiveWeights:
    checkpoints = {"A": open_checkpoint(tiny_a), "B": open_checkpoint(tiny_b)}
    live = LiveModel.empty(checkpoints["A"].widths)
    return LiveWeights.load(live, checkpoints, device=torch.device("cpu"), dtype=torch.float32)


def build(weights: LiveWeights, recipe: Recipe) -> None:
    weights.build(weights.plan(recipe))


def values(weights: LiveWeights) -> dict[str, torch.Tensor]:
    return {key: weights.read(key).clone() for key in weights.keys}


def address(weights: LiveWeights, key: str) -> int:
    return weights.live.parameters_of(key)[0].data_ptr()


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[key]) for key, value in one.items())


@pytest.mark.parametrize(("part", "key"), [("text", NORM), ("vae", CONV)])
def test_a_part_moves_as_a_whole_and_the_unet_stays(weights: LiveWeights, part: str, key: str) -> None:
    build(weights, Recipe.flat(0.3, base=0.4))
    before, places = values(weights), {one: address(weights, one) for one in (NORM, CONV, QUERY)}
    assert weights.park(part)
    assert not weights.park(part)  # nothing more to give
    moved = {one for one, place in places.items() if address(weights, one) != place}
    assert moved == {key}
    assert same(values(weights), before)
    weights.fetch(part)
    assert same(values(weights), before)
    assert torch.equal(weights.live.parameters_of(key)[0].flatten(), before[key].flatten())
    assert address(weights, QUERY) == places[QUERY]


def test_a_build_brings_back_what_it_changes_and_no_more(weights: LiveWeights) -> None:
    build(weights, Recipe.flat(0.3, base=0.4))
    for part in ("text", "vae"):
        weights.park(part)
    build(weights, Recipe.flat(0.5, base=0.4))
    assert weights._parking.is_parked("text")
    assert weights._parking.is_parked("vae")
    build(weights, Recipe.flat(0.5, base=0.6))
    assert not weights._parking.is_parked("text")
    assert not weights._parking.is_parked("vae")


def test_many_moves_leave_what_a_fresh_build_has(weights: LiveWeights, tiny_a: Path, tiny_b: Path) -> None:
    for number in range(6):
        build(weights, Recipe.flat(0.1 * number, base=0.15 * (number // 2)))
        for part in ("text", "vae"):
            weights.park(part)
            if number % 3:
                weights.fetch(part)
    checkpoints = {"A": open_checkpoint(tiny_a), "B": open_checkpoint(tiny_b)}
    live = LiveModel.empty(checkpoints["A"].widths)
    fresh = LiveWeights.load(live, checkpoints, device=torch.device("cpu"), dtype=torch.float32)
    build(fresh, Recipe.flat(0.5, base=0.3))
    assert same(values(weights), values(fresh))


def test_another_vae_fills_a_parked_one(weights: LiveWeights, tiny_b: Path) -> None:
    build(weights, Recipe.flat(0.3))
    weights.park("vae")
    checkpoint = open_checkpoint(tiny_b)
    weights.use_vae({key: checkpoint.read(key) for key in weights._regions[-1].sizes})
    weights.park("vae")
    assert torch.equal(weights.read(CONV).flatten(), checkpoint.read(CONV).float().flatten())
    weights.use_vae(None)
    assert not torch.equal(weights.read(CONV).flatten(), checkpoint.read(CONV).float().flatten())

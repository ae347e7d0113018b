"""Planted weaknesses hold what they say: one word is lost, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from engine.engine import Engine
from engine.recipes.recipe import MergeStep, Recipe, SelfStep
from engine.shots.shot import Shot
from studies.after_recipe.situations.suite import read_suite
from studies.sample.world import SUITE, TEXT_TOKENS, write_world
from tests.studies.after_recipe.situations.planted_weaknesses import (
    AVERAGE,
    PLANTS,
    WANTED_LOOK,
    PlantedWeakness,
    harmless_recipes,
    write_planted,
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    world = write_world(tmp_path_factory.mktemp("world"))
    return {"A": world.a, "B": world.b}


def test_plants_are_words_of_the_worlds_suite() -> None:
    words = {aspect: {one.word for one in some} for aspect, some in read_suite(SUITE).aspects.items()}
    assert all(plant.word in words[plant.aspect] for plant in PLANTS)
    assert all(plant.instead in words[plant.aspect] - {plant.word} for plant in PLANTS if plant.instead != AVERAGE)
    assert len({plant.word for plant in PLANTS if plant.aspect == "colours"}) >= 3
    assert len({plant.word for plant in PLANTS if plant.aspect == "subjects"}) >= 2


def drawn(checkpoint: Path, prompts: list[str]) -> torch.Tensor:
    shots = [Shot(prompt=prompt, seed=1, width=64, height=64, steps=2, cfg=2.0) for prompt in prompts]
    with Engine.open({"A": checkpoint}) as engine:
        engine.build(Recipe(steps=(SelfStep(factors=()),)))
        return engine.render(shots)


@pytest.mark.parametrize("plant", [PLANTS[0], PLANTS[4]], ids=lambda plant: plant.name)
def test_a_planted_checkpoint_lost_one_word_alone(
    models: Mapping[str, Path], plant: PlantedWeakness, tmp_path: Path
) -> None:
    whole, lost = (load_file(write_planted(models, one, tmp_path)) for one in (None, plant))
    assert {key for key in whole if not torch.equal(whole[key], lost[key])} == {TEXT_TOKENS}
    assert int((whole[TEXT_TOKENS] != lost[TEXT_TOKENS]).any(1).sum()) == 1
    prompts = [f"a purple {subject} on the beach" for subject in ("cat", "house")]
    prompts += ["a red cat in the city", "a red tree in the city"]
    before, after = (drawn(write_planted(models, one, tmp_path), prompts) for one in (None, plant))
    changed = [not torch.equal(*pair) for pair in zip(before, after, strict=True)]
    assert changed == [plant.word in prompt for prompt in prompts]


def test_twenty_harmless_recipes_differ_from_each_other_and_change_little() -> None:
    recipes = harmless_recipes()
    assert len(recipes) == 20
    assert len({recipe.key for recipe in [*recipes.values(), WANTED_LOOK]}) == 21
    assert harmless_recipes() == recipes
    twins = [recipe for name, recipe in recipes.items() if "twin" in name]
    for recipe in twins:
        (step,) = recipe.steps
        assert isinstance(step, MergeStep)
        assert isinstance(step.alpha, tuple)
        assert max(min(alpha, 1 - alpha) for alpha in step.alpha) < 0.005

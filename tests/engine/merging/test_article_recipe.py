"""The recipe that the project grew from, as an example file: each step is what SuperMerger made of the same words."""

from __future__ import annotations

from pathlib import Path

import torch

from engine.merging.exact import replay
from engine.recipes.file import read_recipe_file
from engine.recipes.recipe import Recipe
from tests.engine.merging.closeness import is_same, off
from tests.engine.merging.golden import CASES, expected, load_model
from tests.engine.models.in_memory import InMemory

FILE = Path(__file__).parents[3] / "studies" / "sample" / "lastpiece_mind.toml"


def golden(name: str) -> dict[str, torch.Tensor]:
    found = expected(next(case for case in CASES if case["case"] == name))
    assert found is not None
    return found


def step(number: int) -> Recipe:
    whole = read_recipe_file(FILE).recipe
    return Recipe(steps=(whole.steps[number],), dialect=whole.dialect, family=whole.family, save="computed")


def test_the_merge_is_supermergers() -> None:
    """Stored in the dialect classic, whose arithmetic differs from 2023's in the last bit alone."""
    a, b = load_model("sd15_A_fp32"), load_model("sd15_B_fp32")
    found = replay(step(0), {"A": InMemory(a), "B": InMemory(b)})
    wanted = golden("ws_article_035_025_015@classic")
    assert max(off(found.read(key), wanted[key], a[key], b[key]) for key in wanted) <= 1


def test_self_is_supermergers_of_its_time() -> None:
    found = replay(step(1), {"A": InMemory(load_model("sd15_A_fp32"))})
    wanted = golden("self_attn1_088@2023")
    assert all(is_same(found.read(key), tensor) for key, tensor in wanted.items())


def test_adjust_is_supermergers_of_its_time() -> None:
    found = replay(step(2), {"A": InMemory(load_model("sd15_A_fp32"))})
    wanted = golden("adj_article_cont7@2023")
    assert all(is_same(found.read(key), tensor) for key, tensor in wanted.items())


def test_the_whole_recipe_reads_back() -> None:
    recipe = read_recipe_file(FILE).recipe
    assert Recipe.parse(recipe.text) == recipe
    assert recipe.models == ("A", "B")

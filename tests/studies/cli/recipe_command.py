"""`recipe-search recipe` and a recipe for it."""

from __future__ import annotations

from pathlib import Path

import torch
from click.testing import CliRunner, Result
from safetensors.torch import save_file

from engine.recipes.blocks import Site
from engine.recipes.file import RecipeFile
from engine.recipes.recipe import Recipe
from engine.recipes.steps import AdjustStep, MergeStep, SelfStep
from studies.cli.main import main
from tests.engine.merging.golden import CASES
from tests.engine.recipes.recipe_files import write_recipe_file

SITES = ((Site(block="OUT05", element="attn1"), 0.88), (Site(block="OUT08", element="attn1"), 0.88))
CHAIN = Recipe(
    steps=(
        MergeStep(alpha=(0.0, *(0.35,) * 24, 0.25), name="mind"),
        SelfStep(factors=SITES),
        AdjustStep(values=(0, 0, 0, -1, 1, 1, 1, 0)),
    )
)
(SAVED,) = [case for case in CASES if "saved_metadata" in case]
"""A result of SuperMerger's own code, with the metadata that it saves."""
ROW = "0" + ",0.35" * 24 + ",0.25"


def run(*words: object, text: str | None = None, status: int = 0) -> Result:
    found = CliRunner().invoke(main, ["recipe", *map(str, words)], input=text)
    if isinstance(found.exception, Exception) and not isinstance(found.exception, SystemExit):
        raise found.exception
    assert found.exit_code == status, found.output
    return found


def checkpoint(name: str, metadata: dict[str, str]) -> Path:
    weight = {"cond_stage_model.transformer.text_model.final_layer_norm.weight": torch.zeros(1)}
    save_file(weight, name, metadata=metadata)
    return Path(name)


def write_chain() -> Path:
    """Write a recipe of three steps."""
    write_recipe_file(
        "chain.toml", RecipeFile(recipe=CHAIN, models={"A": Path("first.safetensors"), "B": Path("second.safetensors")})
    )
    return Path("chain.toml")

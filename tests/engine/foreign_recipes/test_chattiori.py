"""Chattiori-Model-Merger's metadata: every tensor gets the share that it gives it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.architecture.widths import FamilyName
from engine.errors import RecipeError
from engine.foreign_recipes.header import recipe_of_header
from engine.recipes.adjust import SHIFTED
from engine.supermerger.fields import Reading
from tests.engine.exports.recipes import RISING, RISING_XL
from tests.engine.foreign_recipes.shares import shares, shift

A, B, C = "a" * 64, "b" * 64, "c" * 64
ROW = f"{RISING[0]},[{list(RISING[1:])},[None]]"
ROW_XL = f"{RISING_XL[0]},[{list(RISING_XL[1:])},[None]]"
KEY = "model.diffusion_model.input_blocks.4.0.in_layers.2.weight"


def read(family: FamilyName | None = "sd1", **changes: Any) -> Reading:
    """What is read of a Weighted Sum with block weights, with changes."""
    recipe: dict[str, Any] = {
        "type": "merge-models-chattiori",
        "primary_model_hash": A,
        "secondary_model_hash": B,
        "tertiary_model_hash": None,
        "merge_method": "Weighted Sum",
        "block_weights": True,
        "alpha_info": ROW,
        "beta_info": None,
        "calculation": None,
        "fp": "fp16",
        "output_name": "X",
        "bake_in_vae": False,
        "pruned": False,
    }
    listed = json.dumps({A: {"name": "first"}, B: {"name": "second"}, C: {"name": "third"}})
    return recipe_of_header({"sd_merge_recipe": json.dumps(recipe | changes), "sd_merge_models": listed}, None, family)


def test_sd1() -> None:
    found = read()
    given = shares(found.recipe)
    assert given[KEY]["B"] == pytest.approx(RISING[5])
    assert given["model.diffusion_model.time_embed.0.weight"]["B"] == pytest.approx(RISING[-1])
    assert given["model.diffusion_model.out.0.weight"]["B"] == pytest.approx(RISING[-1])
    assert given["cond_stage_model.transformer.text_model.final_layer_norm.bias"]["B"] == pytest.approx(RISING[0])
    assert all("B" not in share for key, share in given.items() if key.startswith("first_stage_model."))
    assert found.sources == {"A": f"first sha256 {A}", "B": f"second sha256 {B}"}
    assert any("rounded to 3 decimals" in note for note in found.notes)


def test_sdxl_merges_neither_time_embed_nor_label_emb() -> None:
    found = read("sdxl", alpha_info=ROW_XL)
    given = shares(found.recipe)
    assert given["model.diffusion_model.output_blocks.8.0.in_layers.2.weight"]["B"] == pytest.approx(RISING_XL[-1])
    assert given["model.diffusion_model.middle_block.0.in_layers.2.weight"]["B"] == pytest.approx(RISING_XL[10])
    kept = ("time_embed", "label_emb", "first_stage_model")
    assert all("B" not in share for key, share in given.items() if any(part in key for part in kept))
    assert read(None, alpha_info=ROW_XL).recipe.family == "sdxl"


def test_25_weights_for_sdxl_are_taken_place_by_place() -> None:
    found = read("sdxl")
    given = shares(found.recipe)
    assert given["model.diffusion_model.middle_block.0.in_layers.2.weight"]["B"] == pytest.approx(RISING[10])
    assert any("place by place" in note for note in found.notes)


def test_three_models_and_fine() -> None:
    found = read(
        merge_method="Triple Sum",
        tertiary_model_hash=C,
        alpha_info="0.3",
        beta_info="preset:[(0.0,1.0,1,[None])],0.25,[[" + ",".join(["0.25"] * 25) + "],[None]]",
        calculation="fine[0,0,0,-1,7,1,1,0]",
    )
    given = shares(found.recipe)
    assert given[KEY] == pytest.approx({"A": 0.45, "B": 0.3, "C": 0.25})
    assert shift(found.recipe, SHIFTED) == pytest.approx((-0.02, -0.12, 0.14 / 3, 0.22 / 3))


def test_add_difference_and_no_interpolation() -> None:
    found = read(merge_method="Add Difference", tertiary_model_hash=C, alpha_info="0.5")
    assert shares(found.recipe)[KEY] == pytest.approx({"A": 1.0, "B": 0.5, "C": -0.5})
    same = read(merge_method="No Interpolation", secondary_model_hash=None, alpha_info=None)
    assert shares(same.recipe)[KEY] == {"A": 1.0}
    assert same.recipe.models == ("A",)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"merge_method": "Sigmoid Merge"}, "its method is 'Sigmoid Merge'; read are Weighted Sum"),
        ({"calculation": "cosine_0,use_dif_10"}, "calculation: it was merged with cosine_0, use_dif_10"),
        ({"calculation": "fine[0,0,0,1]"}, "fine has 4 numbers; it has 8"),
        ({"calculation": "fine[0,0,0,nan,0,0,0,0]"}, "fine: a number belongs there"),
        ({"alpha_info": None}, "alpha_info: it cannot be read"),
        ({"alpha_info": "0.35,[[0.1,0.2],[None]]"}, "it has 2 block weights; 25 belong there"),
        ({"alpha_info": ROW.replace("None", "['OUT05:attn1:0.5']")}, "it has elemental rules"),
        ({"alpha_info": "much"}, "alpha_info: a number belongs there"),
        ({"alpha_info": "[" * 5000}, "alpha_info: it cannot be read"),
    ],
)
def test_what_is_not_read_is_refused_in_a_sentence(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        read(**changes)


def test_a_baked_vae_and_pruning_are_noted() -> None:
    notes = read(bake_in_vae="good.vae", pruned=True).notes
    assert any("the VAE was replaced by 'good.vae'" in note for note in notes)
    assert any("export with --prune" in note for note in notes)

"""Recipes in another dialect: the same model by exact replay, or a list of what differs."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from torch import Tensor

from engine.errors import RecipeError
from engine.recipes.blocks import BLOCKS, Site
from engine.recipes.dialects import DIALECTS
from engine.recipes.recipe import Recipe
from engine.recipes.steps import AdjustStep, Filter, MergeStep, SelfStep
from engine.supermerger.convert import convert
from engine.supermerger.effects import known_keys
from engine.supermerger.rule_words import words_for
from tests.engine.merging.manifest_recipes import recipe_of
from tests.engine.merging.strategies import cases
from tests.engine.merging.supermerger_models import Brief, made

ARTICLE = SelfStep(factors=((Site(block="OUT05", element="attn1"), 0.88), (Site(block="OUT08", element="attn1"), 0.88)))
UNET = "model.diffusion_model."


def converted(step: MergeStep | SelfStep | AdjustStep, old: str, new: str, family: Any = "sd1") -> Any:
    found = convert(Recipe(steps=(step,), dialect=old, family=family), new)
    (only,) = found.recipe.steps
    return only, found.differences


def test_parts_of_block_names_become_the_twelve() -> None:
    step, different = converted(MergeStep(alpha=(0.1,) * 26, elemental="OUT:attn2:0.4"), "classic", "head_patched")
    names = " ".join(f"OUT{n:02d}" for n in range(12))
    assert step.elemental == f"{names}:attn2:0.4"
    assert different == ()


def test_parts_of_keys_become_parts_of_keys_in_a_block() -> None:
    step, different = converted(MergeStep(alpha=0.2, elemental="first_stage_model::0.9"), "classic", "head_patched")
    assert step.elemental == "BASE:first_stage_model:0.9"
    assert different == ()


def test_time_embed_follows_its_block() -> None:
    weights = (0.0, *(0.35,) * 24, 0.25)
    step, different = converted(MergeStep(alpha=weights), "classic", "head_patched")
    assert step.alpha == weights
    assert step.elemental == "IN00:time_embed:0.25"
    assert different == ()


def test_what_classic_never_multiplies_gets_a_factor_of_1_in_2023() -> None:
    step, different = converted(ARTICLE, "classic", "2023")
    assert step.elemental == "OUT05 OUT08:attn1:0.88,OUT05 OUT08:to_out:1"
    assert different == ()


def test_what_classic_cannot_multiply_is_listed() -> None:
    step, different = converted(ARTICLE, "2023", "classic")
    assert step == ARTICLE
    (sentence,) = different
    assert sentence.startswith(
        "step 1: times 0.88 in 2023, as in A in classic, whose self never touches to_out, proj_out, norm: "
    )
    assert "output_blocks.5.1.transformer_blocks.0.attn1.to_out.0.weight" in sentence
    assert sentence.endswith("and 1 more")


def test_a_site_that_is_idle_in_the_new_dialect_becomes_a_run() -> None:
    step = SelfStep(factors=(*ARTICLE.factors, (Site(block="OUT10", element="to_out"), 0.5)))
    found, different = converted(step, "2023", "classic")
    assert isinstance(found, MergeStep)
    assert different


def test_a_factor_of_0_in_2023_cannot_be_said_later() -> None:
    step = MergeStep(models=("A", "A"), alpha=1, calculation="self", elemental="IN01:in_layers.2:0")
    _, different = converted(step, "2023", "classic")
    assert "times 0 in 2023, as in A in classic" in different[0]


def test_a_factor_of_0_in_classic_is_1_in_2023() -> None:
    step = MergeStep(models=("A", "A"), alpha=1, calculation="self", elemental="IN01:in_layers.2:0")
    found, different = converted(step, "classic", "2023")
    assert different == ()
    assert found.elemental == ""  # all of it times 1


@pytest.mark.parametrize(("old", "new"), [("2023", "classic"), ("classic", "2023")])
@pytest.mark.parametrize("family", ["sd1", "sdxl"])
def test_adjust_does_the_same(old: str, new: str, family: Any) -> None:
    count = len(DIALECTS[old].adjust_fields)
    values = (1.0, -2.0, 0.5, 3.0, 1.0, -1.0, 2.0, 0.25)[:count]
    recipe = Recipe(steps=(AdjustStep(values=values),), dialect=old, family=family, save="computed")
    found = convert(recipe, new)
    assert found.differences == ()
    one = {f"{UNET}out.2.bias": torch.zeros(4), f"{UNET}out.0.weight": torch.ones(3)}
    before, after = (made(each, {"A": one}) for each in (recipe, found.recipe))
    for key, value in before.items():
        torch.testing.assert_close(after[key], value, rtol=1e-6, atol=1e-7)


def test_adjust_in_a_filtered_run_keeps_to_what_it_touched() -> None:
    step = MergeStep(alpha=0.2, filter=Filter(kind="exclude", blocks=("BASE", "OUT11"), elements=("attn",)))
    found, different = converted(step, "classic", "2023")
    assert found.filter is None
    assert different == ()
    adjusted = MergeStep(alpha=0.2, adjust=(1,) * 8, filter=Filter(kind="exclude", blocks=("IN00",)))
    _, different = converted(adjusted, "classic", "2023")
    assert "as in A in classic, alpha 0.2 in 2023" in different[0]
    assert "input_blocks.0.0.weight" in different[0]


def test_the_embeddings_of_sdxl() -> None:
    step, different = converted(MergeStep(alpha=0.3), "classic", "head", "sdxl")
    assert step.elemental == "IN00:label_emb time_embed:0"
    assert different == ()
    _, different = converted(MergeStep(alpha=0.3), "head", "classic", "sdxl")
    assert "alpha 0.3 in head, as in A in classic, which never merges these: " in different[0]


def test_110_weights_become_20_and_rules() -> None:
    alpha = tuple(0.2 if place in {0, 1} else 0.5 if 12 <= place < 20 else 0.0 for place in range(110))
    step, different = converted(MergeStep(alpha=alpha), "head", "classic", "sdxl")
    assert len(step.alpha) == 20
    assert different == ()


def test_ids_of_sdxl_become_shifted_names() -> None:
    step, different = converted(
        MergeStep(extended=True, elemental="MID100:attn2:0.3,CLIPG:mlp:0.8"), "head", "classic", "sdxl"
    )
    assert not step.extended
    assert sorted(step.elemental.split(",")) == ["BASE:c_fc c_proj:0.8", "IN09:0.attn2:0.3"]
    assert different == ()


def test_beta_has_no_rules() -> None:
    row = (0.0, *(0.35,) * 24, 0.25)
    step = MergeStep(models=("A", "B", "C"), mode="Triple sum", alpha=row, beta=row)
    found, different = converted(step, "classic", "head_patched")
    assert found == step
    assert "where they belong to another block, and no rule changes beta" in different[0]


@pytest.mark.parametrize(
    ("recipe", "new", "message"),
    [
        (Recipe.flat(0.5), "head", "stops with an error when it merges sd1"),
        (Recipe.flat(0.5), "heads", "there is no dialect 'heads'"),
        (
            Recipe(steps=(MergeStep(calculation="plus random", seed=1),)),
            "2023",
            "there is no calculation mode 'plus random' in the dialect 2023; known here: normal",
        ),
    ],
)
def test_what_the_new_dialect_has_not_is_refused(recipe: Recipe, new: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        convert(recipe, new)


def test_the_same_dialect_changes_nothing() -> None:
    recipe = Recipe(steps=(MergeStep(alpha=0.3, elemental="OUT:attn:0.5,junk"), ARTICLE, AdjustStep(values=(1,) * 8)))
    assert convert(recipe, "classic").recipe == recipe


@given(st.data())
def test_words_meet_what_is_wanted_and_nothing_else(data: st.DataObject) -> None:
    keys = [key for key in known_keys("sd1") if "output_blocks.5." in key]
    wanted = data.draw(st.sets(st.sampled_from(keys), min_size=1))
    words = words_for(wanted, {*keys} - wanted)
    assert words is not None
    assert {key for key in keys if not words or any(word in key for word in words)} == wanted


def test_no_words_for_a_part_of_another_name() -> None:
    assert words_for({"a.b"}, {"a.b.c"}) is None
    assert words_for({"a.b"}, set()) == ()


@given(cases().map(lambda drawn: (drawn[0], Brief(drawn[1]))), st.sampled_from([*DIALECTS]))
@settings(deadline=None, max_examples=50)
def test_the_converted_recipe_makes_the_same_model(drawn: tuple[dict[str, Any], Brief], new: str) -> None:
    run, models = drawn
    letters = {"A": models[run["model_A"]], "B": models[run["model_B"]], "C": models[run["model_C"] or run["model_A"]]}
    try:
        recipe = recipe_of(run | {"arch": _arch(models)})
        found = convert(recipe, new)
        before = made(recipe, letters)
    except RecipeError:
        assume(False)
        raise
    event(f"{recipe.dialect} to {new}: {'differs' if found.differences else 'the same'}")
    noise = run["calcmode"].startswith("cosine") and run["mode"] == "Add difference"  # cosines of rounding errors
    if found.differences or noise:
        return
    try:
        after = made(found.recipe, letters)
    except RecipeError as error:  # head refuses mixed dtypes, 2023 inpainting models, 20 weights a block they lack
        event(f"refused: {str(error)[:40]}")
        return
    compare({key: value for key, value in before.items() if key in letters["A"]}, after, recipe.family)


def test_what_add_difference_keeps_of_a_key_that_a_lacks_is_the_dialects_own() -> None:
    """Known to nobody who only sees the recipe, so ``convert`` cannot tell it."""
    key, shared = "cond_stage_model.model.logit_scale", f"{UNET}input_blocks.0.0.weight"
    models = {name: {shared: torch.ones(3), key: torch.tensor(value)} for name, value in (("B", 0.5), ("C", 0.25))}
    step = MergeStep(models=("A", "B", "C"), mode="Add difference", alpha=0.0)
    old = Recipe(steps=(step,), dialect="2023", family="sd2")
    found = convert(old, "classic")
    kept = [made(recipe, {"A": {shared: torch.ones(3)}, **models})[key].item() for recipe in (old, found.recipe)]
    assert (kept, found.differences) == ([0.25, 0.5], ())


def _arch(models: dict[str, dict[str, Tensor]]) -> str:
    keys = [*models["B"]]
    if any(key.startswith("conditioner.") for key in keys):
        return "sdxl"
    return "sd2" if any("cond_stage_model.model." in key for key in keys) else "sd15"


def compare(before: dict[str, Tensor], after: dict[str, Tensor], family: Any) -> None:
    for key in {*known_keys(family)} & before.keys():
        scale = before[key].float().nan_to_num(0, 0, 0).abs().max().item() if before[key].numel() else 0
        torch.testing.assert_close(
            after[key].float(), before[key].float(), rtol=1e-2, atol=1e-2 * max(1, scale), equal_nan=True, msg=key
        )


def test_the_comparison_sees_a_wrong_ratio() -> None:
    key = f"{UNET}input_blocks.0.0.weight"
    models = {"A": {key: torch.zeros(3)}, "B": {key: torch.ones(3)}}
    before, after = (made(Recipe.flat(ratio), models) for ratio in (0.5, 0.6))
    with pytest.raises(AssertionError):
        compare(before, after, "sd1")
    assert len(BLOCKS) == 26

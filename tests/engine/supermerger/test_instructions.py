"""What to set in SuperMerger: the runs, their texts, and Adjust only where it makes the same model."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.errors import RecipeError
from engine.recipes.blocks import EXTENDED_BLOCKS, Site
from engine.recipes.dialects import dialect_of
from engine.recipes.recipe import Recipe
from engine.recipes.steps import AdjustStep, Filter, MergeStep, SelfStep
from engine.supermerger.fields import fields_of
from engine.supermerger.instructions import instructions
from engine.supermerger.runs import joined_runs
from tests.engine.merging.strategies_models import models
from tests.engine.merging.supermerger_models import Brief, made

ADJUST = AdjustStep(values=(0, 0, 0, -1, 1, 1, 1, 0))
ARTICLE = SelfStep(factors=((Site(block="OUT05", element="attn1"), 0.88), (Site(block="OUT08", element="attn1"), 0.88)))
FLAT = MergeStep(alpha=(0.0, *(0.35,) * 25))


def test_the_article_takes_two_runs() -> None:
    text = instructions(Recipe(steps=(FLAT, ARTICLE, ADJUST)), {"A": "Lastpiece.safetensors"})
    first, second = text.split("Run 2")
    assert "SuperMerger, dialect classic (sd1; commit c60e6f3" in first
    assert "Model A: A, Lastpiece.safetensors\n  Model B: B\n  merge mode: Weight sum\n" in first
    assert "use MBW: on\n  weights (BASE first): 0,0.35,0.35" in first
    assert "Adjust: " not in first
    assert "Model A: the result of run 1\n  Model B: the result of run 1\n" in second
    assert "calculation mode: self\n  use MBW: off\n  alpha: 1\n" in second
    assert "elemental merge:\n    OUT05 OUT08:attn1:0.88\n" in second
    assert "Adjust: 0,0,0,-1,1,1,1,0\n  save: safetensors, fp16" in second
    assert "Run 3" not in text


@pytest.mark.parametrize(
    "before",
    [
        MergeStep(alpha=0.5, filter=Filter(kind="exclude", blocks=("OUT11",))),
        MergeStep(models=("A", "B", "C"), alpha=0.5, calculation="trainDifference", mode="Add difference"),
        MergeStep(models=("A", "B", "C"), alpha=0.5, calculation="smoothAdd MT", mode="Add difference"),
        MergeStep(alpha=1, calculation="self", elemental="IN00::0"),
        MergeStep(alpha=1, calculation="self", elemental="IN01::R", seed=1),
        MergeStep(alpha=0.5, adjust=(1.0,) * 8),
        MergeStep(alpha=0.5, name="mine"),
    ],
    ids=["filter", "trainDifference", "smoothAdd MT", "self 0", "self random", "its own Adjust", "a name"],
)
def test_adjust_is_a_run_of_its_own_where_it_would_differ(before: MergeStep) -> None:
    runs = joined_runs(Recipe(steps=(before, ADJUST)))
    assert [run.step.adjust for run in runs] == [before.adjust, ADJUST.values]
    assert runs[1].step.models == ("step1", "step1")


def test_self_0_takes_adjust_in_2023() -> None:
    before = MergeStep(alpha=1, calculation="self", elemental="IN00::0")
    adjust = AdjustStep(values=(1,) * 7)
    assert len(joined_runs(Recipe(steps=(before, adjust), dialect="2023"))) == 1


def test_a_result_that_another_run_takes_stays_as_it_is() -> None:
    last = MergeStep(models=("step1", "step2"), alpha=0.5)
    runs = joined_runs(Recipe(steps=(FLAT, ADJUST, last)))
    assert [run.step.models for run in runs] == [("A", "B"), ("step1", "step1"), ("step1", "step2")]
    assert runs[0].used_by == 3
    assert "Run 1 (keep its result: run 3 takes it)" in instructions(Recipe(steps=(FLAT, ADJUST, last)))


def test_results_are_numbered_by_run_and_not_by_step() -> None:
    third = MergeStep(models=("step2", "C"), alpha=0.25)
    text = instructions(Recipe(steps=(FLAT, ADJUST, third)))
    assert "Run 2\n  Model A: the result of run 1\n  Model B: C\n" in text
    assert "Run 3" not in text


def test_everything_that_can_be_set_is_said() -> None:
    step = MergeStep(
        models=("A", "B", "C"),
        calculation="extract",
        mode="Add difference",
        alpha=0.5,
        beta=0.25,
        gamma=0.7,
        elemental="IN01::0.5\nIN02::R",
        seed=7,
        filter=Filter(kind="include", blocks=("IN01", "VAE"), elements=("attn", "ff.net")),
        old_arithmetic=True,
        name="mix",
    )
    text = instructions(Recipe(steps=(step,), save="computed"))
    for line in (
        "Run 1, which makes mix", "Model C: C", "merge mode: Add difference", "calculation mode: extract", "alpha: 0.5",
        "beta: 0.25", "gamma: 0.7", "    IN01::0.5\n    IN02::R", "seed: 7", "Include: blocks IN01, VAE",
        "Include: elements attn,ff.net", "use old calc method: on", "save: safetensors, without fp16",
    ):  # fmt: skip
        assert line in text


def test_one_ratio_beside_a_row_becomes_a_row() -> None:
    step = MergeStep(models=("A", "B", "C"), mode="sum Twice", alpha=(0.0,) * 26, beta=0.2)
    text = instructions(Recipe(steps=(step,)))
    assert f"weights beta (BASE first): {','.join(['0.2'] * 26)}\n" in text


def test_each_dialect_says_what_it_means() -> None:
    old = instructions(Recipe(steps=(FLAT,), dialect="2023"))
    assert "Self multiplies every key" in old
    assert "Adjust has 7 fields" in old
    new = instructions(Recipe(steps=(MergeStep(alpha=(0.0,) * len(EXTENDED_BLOCKS)),), dialect="head", family="sdxl"))
    assert "time_embed and label_emb go with IN00" in new
    assert "M00 is IN09" in new
    extended = MergeStep(extended=True, elemental="OUT010::1")
    assert "use extended XL: on" in instructions(Recipe(steps=(extended,), dialect="head", family="sdxl"))


@st.composite
def adjusted(draw: st.DrawFn) -> tuple[Recipe, Brief]:
    calculation = draw(st.sampled_from(["normal", "self", "tensor", "extract", "smoothAdd", "plus random"]))
    three = calculation == "extract"
    first = MergeStep(
        models=("A", "B", "C") if three else ("A", "B"),
        mode="Add difference" if three else "Weight sum",
        alpha=draw(st.sampled_from([0.0, 0.3, 1.0])),
        calculation=calculation,
        elemental=draw(st.sampled_from(["", "IN00::0", "OUT11::0.5", ":out:0"])),
        seed=3,
        filter=draw(st.sampled_from([None, Filter(kind="include", blocks=("Adjust",))])),
    )
    found = Brief(draw(models("sd15")))
    return Recipe(steps=(first, ADJUST), save="computed"), found


@given(adjusted())
@settings(max_examples=40, deadline=None)
def test_the_runs_make_the_models_of_the_steps(drawn: tuple[Recipe, Brief]) -> None:
    recipe, found = drawn
    joined = Recipe(steps=tuple(run.step for run in joined_runs(recipe)), save="computed")
    apart, together = (made(one, found) for one in (recipe, joined))
    assert apart.keys() == together.keys()
    for key in {*found["A"]} & {*found["B"]} & {*found["C"]}:  # whole models have the six tensors of Adjust
        value = apart[key]
        torch.testing.assert_close(together[key].float(), value.float(), rtol=2e-3, atol=1e-6, equal_nan=True, msg=key)


def test_a_recipe_of_the_webuis_own_merger_is_told_in_its_words() -> None:
    steps = (MergeStep(models=("A", "B", "C"), mode="Add difference", alpha=0.3), MergeStep(models=("C", "C")))
    first = Recipe(steps=steps[:1], dialect="webui")
    assert instructions(first, {"A": "one.safetensors"}).splitlines() == [
        "Checkpoint Merger of AUTOMATIC1111's WebUI 1.6 to 1.10.1, not SuperMerger",
        "",
        "Run 1",
        "  Primary model (A): A, one.safetensors",
        "  Secondary model (B): B",
        "  Tertiary model (C): C",
        "  Interpolation Method: Add difference",
        "  Multiplier (M): 0.3",
        "  Save as float16: on",
    ]
    copied = instructions(Recipe(steps=steps[1:], dialect="webui", save="computed")).splitlines()
    assert copied[3:] == [
        "  Primary model (A): C",
        "  Interpolation Method: No interpolation",
        "  Save as float16: off",
    ]


def test_supermergers_texts_are_not_made_of_it() -> None:
    with pytest.raises(RecipeError, match="which has none of SuperMerger's texts; translate it with recipe-search"):
        fields_of(MergeStep(alpha=0.3), dialect_of("webui"), "sd1")

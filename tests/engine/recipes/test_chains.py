"""Recipes of stages joined into one: names, letters, what ``previous`` and numbers mean behind other steps."""

from __future__ import annotations

import pytest

from engine.errors import RecipeError
from engine.recipes.blocks import Site
from engine.recipes.chains import ChainModel, ChainStage, RecipeChain, continued, stage_name
from engine.recipes.recipe import AdjustStep, MergeStep, Recipe, SelfStep

SELF = SelfStep(factors=((Site.parse("OUT05:attn1"), 0.88),))
ADJUST = AdjustStep(values=(0, 0, 0, 7, 0, 0, 0, 0))


def model(letter: str, file: str = "") -> ChainModel:
    return ChainModel(file=file or f"{letter}.safetensors", sha256=letter.lower() * 64)


def alone(recipe: Recipe, **models: ChainModel) -> RecipeChain:
    return continued(recipe, models, {})


ALPHA = alone(Recipe(steps=(MergeStep(alpha=0.35),)), A=model("A"), B=model("B"))
MADE = model("1", "alpha.safetensors")


def test_a_recipe_alone_is_itself() -> None:
    assert ALPHA.recipe == Recipe(steps=(MergeStep(alpha=0.35),))
    assert ALPHA.models == {"A": model("A"), "B": model("B")}
    assert ALPHA.stages == ()


def test_three_stages_are_one_recipe_with_three_letters() -> None:
    beta = continued(Recipe(steps=(SELF,)), {"A": MADE}, {"A": ALPHA})
    last = Recipe(steps=(MergeStep(models=("A", "B"), alpha=0.2), ADJUST))
    found = continued(last, {"A": model("2", "beta.safetensors"), "B": model("D")}, {"A": beta})
    assert found.recipe == Recipe(
        steps=(
            MergeStep(alpha=0.35, name="alpha"),
            SelfStep(factors=SELF.factors, name="beta"),
            MergeStep(models=("beta", "C"), alpha=0.2),
            ADJUST,
        )
    )
    assert found.models == {"A": model("A"), "B": model("B"), "C": model("D")}
    assert [(one.name, one.step, one.file) for one in found.stages] == [
        ("alpha", 1, "alpha.safetensors"),
        ("beta", 2, "beta.safetensors"),
    ]
    assert Recipe.parse(found.recipe.text) == found.recipe


def test_the_same_parent_keeps_its_letter() -> None:
    again = continued(Recipe(steps=(MergeStep(alpha=0.1),)), {"A": MADE, "B": model("B")}, {"A": ALPHA})
    assert again.recipe.steps[-1] == MergeStep(models=("alpha", "B"), alpha=0.1)
    assert [*again.models] == ["A", "B"]


def test_both_models_may_have_been_merged() -> None:
    other = alone(Recipe(steps=(MergeStep(alpha=0.6), SELF)), A=model("C"), B=model("A"))
    both = continued(
        Recipe(steps=(MergeStep(alpha=0.5), ADJUST)),
        {"A": MADE, "B": model("9", "other.safetensors")},
        {"A": ALPHA, "B": other},
    )
    assert both.recipe.steps == (
        MergeStep(alpha=0.35, name="alpha"),
        MergeStep(models=("C", "A"), alpha=0.6),
        SelfStep(factors=SELF.factors, name="other"),
        MergeStep(models=("alpha", "other"), alpha=0.5),
        ADJUST,
    )


def test_a_step_on_the_result_so_far_names_its_model_where_another_result_stands_before_it() -> None:
    other = alone(Recipe(steps=(MergeStep(alpha=0.6),)), A=model("C"), B=model("D"))
    last = Recipe(steps=(SELF, MergeStep(models=("previous", "B"), alpha=0.4)))
    found = continued(last, {"A": MADE, "B": model("9", "other.safetensors")}, {"A": ALPHA, "B": other}).recipe
    assert found.steps[2].models == ("alpha", "alpha")  # pyright: ignore[reportAttributeAccessIssue]
    assert found.steps[3] == MergeStep(models=("previous", "other"), alpha=0.4)


def test_numbers_and_first_previous_mean_what_they_meant() -> None:
    last = Recipe(
        steps=(
            MergeStep(models=("previous", "B"), alpha=0.2),
            MergeStep(models=("A", "B"), alpha=0.7),
            MergeStep(models=("step1", "step2"), alpha=0.5),
        )
    )
    found = continued(last, {"A": MADE, "B": model("C")}, {"A": ALPHA}).recipe
    assert found.steps[1:] == (
        MergeStep(models=("alpha", "C"), alpha=0.2),
        MergeStep(models=("alpha", "C"), alpha=0.7),
        MergeStep(models=("step2", "step3"), alpha=0.5),
    )


def test_equal_names_of_stages_are_told_apart() -> None:
    second = continued(Recipe(steps=(SELF,)), {"A": MADE}, {"A": ALPHA})
    third = continued(Recipe(steps=(ADJUST,)), {"A": model("2", "alpha.safetensors")}, {"A": second})
    assert [one.name for one in third.stages] == ["alpha", "alpha_2"]
    named = alone(Recipe(steps=(MergeStep(alpha=0.35, name="C"),)), A=model("A"), B=model("B"))
    found = continued(Recipe(steps=(MergeStep(alpha=0.1),)), {"A": MADE, "B": model("C")}, {"A": named})
    assert found.recipe.steps[-1] == MergeStep(models=("C", "D"), alpha=0.1)


def test_thirty_parents_one_after_another() -> None:
    chain = ALPHA
    for number in range(28):
        models = {"A": model("1", f"stage{number}.safetensors"), "B": ChainModel(file=f"{number}", sha256=f"{number}")}
        chain = continued(Recipe(steps=(MergeStep(alpha=0.1),)), models, {"A": chain})
    assert len(chain.models) == len(chain.recipe.models) == 30
    assert [*chain.recipe.models][-5:] == ["Z", "Z2", "Z3", "Z4", "Z5"]


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("Lastpiece_Mind_alpha.safetensors", "Lastpiece_Mind_alpha"),
        ("my mix (2).safetensors", "my_mix_2"),
        ("混ぜ.safetensors", "stage"),
        ("A.safetensors", "stage_A"),
        ("step2.safetensors", "stage_step2"),
        ("2nd.safetensors", "stage_2nd"),
        ("previous", "stage_previous"),
    ],
)
def test_names_of_files_become_names_of_results(file: str, name: str) -> None:
    assert stage_name(file) == name
    MergeStep(name=name)


def test_other_rules_are_refused() -> None:
    last = Recipe(steps=(MergeStep(alpha=0.1),), dialect="2023")
    with pytest.raises(RecipeError, match="different values of dialect: classic and 2023"):
        continued(last, {"A": MADE, "B": model("C")}, {"A": ALPHA})
    with pytest.raises(RecipeError, match="the file of B is not known"):
        continued(Recipe(steps=(MergeStep(alpha=0.1),)), {"A": MADE}, {"A": ALPHA})


def test_stages_have_the_numbers_of_their_steps() -> None:
    longer = alone(Recipe(steps=(MergeStep(alpha=0.35), SELF, ADJUST)), A=model("A"), B=model("B"))
    found = continued(Recipe(steps=(SELF,)), {"A": MADE}, {"A": longer})
    assert found.stages == (ChainStage(name="alpha", step=3, file="alpha.safetensors", sha256="1" * 64),)

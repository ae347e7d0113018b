from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from torch import Tensor

from engine.architecture.layout import shapes
from engine.architecture.widths import REAL, Shape
from engine.errors import RecipeError
from engine.merging import folded
from engine.merging.folded import MergePlan, plan_for
from engine.merging.key_classes import KEPT_FORMS, KeyClasses, KnownClasses
from engine.recipes.blocks import BLOCKS, Site
from engine.recipes.recipe import AdjustStep, MergeStep, Recipe, SelfStep
from engine.recipes.steps import Ratio
from tests.engine.merging.manifest_recipes import models_by_letter, recipe_of
from tests.engine.merging.strategies import Run, cases
from tests.engine.merging.test_exact_properties import arch_of

SHAPES: dict[str, Shape] = shapes(REAL["sd1"])
PAIR = {"A": SHAPES, "B": SHAPES}
_RATIO = re.compile(r"(?<=:)([ ]*)(-?[\d.]+)(?=[ ]*($|[,\n]))")


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folded, "_KNOWN_CLASSES", KnownClasses())


def outcome(plan: Callable[[], MergePlan]) -> MergePlan | str:
    """A plan, or that there is none."""
    try:
        return plan()
    except RecipeError as error:
        return str(error).split(":", maxsplit=1)[0]


def other_ratios(step: MergeStep) -> MergeStep:
    """A step of the same form with other numbers, some of them 0 and 1."""

    def moved(ratio: Ratio) -> Ratio:
        numbers = ratio if isinstance(ratio, tuple) else (ratio,)
        found = tuple((0.0, 1.0, number / 2, number)[place % 4] for place, number in enumerate(numbers))
        return found if isinstance(ratio, tuple) else found[-1] / 2

    elemental = _RATIO.sub(
        lambda match: f"{match[1]}{(0, 1, 0.5)[len(match.string[: match.start()]) % 3]}", step.elemental
    )
    return replace(step, alpha=moved(step.alpha), beta=moved(step.beta), elemental=elemental)


def afresh(recipe: Recipe, models: Mapping[str, Mapping[str, Shape]]) -> MergePlan:
    """The plan, found key by key."""
    return plan_for(recipe, {name: {**keys} for name, keys in models.items()})


@given(drawn=cases())
def test_one_key_of_a_class_speaks_for_all(drawn: tuple[Run, dict[str, dict[str, Tensor]]]) -> None:
    """Random runs, alone and as a chain, with ratios other than those that the classes were found with."""
    run, models = drawn
    try:
        recipe = recipe_of({**run, "arch": arch_of(models), "torch_seed": run["rand_seed"]})
        step = recipe.steps[0]
        assert isinstance(step, MergeStep)
        chain = replace(recipe, steps=(step, replace(step, models=("B", "previous", "A")[: len(step.models)])))
    except RecipeError:
        return
    by_letter: dict[str, Any] = models_by_letter({**run}, models)
    keys: dict[str, dict[str, Shape]] = {letter: {**source.shapes} for letter, source in by_letter.items()}
    for one in (recipe, chain):
        try:
            other = replace(one, steps=tuple(other_ratios(s) for s in one.steps if isinstance(s, MergeStep)))
        except RecipeError:
            continue
        outcome(lambda one=one: plan_for(one, keys))
        found, wanted = (
            outcome(lambda other=other: plan_for(other, keys)),
            outcome(lambda other=other: afresh(other, keys)),
        )
        assert found == wanted
        if isinstance(found, MergePlan) and isinstance(wanted, MergePlan):
            assert [*found.rows] == [*wanted.rows] == [*found.shapes]


def searched(ratio: float, factor: float = 0.9, contrast: float = 1.0) -> Recipe:
    sites = tuple((Site.parse(name), factor) for name in ("OUT05:attn1", "IN04:attn2"))
    adjust = AdjustStep(values=(contrast, -2, 1.5, -3, 0.5, 2, -1, 0.25))
    return Recipe(
        steps=(MergeStep(alpha=tuple(ratio + n / 100 for n in range(len(BLOCKS)))), SelfStep(factors=sites), adjust)
    )


def test_few_keys_are_planned_once_the_form_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    planned: list[int] = []
    fold = folded._folded

    def counted(recipe: Recipe, runs: Any, models: Any) -> Any:
        planned.append(len(models["A"]))
        return fold(recipe, runs, models)

    monkeypatch.setattr(folded, "_folded", counted)
    for ratio in (0.1, 0.2, 0.3):
        plan_for(searched(ratio), PAIR)
    assert planned[0] == len(SHAPES)
    assert planned[1] == planned[2] < 100


def test_rows_that_did_not_change_are_the_same_objects() -> None:
    first, second = plan_for(searched(0.1), PAIR).rows, plan_for(searched(0.1, contrast=2.0), PAIR).rows
    other = {key for key in SHAPES if first[key] is not second[key]}
    assert {key.removeprefix("model.diffusion_model.") for key in other} == {
        "input_blocks.0.0.weight", "input_blocks.0.0.bias", "out.2.bias", "out.0.weight", "out.0.bias", "out.2.weight",
    } - {key.removeprefix("model.diffusion_model.") for key in SHAPES if first[key] == second[key]}  # fmt: skip
    assert other
    assert all(first[key] is not second[key] for key in SHAPES if first[key] != second[key])
    third = plan_for(searched(0.1), PAIR).rows
    assert all(first[key] is third[key] for key in SHAPES)


def test_other_models_have_classes_of_their_own() -> None:
    """A model without a key, and one with another shape, after the classes of complete ones are known."""
    recipe = Recipe(steps=(MergeStep(alpha=0.3),))
    plan_for(recipe, PAIR)
    less = {key: shape for key, shape in SHAPES.items() if "output_blocks.5." not in key}
    for ratio in (0.3, 0.4):
        rows = plan_for(Recipe(steps=(MergeStep(alpha=ratio),)), {"A": SHAPES, "B": less}).rows
        assert {key for key, row in rows.items() if row.source == "A"} == {*SHAPES} - {*less}


def test_a_bounded_number_of_forms_is_remembered() -> None:
    known, keys = KnownClasses(), {"A": SHAPES}
    for number in range(KEPT_FORMS + 5):
        known.keep(number, keys, KeyClasses(shapes=keys, result=SHAPES, first=tuple(SHAPES)))
    assert known.find(0, keys) is None
    assert known.find(KEPT_FORMS + 4, keys) is not None
    assert known.find(KEPT_FORMS + 4, {"A": {**SHAPES}}) is None

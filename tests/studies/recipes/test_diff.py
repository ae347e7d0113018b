"""How two recipes differ: every difference has a row, and equal ones have none."""

from __future__ import annotations

from typing import Any

import pytest

from engine.recipes.blocks import Site
from engine.recipes.recipe import Recipe
from engine.recipes.steps import AdjustStep, MergeStep, SelfStep
from studies.recipes.diff import differences

SITE = Site(block="OUT05", element="attn1")


def rows(first: Recipe, second: Recipe) -> list[tuple[int, str, str, str]]:
    return [(one.step, one.what, one.first, one.second) for one in differences(first, second)]


@pytest.mark.parametrize(
    ("first", "second", "count"),
    [
        (MergeStep(alpha=0.5), MergeStep(alpha=(0.5,) * 26), 1),
        (MergeStep(alpha=0.5), MergeStep(alpha=0.25), 1),
        (MergeStep(alpha=0.5), MergeStep(alpha=(0.25,) * 26), 1),
        (MergeStep(elemental="IN01::1,IN02::1"), MergeStep(elemental="IN01::1\nIN02::1"), 1),
        (MergeStep(elemental="M00::R", seed=1), MergeStep(elemental="M00::R", seed=2), 1),
        (MergeStep(models=("A", "B")), MergeStep(models=("A", "A")), 1),
    ],
)
def test_everything_that_differs_has_a_row(first: Any, second: Any, count: int) -> None:
    found = differences(Recipe(steps=(first,)), Recipe(steps=(second,)))
    assert len(found) == count
    assert all(row.first != row.second for row in found)


def test_equal_recipes_do_not_differ() -> None:
    recipe = Recipe(steps=(MergeStep(alpha=(0.25,) * 26), SelfStep(factors=((SITE, 0.9),))))
    assert rows(recipe, Recipe.parse(recipe.text)) == []


def test_one_number_against_another_by_block_is_one_row_for_all_blocks() -> None:
    first, second = (Recipe(steps=(MergeStep(alpha=alpha),)) for alpha in (0.5, (0.25,) * 26))
    assert rows(first, second) == [(1, "alpha of every block", "0.5", "0.25")]


def test_one_number_against_the_same_by_block_is_a_difference_of_texts() -> None:
    first, second = (Recipe(steps=(MergeStep(alpha=alpha),)) for alpha in (0.5, (0.5,) * 26))
    assert rows(first, second) == [(1, "alpha", "0.5 everywhere", ",".join(["0.5"] * 26))]


def test_steps_of_other_kinds_and_steps_that_one_lacks_are_named() -> None:
    merge, self_step, adjust = MergeStep(), SelfStep(factors=((SITE, 0.9),)), AdjustStep(values=(1,) * 8)
    first, second = Recipe(steps=(merge, self_step, adjust)), Recipe(steps=(merge, adjust))
    assert rows(first, second) == [(2, "kind", "self", "adjust"), (3, "kind", "adjust", "-")]
    assert rows(second, first) == [(2, "kind", "adjust", "self"), (3, "kind", "-", "adjust")]

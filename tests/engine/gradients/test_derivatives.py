"""Derivatives of rows against finite differences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from engine.errors import RecipeError
from engine.gradients.derivatives import row_derivatives
from engine.live.weights import LiveWeights
from engine.recipes.recipe import MergeStep, Recipe
from tests.engine.gradients.moved import NUMBERS, chain, value_of


def pairs() -> list[tuple[Callable[[float], Recipe], str]]:
    three = ("A", "B", "C")
    runs = {
        "Add difference": MergeStep(models=three, mode="Add difference", alpha=0.7),
        "Triple sum": MergeStep(models=three, mode="Triple sum", alpha=0.3, beta=0.2),
        "sum Twice": MergeStep(models=three, mode="sum Twice", alpha=0.3, beta=0.2, adjust=(1, -2, 1, 3, 0, 1, 0, 2)),
    }
    by_alpha = [(lambda h, run=run: Recipe(steps=(replace(run, alpha=0.3 + h),)), name) for name, run in runs.items()]
    twice = replace(runs["sum Twice"], name="first")
    over = MergeStep(models=("first", "C"), alpha=0.4)
    return [
        *by_alpha,
        (lambda h: Recipe(steps=(replace(twice, beta=0.2 + h), over)), "beta of a step before"),
        *((lambda h, name=name: chain(**{name: h}), name) for name in NUMBERS),
    ]


@pytest.mark.parametrize(("recipe", "name"), pairs(), ids=lambda value: value if isinstance(value, str) else "")
def test_rows_have_the_derivatives_of_finite_differences(
    weights: LiveWeights, recipe: Callable[[float], Recipe], name: str
) -> None:
    derivatives = row_derivatives(name, weights.plan(recipe(0)), weights.plan(recipe(0.7)), 0.7)
    above, below = weights.plan(recipe(1e-3)), weights.plan(recipe(-1e-3))
    assert derivatives
    for key in weights.keys:
        difference = (value_of(above.rows[key], key, weights) - value_of(below.rows[key], key, weights)) / 2e-3
        if key in derivatives:
            assert torch.allclose(value_of(derivatives[key], key, weights), difference, rtol=1e-9, atol=1e-10), key
        else:
            assert not difference.any(), key


def test_what_has_no_derivative_is_refused(weights: LiveWeights) -> None:
    plan = weights.plan(chain())
    with pytest.raises(RecipeError, match="IN05: moved by 0"):
        row_derivatives("IN05", plan, weights.plan(chain(IN05=0.1)), 0.0)
    with pytest.raises(RecipeError, match="IN05: no tensor changes with it"):
        row_derivatives("IN05", plan, weights.plan(chain()), 0.1)
    cosines = [weights.plan(Recipe(steps=(MergeStep(calculation="cosineA", alpha=alpha),))) for alpha in (0.3, 0.4)]
    with pytest.raises(RecipeError, match="are not weighted sums, and their derivatives are not known"):
        row_derivatives("alpha", cosines[0], cosines[1], 0.1)

"""A recipe as tables for terminals that are narrow and wide."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from engine.recipes.recipe import Recipe
from engine.recipes.steps import MergeStep
from studies.recipes.inputs import RecipeInput
from studies.recipes.show import overview

WEIGHTS = tuple(round(0.1234 + 0.01 * place, 4) for place in range(26))


@pytest.mark.parametrize(("width", "rows"), [(100, 4), (80, 6), (60, 6), (40, 8)])
def test_every_weight_is_whole_on_any_terminal(width: int, rows: int) -> None:
    out = io.StringIO()
    console = Console(file=out, width=width)
    recipe = Recipe(steps=(MergeStep(alpha=WEIGHTS),))
    for part in overview(RecipeInput(recipe=recipe)):
        if not isinstance(part, str):
            console.print(part)
    told = out.getvalue()
    assert all(f"{weight:g}" in told.split() for weight in WEIGHTS)
    assert len(told.splitlines()) == 2 * rows
    assert max(map(len, told.splitlines())) <= width

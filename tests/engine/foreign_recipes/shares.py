"""The share of every model in every tensor of a recipe, to be compared with what another tool would do."""

from __future__ import annotations

from engine.architecture.layout import shapes
from engine.architecture.widths import REAL, FamilyName
from engine.merging.folded import plan_for
from engine.recipes.recipe import Recipe


def keys_of(family: FamilyName) -> tuple[str, ...]:
    return tuple(shapes(REAL[family]))


def shares(recipe: Recipe) -> dict[str, dict[str, float]]:
    """Key to model to weight."""
    known = {key: tuple(shape) for key, shape in shapes(REAL[recipe.family]).items()}
    rows = plan_for(recipe, dict.fromkeys(recipe.models, known)).rows
    return {key: {str(term): weight for term, weight in row.terms if weight} for key, row in rows.items()}


def shift(recipe: Recipe, key: str) -> tuple[float, ...]:
    known = {name: tuple(shape) for name, shape in shapes(REAL[recipe.family]).items()}
    return tuple(plan_for(recipe, dict.fromkeys(recipe.models, known)).rows[key].shift)

"""How every tensor of a recipe changes with one of its numbers: derivatives of the plan's rows.

In weighted sums, Self and Adjust every row is affine in each single number of a step: block ratios, multipliers and
Adjust values. So the difference of two plans, divided by the step between them, is the derivative, whatever the size of
the step, exact but for rounding. No tensor is made for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from engine.errors import Named, RecipeError
from engine.merging.folded import MergePlan
from engine.modes.rows import TensorRow, combined
from engine.recipes.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A recipe with one number moved.

    Attributes:
        recipe: equal to the one it is compared with, but for that number.
        step: by how much the number was moved; any size, either sign.
    """

    recipe: Recipe
    step: float


def row_derivatives(name: str, plan: MergePlan, moved: MergePlan, step: float) -> dict[str, TensorRow]:
    """Return the derivative of a plan's rows with respect to the number that was moved; keys that stay are left out.

    Args:
        name: of the number, for messages.
        plan: of the recipe.
        moved: of the recipe with one number moved.
        step: by how much.

    Raises:
        RecipeError: the step is 0, nothing moves, or a row that moves is no weighted sum.
    """
    place = (Named(name),)
    if step == 0:
        raise RecipeError(
            "moved by 0, so its derivative cannot be computed", place=place, remedy="move it by any other amount"
        )
    differing = {key: row for key, row in moved.rows.items() if row is not plan.rows[key] and row != plan.rows[key]}
    if not differing:
        raise RecipeError("no tensor changes with it", place=place, remedy="leave it out")
    if odd := [key for key, row in differing.items() if not (_is_sum(row) and _is_sum(plan.rows[key]))]:
        raise RecipeError(
            f"{len(odd)} tensors, such as {odd[0]}, are not weighted sums, and their derivatives are not known",
            place=place,
            remedy="take a recipe of calculation mode normal, Self and Adjust",
        )
    return _RowQuotients(plan.rows, step).of(differing)


class _RowQuotients:
    """Differences of rows over the step, computed once for each pair: most keys of a block have the same."""

    def __init__(self, rows: Mapping[str, TensorRow], step: float) -> None:
        self._rows, self._step = rows, step
        self._known: dict[tuple[TensorRow, TensorRow], TensorRow] = {}

    def of(self, moved: Mapping[str, TensorRow]) -> dict[str, TensorRow]:
        """Return the difference quotient of every moved row, by its key."""
        return {key: self._quotient(row, self._rows[key]) for key, row in moved.items()}

    def _quotient(self, moved: TensorRow, row: TensorRow) -> TensorRow:
        if (moved, row) not in self._known:
            self._known[moved, row] = combined(((moved, 1 / self._step), (row, -1 / self._step)))
        return self._known[moved, row]


def _is_sum(row: TensorRow) -> bool:
    return all(isinstance(term, str) for term, _ in row.terms)

"""Derivatives of a loss by every number of a recipe at once, from one backward pass: see ``contraction``."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager

from engine.gradients.contraction import Contraction
from engine.gradients.derivatives import Move, row_derivatives
from engine.live.weights import LiveWeights
from engine.modes.rows import TensorRow
from engine.recipes.recipe import Recipe


class Differentiation:
    """Differentiates at one recipe, which is built already.

    Args:
        weights: the live model, built to ``recipe``.
        recipe: what is built.
        moves: by name, the recipe with that number moved.

    Raises:
        RecipeError: as ``row_derivatives``, or a number moves more than the UNet.
    """

    def __init__(self, weights: LiveWeights, recipe: Recipe, moves: Mapping[str, Move]) -> None:
        plan = weights.plan(recipe)
        self._rows: dict[str, dict[str, TensorRow]] = {
            name: row_derivatives(name, plan, weights.plan(move.recipe), move.step) for name, move in moves.items()
        }
        live = frozenset(weights.keys)
        keys = {key for rows in self._rows.values() for key in rows if key in live}
        self._contraction = Contraction(weights, sorted(keys))

    def collecting(self) -> AbstractContextManager[None]:
        """Backward passes within this context count; outside, the model has no gradients, as ever."""
        return self._contraction.collecting()

    def by_name(self) -> dict[str, float]:
        """The derivative by every number of ``moves``, summed over the backward passes so far."""
        contracted = self._contraction.contracted()
        return {
            name: sum(contracted[key].along(row) for key, row in rows.items() if key in contracted)
            for name, rows in self._rows.items()
        }

"""What a recipe makes of small models in memory, whole."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from engine.merging.exact import replay
from engine.recipes.recipe import Recipe
from tests.engine.models.in_memory import InMemory


class Brief(dict[str, dict[str, Tensor]]):
    """Models whose tensors are not all printed when a test fails."""

    def __repr__(self) -> str:
        return f"models {', '.join(self)}"


def made(recipe: Recipe, models: Mapping[str, Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """Every tensor of the result, by exact replay."""
    found = replay(recipe, {name: InMemory(tensors) for name, tensors in models.items()})
    return {key: found.read(key).clone() for key in found.shapes}

"""A recipe with many numbers, each of which can be moved, and what moving them by hand changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from engine.engine import Engine
from engine.gradients.derivatives import Move
from engine.live.weights import LiveWeights
from engine.modes.rows import TensorRow
from engine.recipes.blocks import BLOCKS, Site
from engine.recipes.recipe import AdjustStep, MergeStep, Recipe, SelfStep

SITE = Site.parse("OUT05:attn1")
NUMBERS = ("IN05", "M00", "OUT05", "OUT11", "factor", "IN", "OUT", "OUT2", "CONT", "COL1")


def chain(**moved: float) -> Recipe:
    """A Weight sum, Self and Adjust, with some of their numbers moved."""
    ratios = [0.0, *(0.3 + 0.01 * place + moved.get(block, 0.0) for place, block in enumerate(BLOCKS[1:]))]
    values = {"IN": 2.0, "OUT": -1.0, "OUT2": 1.0, "CONT": 3.0, "BRI": 0.5, "COL1": -2.0, "COL2": 0.0, "COL3": 1.0}
    adjust = tuple(value + moved.get(name, 0.0) for name, value in values.items())
    factor = 0.9 + moved.get("factor", 0.0)
    return Recipe(
        steps=(MergeStep(alpha=tuple(ratios)), SelfStep(factors=((SITE, factor),)), AdjustStep(values=adjust))
    )


def moves(step: float = 0.7) -> dict[str, Move]:
    return {name: Move(recipe=chain(**{name: step}), step=step) for name in NUMBERS}


def value_of(row: TensorRow, key: str, weights: LiveWeights) -> Tensor:
    """A row's tensor in float64, flat."""
    total = sum(
        (weight * weights.parent(str(name), key).double().flatten() for name, weight in row.terms), torch.zeros(1)
    )
    return total + torch.tensor(row.shift, dtype=torch.float64) if row.shift else total


def engine_of(weights: LiveWeights) -> Engine:
    """An engine that has built nothing yet."""
    weights._built.clear()
    return Engine(weights, device=torch.device("cpu"), precision="fp64")


def central_differences(value: Callable[[Recipe], float], names: Mapping[str, float]) -> dict[str, float]:
    """How a value changes with each number, moved both ways by these steps."""
    return {
        name: (value(chain(**{name: step})) - value(chain(**{name: -step}))) / (2 * step)
        for name, step in names.items()
    }


STEPS = {"IN05": 0.02, "factor": 0.02, "CONT": 0.02}

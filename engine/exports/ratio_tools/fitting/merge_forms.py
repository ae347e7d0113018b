"""The sums that other merge tools make of tensors: one formula, with a ratio for each group of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import Protocol

Weights = Mapping[str, float]
"""The weight of each model in a tensor; a model that is not in it has none."""
Ratio = tuple[float, ...]
"""What a tool lets people choose for a group of tensors: one number, or one for each model."""

_DECIMALS = 12  # what the folding of a chain leaves behind them is rounding
_TOLERANCE = 1e-9


class MergeForm(Protocol):
    """One formula with its models in their places."""

    @property
    def models(self) -> tuple[str, ...]:
        """The models, the first of which is kept where the tool merges nothing."""
        ...

    def ratio(self, weights: Weights) -> Ratio | None:
        """Return the ratio that gives these weights; None where none does."""
        ...

    def weights(self, ratio: Ratio) -> Weights:
        """Return the weights that a ratio gives."""
        ...


@dataclass(frozen=True, slots=True)
class WeightedSum:
    """``(1 - alpha) * A + alpha * B``."""

    models: tuple[str, ...]

    def ratio(self, weights: Weights) -> Ratio | None:
        """Return alpha; 0 where one model stands in both places."""
        a, b = self.models
        alpha = 0.0 if a == b else rounded(weights.get(b, 0.0))
        return (alpha,) if same_weights(weights, self.weights((alpha,))) else None

    def weights(self, ratio: Ratio) -> Weights:
        """Return the weights of A and B; a model that stands in both places has 1."""
        a, b = self.models
        return {a: 1.0} if a == b else {a: 1 - ratio[0], b: ratio[0]}


@dataclass(frozen=True, slots=True)
class AddDifference:
    """``A + alpha * (B - C)``."""

    models: tuple[str, ...]

    def ratio(self, weights: Weights) -> Ratio | None:
        """Return alpha."""
        alpha = rounded(weights.get(self.models[1], 0.0))
        return (alpha,) if same_weights(weights, self.weights((alpha,))) else None

    def weights(self, ratio: Ratio) -> Weights:
        """Return the weights of A, B and C."""
        a, b, c = self.models
        return {a: 1.0, b: ratio[0], c: -ratio[0]}


@dataclass(frozen=True, slots=True)
class FreeSum:
    """A weight for each model."""

    models: tuple[str, ...]

    def ratio(self, weights: Weights) -> Ratio | None:
        """Return the weights in the order of the models."""
        if not weights.keys() <= {*self.models}:
            return None
        return tuple(rounded(weights.get(model, 0.0)) for model in self.models)

    def weights(self, ratio: Ratio) -> Weights:
        """Return the weights by model."""
        return dict(zip(self.models, ratio, strict=True))


def pair_forms(models: Sequence[str], *, add_difference: bool = True) -> list[MergeForm]:
    """Return the weighted sums of two of the models, and Add differences of three, in every order; the given one first.

    Args:
        models: of a recipe; one alone takes both places of a weighted sum.
        add_difference: whether the tool has it.
    """
    pairs = [*permutations(models, 2)] if len(models) > 1 else [(models[0], models[0])]
    threes = permutations(models, 3) if add_difference else ()
    return [*map(WeightedSum, pairs), *map(AddDifference, threes)]


def same_weights(first: Weights, second: Weights) -> bool:
    """Whether two tensors are the same sum, but for rounding."""
    return all(abs(first.get(name, 0.0) - second.get(name, 0.0)) <= _TOLERANCE for name in {*first, *second})


def rounded(value: float) -> float:
    """Return a number without what rounding left behind its twelfth decimal."""
    return round(value, _DECIMALS) + 0.0


def total(weights: Weights) -> float:
    """Return the sum of the weights: 1 where a tensor is a mean of models, else what it is multiplied by."""
    return math.fsum(weights.values())

"""Adjust as the last step, found in the tensors of a recipe: the eight fields, and the tensors without them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from engine.architecture.widths import FamilyName
from engine.exports.ratio_tools.fitting.fitted_ratios import LinearTensor
from engine.exports.ratio_tools.fitting.merge_forms import rounded, total
from engine.recipes.adjust import SCALED, SHIFTED, UNIT, factor, shift, to_eight
from engine.recipes.dialects import EIGHT_FIELDS
from engine.recipes.recipe import Recipe

_CLOSE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjusted:
    """A recipe taken apart.

    Attributes:
        values: the eight fields; none where nothing is adjusted.
        tensors: what the tensors are before it.
    """

    values: tuple[float, ...]
    tensors: Mapping[str, LinearTensor]


def without_adjust(recipe: Recipe, tensors: Mapping[str, LinearTensor]) -> Adjusted:
    """Return the Adjust that a recipe ends with, and its tensors without that.

    Where the tensors are no whole models times Adjust (it came before another merge, say), there is none, and they stay
    as they are.

    Args:
        recipe: its own fields are taken where they do the same.
        tensors: what it makes.
    """
    found = _fields(recipe, tensors)
    if not any(found):
        return Adjusted(values=(), tensors=tensors)
    plain = {key: _divided(key, tensor, found) if key in SCALED else tensor for key, tensor in tensors.items()}
    if SHIFTED in plain:
        plain[SHIFTED] = LinearTensor(weights=plain[SHIFTED].weights)
    return Adjusted(values=found, tensors=plain)


def _divided(key: str, tensor: LinearTensor, values: tuple[float, ...]) -> LinearTensor:
    by = factor(values, key)
    if abs(total(tensor.weights) - by) > _CLOSE or not by:
        return tensor
    return LinearTensor(weights={name: weight / by for name, weight in tensor.weights.items()}, shift=tensor.shift)


def _fields(recipe: Recipe, tensors: Mapping[str, LinearTensor]) -> tuple[float, ...]:
    scales = {field: _scale(field, tensors) for field in EIGHT_FIELDS[:3]}
    added = tensors[SHIFTED].shift if SHIFTED in tensors else ()
    colours = tuple(rounded(number / UNIT) for number in added) or (0.0,) * 4
    for values in _own(recipe):
        same = all(abs(a - b) <= _CLOSE for a, b in zip(values, (*scales.values(),), strict=False))
        if same and _adds(values, colours, recipe.family):
            return values
    return tuple(rounded(value) for value in to_eight((*scales.values(), *colours), recipe.family))


def _own(recipe: Recipe) -> Iterable[tuple[float, ...]]:
    """The eight fields that the recipe itself has, those of its last step first."""
    return (run.adjust for run in reversed(recipe.runs) if len(run.adjust) == len(EIGHT_FIELDS))


def _adds(values: tuple[float, ...], colours: tuple[float, ...], family: FamilyName) -> bool:
    return all(abs(a / UNIT - b) <= _CLOSE for a, b in zip(shift(values, family), colours, strict=True))


def _scale(field: str, tensors: Mapping[str, LinearTensor]) -> float:
    """The number of IN, OUT or OUT2 that all its tensors agree on; 0 where they do not."""
    numbers = {
        round((total(tensors[key].weights) - 1) / slope, 9)
        for key, (name, slope) in SCALED.items()
        if name == field and key in tensors
    }
    return numbers.pop() + 0.0 if len(numbers) == 1 else 0.0

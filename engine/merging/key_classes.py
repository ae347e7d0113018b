"""Classes of keys that a recipe treats alike whatever its ratios are: planning looks at one key of each.

A search tries many recipes that differ in nothing but numbers. Their keys fall into the same few classes (26 blocks and
what rules, Adjust and filters single out), so the classes are found once.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from engine.architecture.widths import Shape
from engine.merging.compatibility import is_appended, is_subtracted
from engine.modes.rows import TensorRow
from engine.recipes.adjust import ADJUSTED
from engine.recipes.dialects import Dialect
from engine.recipes.elemental import parse_elemental
from engine.recipes.recipe import Recipe
from engine.recipes.steps import MergeStep, Ratio

ModelShapes = Mapping[str, Mapping[str, Shape]]
"""The shapes of the tensors of every model, by the model's name."""

KEPT_FORMS = 64
"""Forms of recipes whose classes are remembered: a search uses one, or a few where steps come and go."""
KEPT_ROWS = 1 << 13
"""Rows that are remembered, so that equal rows of different plans are one object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyClasses:
    """The classes of one form of recipes, for certain models.

    Attributes:
        shapes: of every model, the first key of each class alone.
        result: shapes of the result, of all keys.
        first: for each key of the result, in order, the first key of its class.
    """

    shapes: ModelShapes
    result: Mapping[str, Shape]
    first: tuple[str, ...]

    def spread(self, rows: Mapping[str, TensorRow]) -> dict[str, TensorRow]:
        """The rows of all keys, from those of the first key of each class."""
        return dict(zip(self.result, map(rows.__getitem__, self.first), strict=True))


def key_classes(
    shapes: ModelShapes, marks: Sequence[Mapping[str, Hashable]], dialect: Dialect, result: Mapping[str, Shape]
) -> KeyClasses:
    """Find the classes.

    Args:
        shapes: of all keys of the models.
        marks: for each run, see ``RunSettings.marks``.
        dialect: of the recipe.
        result: shapes of the result.
    """
    firsts: dict[Hashable, str] = {}
    first_of: dict[str, str] = {}
    for key in dict.fromkeys(key for keys in shapes.values() for key in keys):
        first_of[key] = firsts.setdefault(_signature(key, shapes, marks, dialect), key)
    chosen = set(firsts.values())
    cut = {id(keys): {key: shape for key, shape in keys.items() if key in chosen} for keys in shapes.values()}
    return KeyClasses(
        shapes={name: cut[id(keys)] for name, keys in shapes.items()},  # one object where it was one before
        result=result,
        first=tuple(first_of[key] for key in result),
    )


def _signature(
    key: str, shapes: ModelShapes, marks: Sequence[Mapping[str, Hashable]], dialect: Dialect
) -> tuple[Hashable, ...]:
    """Equal for keys of one class; with the key itself where it is one of Adjust's, or has more than one shape."""
    alone = key in ADJUSTED or len({keys[key] for keys in shapes.values() if key in keys}) > 1
    return (
        tuple(key in keys for keys in shapes.values()),
        tuple(mark.get(key) for mark in marks),
        is_subtracted(key, dialect),
        is_appended(key),
        key if alone else "",
    )


@dataclass(frozen=True, slots=True)
class _KnownForm:
    """Classes, with the shapes that they were found for."""

    shapes: tuple[Mapping[str, Shape], ...]
    classes: KeyClasses


class KnownClasses:
    """Remembers the classes of the last ``KEPT_FORMS`` forms of recipes.

    Shapes are compared by identity: whoever plans often hands over the same mappings again, and never changes them.
    """

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, _KnownForm] = OrderedDict()

    def find(self, form: Hashable, shapes: ModelShapes) -> KeyClasses | None:
        """The classes of a form, if they are known for these mappings."""
        known = self._known.get(form)
        if known is None or any(a is not b for a, b in zip(known.shapes, shapes.values(), strict=True)):
            return None
        return known.classes

    def keep(self, form: Hashable, shapes: ModelShapes, classes: KeyClasses) -> None:
        """Remember the classes of a form."""
        self._known[form] = _KnownForm(tuple(shapes.values()), classes)
        self._known.move_to_end(form)
        if len(self._known) > KEPT_FORMS:
            self._known.popitem(last=False)


def form_of(recipe: Recipe, runs: Sequence[MergeStep]) -> Hashable:
    """What is left of a recipe without its ratios, factors and Adjust values."""
    return recipe.dialect, recipe.family, recipe.save, tuple(map(_run_form, runs))


def _run_form(run: MergeStep) -> Hashable:
    rules = parse_elemental(run.elemental, run.calculation, extended=run.by_extended_block)
    return (
        run.models,
        run.mode,
        run.calculation,
        tuple((rule.blocks, rule.not_blocks, rule.elements, rule.not_elements) for rule in rules),
        run.filter,
        bool(run.adjust),
        run.extended,
        _length(run.alpha),
        _length(run.beta),
    )


def _length(ratio: Ratio) -> int:
    return len(ratio) if isinstance(ratio, tuple) else 0


@lru_cache(maxsize=KEPT_ROWS)
def shared_row(row: TensorRow) -> TensorRow:
    """The row itself, or the equal one that was here before: so what did not change is told by identity."""
    return row

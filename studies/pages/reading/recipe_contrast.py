"""How two recipes differ: numbers by block, site and field, and stretches of the UNet that have more of a model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from engine.recipes.blocks import blocks_of
from engine.recipes.recipe import Recipe
from engine.recipes.steps import FORMS, AdjustStep, MergeStep, Ratio, SelfStep, Step
from studies.recipes.diff import RecipeDifference, differences

SLIGHT = 0.005
"""Ratios that are nearer to each other than this are as good as equal."""
KINDS = ("alpha", "beta", "self", "adjust")
NEUTRAL: Mapping[str, float] = {"alpha": 0.0, "beta": 0.0, "self": 1.0, "adjust": 0.0}
"""What a number is where a recipe does not name it, by its kind."""

NumberKind = Literal["alpha", "beta", "self", "adjust"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberContrast:
    """One number that differs."""

    kind: NumberKind
    step: int
    """Which step of that kind, from 1: 1 in every recipe of a search."""
    name: str
    """Of the block, site or field."""
    first: float
    second: float

    @property
    def size(self) -> float:
        """How much larger the second is."""
        return self.second - self.first


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightShift:
    """Neighbouring blocks that all have more of B, or all less, in the second recipe."""

    first: str
    last: str
    low: float
    """The smallest difference, above 0."""
    high: float
    """The largest."""
    more: bool
    """Whether the second has more of B."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeContrast:
    """How a second recipe differs from a first."""

    numbers: tuple[NumberContrast, ...]
    """Ratios, then Self factors, then Adjust values; of each kind the largest differences first."""
    shifts: tuple[WeightShift, ...]
    """The ratios in words, along the UNet."""
    others: tuple[RecipeDifference, ...]
    """What is no number: modes, models, dialect."""

    @property
    def is_equal(self) -> bool:
        """Whether nothing differs."""
        return not (self.numbers or self.others)


def contrast(first: Recipe, second: Recipe) -> RecipeContrast:
    """Return how a second recipe differs from a first."""
    rows = [dict(_numbers(recipe)) for recipe in (first, second)]
    found = [
        NumberContrast(kind=kind, step=step, name=name, first=values[0], second=values[1])
        for kind, step, name in dict.fromkeys([*rows[0], *rows[1]])
        if (values := [row.get((kind, step, name), NEUTRAL[kind]) for row in rows])[0] != values[1]
    ]
    found.sort(key=lambda one: (KINDS.index(one.kind), -abs(one.size)))
    named = {name for row in rows for _, _, name in row}
    others = tuple(one for one in differences(first, second) if not _is_number(one.what, named))
    return RecipeContrast(numbers=tuple(found), shifts=_shifts(*rows), others=others)


def _is_number(what: str, names: set[str]) -> bool:
    """Whether a difference is among the numbers, or only says that one of the recipes has a step more."""
    return what in names or what in {"kind", "name"} or what.split(" ", maxsplit=1)[0] in {"alpha", "beta"}


NumberPlace = tuple[NumberKind, int, str]


def _numbers(recipe: Recipe) -> Iterator[tuple[NumberPlace, float]]:
    steps = Counter[NumberKind]()
    for step in recipe.steps:
        for kind, row in _rows_of_numbers(step, recipe):
            steps[kind] += 1
            for name, value in row:
                yield (kind, steps[kind], name), value


def _rows_of_numbers(step: Step, recipe: Recipe) -> Iterator[tuple[NumberKind, Iterable[tuple[str, float]]]]:
    if isinstance(step, SelfStep):
        yield "self", [(str(site), factor) for site, factor in step.factors]
        return
    if isinstance(step, MergeStep):
        yield "alpha", _by_block(step.alpha, recipe)
        if "beta" not in step.unused:
            yield "beta", _by_block(step.beta, recipe)
    values = step.values if isinstance(step, AdjustStep) else step.adjust
    if any(values):
        yield "adjust", zip(recipe.rules.adjust_fields, values, strict=False)


def _by_block(ratio: Ratio, recipe: Recipe) -> Iterator[tuple[str, float]]:
    if isinstance(ratio, tuple):
        yield from zip(FORMS[len(ratio)], ratio, strict=True)
    else:
        for block in blocks_of(recipe.family):
            yield block, ratio


def _shifts(first: Mapping[NumberPlace, float], second: Mapping[NumberPlace, float]) -> tuple[WeightShift, ...]:
    """Of the first merge, UNet blocks only."""
    found: list[WeightShift] = []
    before = 0
    for place, ratio in second.items():
        kind, step, block = place
        if kind != "alpha" or step != 1 or block == "BASE" or place not in first:
            continue
        away = ratio - first[place]
        side = 0 if abs(away) < SLIGHT else 1 if away > 0 else -1
        if side and side == before:
            last = found[-1]
            found[-1] = WeightShift(
                first=last.first,
                last=block,
                low=min(last.low, abs(away)),
                high=max(last.high, abs(away)),
                more=last.more,
            )
        elif side:
            found.append(WeightShift(first=block, last=block, low=abs(away), high=abs(away), more=side > 0))
        before = side
    return tuple(found)

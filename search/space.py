"""The search space: knobs with bounds, groups and frozen values, and the way from a point to a recipe and back."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from engine.blocks import ADJUST_FIELDS, BLOCKS, Site
from engine.errors import EngineError
from engine.recipe import AdjustStep, MergeStep, Recipe, SelfStep
from search.errors import SearchError, refuse
from search.history import Point

Kind = Literal["block", "self", "adjust"]

NARROWEST = 0.01
"""Narrowest range of a free knob: recipes are written with six decimals, so every range holds enough values."""
DECIMALS = 3
"""Decimals of a proposed number: what a person would write; 0.0005 of a ratio cannot be seen."""
TOLERANCE = 1e-6
"""How far a number may be off and still count as the same one (the rounding of a recipe's text)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knob:
    """One searched number, or one frozen at a value.

    Raises:
        SearchError: numbers that are not finite, or a free knob whose range is empty or narrower than 0.01.
    """

    name: str
    """`OUT05` (a block), `self:OUT05:attn1` (a multiplier on a site) or `adjust:CONT` (an Adjust field)."""
    kind: Kind
    low: float
    high: float
    neutral: float
    """The value that changes nothing: 0 for a block (all A) and an Adjust field, 1 for a multiplier."""
    frozen: float | None = None
    """Fixed value; such a knob is not searched and its bounds do not matter."""
    group: str | None = None
    """Name of the group whose blocks move together in stage `groups`; None: the block is a group of its own."""

    def __post_init__(self) -> None:
        numbers = (self.low, self.high, self.neutral, 0.0 if self.frozen is None else self.frozen)
        if not all(math.isfinite(number) for number in numbers):
            raise SearchError(f"knob {self.name}: {numbers} holds a number that is not finite")
        if self.frozen is None and self.high - self.low < NARROWEST:
            raise SearchError(
                f"knob {self.name}: bounds {self.low:g}..{self.high:g} leave less than {NARROWEST:g} to search; "
                "widen them (lower bound first) or freeze the knob"
            )

    def clip(self, value: float) -> float:
        """Return the frozen value, or the value moved into the bounds."""
        return self.frozen if self.frozen is not None else min(max(value, self.low), self.high)

    def tidy(self, value: float) -> float:
        """Return the value rounded to what a person would write, inside the bounds."""
        return self.clip(round(value, DECIMALS))

    @property
    def rest(self) -> float:
        """The frozen value, else the neutral one as far as the bounds allow."""
        return self.clip(self.neutral)


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """All knobs of a study. A point holds one number for every free knob, by name.

    Raises:
        SearchError: a block is missing or given twice, a name is unknown, a group name is a knob's name.
    """

    knobs: tuple[Knob, ...]

    def __post_init__(self) -> None:
        refuse("the search space", _mistakes(self.knobs))

    @property
    def free(self) -> tuple[Knob, ...]:
        """The knobs that are searched, in the order of the space."""
        return tuple(knob for knob in self.knobs if knob.frozen is None)

    def of_kind(self, kind: Kind) -> tuple[Knob, ...]:
        """Return the free knobs of one kind."""
        return tuple(knob for knob in self.free if knob.kind == kind)

    @property
    def neutral(self) -> dict[str, float]:
        """The point where every free knob rests: model A unchanged, if the bounds allow it."""
        return {knob.name: knob.rest for knob in self.free}

    def flat(self, ratio: float) -> dict[str, float]:
        """Return the point of one ratio on every free block, Self and Adjust at rest.

        Bounds are kept: a ratio outside a block's bounds becomes the nearest allowed one.

        Args:
            ratio: 0 (A) to 1 (B).
        """
        return {knob.name: knob.clip(ratio) if knob.kind == "block" else knob.rest for knob in self.free}

    @property
    def groups(self) -> dict[str, tuple[Knob, ...]]:
        """Free block knobs by group, in the order of the space; a block in no group stands under its own name."""
        members: dict[str, list[Knob]] = {}
        for knob in self.of_kind("block"):
            members.setdefault(knob.group or knob.name, []).append(knob)
        return {name: tuple(knobs) for name, knobs in members.items()}

    def expand(self, group_point: Mapping[str, float]) -> dict[str, float]:
        """Return the full point in which every block has its group's number; Self and Adjust rest.

        Args:
            group_point: a number for every name of `groups`.

        Raises:
            SearchError: a group is missing or unknown.
        """
        groups = self.groups
        _same_names("group point", group_point, groups)
        blocks = {knob.name: knob.clip(group_point[name]) for name, knobs in groups.items() for knob in knobs}
        return self.neutral | blocks

    def checked(self, point: Point) -> dict[str, float]:
        """Return the point in the order of the space, rounding dust outside the bounds removed.

        Raises:
            SearchError: names are missing or unknown, or numbers are out of bounds; all of them at once.
        """
        _same_names("point", point, {knob.name: knob for knob in self.free})
        outside = [
            f"{knob.name} = {point[knob.name]!r} is outside {knob.low:g}..{knob.high:g}"
            for knob in self.free
            if not knob.low - TOLERANCE <= point[knob.name] <= knob.high + TOLERANCE
        ]
        refuse("the point", outside)
        return {knob.name: knob.clip(float(point[knob.name])) for knob in self.free}

    def decode(self, point: Point) -> Recipe:
        """Return the recipe of a point: the merge, then Self, then Adjust, each only if the space has such knobs.

        Raises:
            SearchError: the point is not one of this space.
        """
        values = self.checked(point)
        numbers = {knob.name: values.get(knob.name, knob.rest) for knob in self.knobs}
        factors = tuple((site_of(knob.name), numbers[knob.name]) for knob in self.knobs if knob.kind == "self")
        adjust = tuple(numbers.get(f"adjust:{field}", 0.0) for field in ADJUST_FIELDS)
        merge = MergeStep(alpha=tuple(numbers[block] for block in BLOCKS))
        return Recipe(steps=(merge, SelfStep(factors=factors), AdjustStep(values=adjust)))

    def encode(self, recipe: Recipe) -> dict[str, float]:
        """Return the point of a recipe, the inverse of `decode`.

        Raises:
            SearchError: this space cannot express the recipe; every number that does not fit is named.
        """
        numbers = _numbers(recipe)
        known = {knob.name: knob for knob in self.knobs}
        mistakes = [f"{name} = {numbers[name]:g} has no knob in this space" for name in numbers if name not in known]
        for knob in self.knobs:
            value = numbers.get(knob.name, knob.neutral)
            if abs(knob.clip(value) - value) > TOLERANCE:
                allowed = f"{knob.low:g}..{knob.high:g}" if knob.frozen is None else f"frozen at {knob.frozen:g}"
                mistakes.append(f"{knob.name} = {value:g}, but the space has it {allowed}")
        refuse("the recipe", mistakes)
        return {knob.name: knob.clip(numbers.get(knob.name, knob.neutral)) for knob in self.free}


def site_of(name: str) -> Site:
    """Return the site of a Self knob's name, `self:OUT05:attn1`."""
    return Site.parse(name.removeprefix("self:"))


def _numbers(recipe: Recipe) -> dict[str, float]:
    """Return the recipe's numbers by knob name; neutral multipliers and Adjust values are not in it."""
    merge, *rest = recipe.steps
    if not isinstance(merge, MergeStep) or merge != MergeStep(alpha=merge.alpha):
        raise SearchError(
            "the recipe does not begin with a plain Weight sum of A and B, as every point of a space does"
        )
    alpha = merge.alpha if isinstance(merge.alpha, tuple) else (merge.alpha,) * len(BLOCKS)
    numbers: dict[str, float] = dict(zip(BLOCKS, alpha, strict=True))
    for step in rest:
        if isinstance(step, SelfStep):
            numbers |= {f"self:{site}": factor for site, factor in step.factors}
        elif isinstance(step, AdjustStep):
            numbers |= {f"adjust:{f}": v for f, v in zip(ADJUST_FIELDS, step.values, strict=True) if v}
        else:
            raise SearchError("the recipe has a second merge; a space has one, of A with B")
    return numbers


def _same_names(what: str, given: Mapping[str, float], wanted: Mapping[str, object]) -> None:
    mistakes = [f"{name} is missing" for name in wanted if name not in given]
    mistakes += [f"{name} is not searched here; leave it out" for name in given if name not in wanted]
    refuse(f"the {what}", mistakes)


def _mistakes(knobs: tuple[Knob, ...]) -> list[str]:
    names = [knob.name for knob in knobs]
    blocks = [knob.name for knob in knobs if knob.kind == "block"]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    mistakes = [f"knob {name} is given {names.count(name)} times; keep one" for name in twice]
    mistakes += [f"block {name} has no knob; freeze it if it must not move" for name in BLOCKS if name not in blocks]
    mistakes += [f"block {name} is unknown; the blocks are {' '.join(BLOCKS)}" for name in blocks if name not in BLOCKS]
    fields = {f"adjust:{field}" for field in ADJUST_FIELDS}
    strays = [knob.name for knob in knobs if knob.kind == "adjust" and knob.name not in fields]
    mistakes += [f"{name} is unknown; the fields are {' '.join(ADJUST_FIELDS)}" for name in strays]
    for knob in knobs:
        mistakes += _self_mistakes(knob) if knob.kind == "self" else []
    groups = {knob.group for knob in knobs if knob.group is not None}
    mistakes += [f"group {name} has the name of a knob; call it something else" for name in sorted(groups & set(names))]
    return mistakes


def _self_mistakes(knob: Knob) -> list[str]:
    smallest = knob.low if knob.frozen is None else knob.frozen
    mistakes = [f"{knob.name}: {smallest:g} is no multiplier; stay above 0"] if smallest <= 0 else []
    try:
        Recipe(steps=(MergeStep(), SelfStep(factors=((site_of(knob.name), 0.5),))))
    except EngineError as error:
        mistakes.append(f"{knob.name}: {error}")
    return mistakes

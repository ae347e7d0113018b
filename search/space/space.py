"""The search space: knobs in a frame, and points translated into recipes and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

from engine.errors import Problem, Problems
from engine.recipes.blocks import Site
from engine.recipes.recipe import AdjustStep, MergeStep, Recipe, SelfStep
from search.errors import SearchError
from search.history import Point
from search.space.checks import problems_of
from search.space.frame import RecipeFrame
from search.space.knob import DIGITS, RATIOS, SELF, TOLERANCE, Knob, KnobKind

OUTSIDE_RECIPE = ("vae",)
"""Choices that are no part of a recipe: whoever renders or exports it decides what they mean."""


@dataclass(frozen=True, kw_only=True)
class Space:
    """All knobs of a study. A point holds one number for every free knob, by name.

    Without slots, so that the free knobs are listed once.

    Raises:
        SearchError: a block is missing or given twice, a name is unknown, a group name is a knob's name, a knob is
            tied to one that cannot lead it.
    """

    knobs: tuple[Knob, ...]
    frame: RecipeFrame = field(default_factory=RecipeFrame)

    def __post_init__(self) -> None:
        if problems := list(problems_of(self.knobs, self.frame)):
            raise SearchError.of(problems, "the search space")

    @cached_property
    def free(self) -> tuple[Knob, ...]:
        """The knobs that are searched, in the order of the space."""
        return tuple(knob for knob in self.knobs if knob.is_free)

    def of_kind(self, *kinds: KnobKind) -> tuple[Knob, ...]:
        """Return the free knobs of some kinds."""
        return tuple(knob for knob in self.free if knob.kind in kinds)

    @property
    def neutral(self) -> dict[str, float]:
        """The point where every free knob rests: model A unchanged, if the bounds allow it."""
        return {knob.name: knob.rest for knob in self.free}

    def flat(self, ratio: float) -> dict[str, float]:
        """Return the point of one ratio on every free block, all other knobs at rest.

        Bounds are kept: a ratio outside a block's bounds becomes the nearest allowed one.

        Args:
            ratio: 0 (A) to 1 (B).
        """
        return {knob.name: knob.clip(ratio) if knob.kind == "block" else knob.rest for knob in self.free}

    def is_flat(self, point: Point) -> bool:
        """Whether a point is one ratio on every free block, as far as bounds allow, with all other knobs at rest."""
        blocks = [point[knob.name] for knob in self.of_kind("block")]
        mixes = (self.flat(ratio) for ratio in {min(blocks), max(blocks)}) if blocks else (self.neutral,)
        return any(self.mark(point) == self.mark(mix) for mix in mixes)

    @property
    def groups(self) -> dict[str, tuple[Knob, ...]]:
        """Free ratios by group, in the order of the space; a ratio in no group stands under its own name."""
        members: dict[str, list[Knob]] = {}
        for knob in self.of_kind(*RATIOS):
            members.setdefault(knob.group or knob.name, []).append(knob)
        return {name: tuple(knobs) for name, knobs in members.items()}

    def checked(self, point: Point) -> dict[str, float]:
        """Return the point in the order of the space, rounding dust outside the bounds removed.

        Raises:
            SearchError: names are missing or unknown, or numbers are out of bounds; all of them at once.
        """
        _refuse_other_names("point", point, {knob.name: knob for knob in self.free})
        problems = Problems()
        for knob in self.free:
            seen = f"{knob.name} = {point[knob.name]!r}"
            if not knob.low - TOLERANCE <= point[knob.name] <= knob.high + TOLERANCE:
                problems.add((), f"{seen} is outside {knob.low:g}..{knob.high:g}")
            if knob.is_choice and point[knob.name] % 1 != 0:
                problems.add((), f"{seen} is no word's place", f"write 0 to {len(knob.options) - 1}")
        problems.raise_as(SearchError, "the point")
        return {knob.name: knob.clip(float(point[knob.name])) for knob in self.free}

    def numbers(self, point: Point) -> dict[str, float]:
        """Return the value of every knob, the frozen and the tied ones too.

        Raises:
            SearchError: the point is not one of this space.
        """
        values = self.checked(point)
        found = {knob.name: values.get(knob.name, knob.rest) for knob in self.knobs}
        return {knob.name: found[knob.tied or knob.name] for knob in self.knobs}

    def words(self, point: Point) -> dict[str, str]:
        """Return the word of every choice: `mode`, `calculation`, and what is no part of a recipe, such as `vae`."""
        return self._words(self.numbers(point))

    def _words(self, numbers: Mapping[str, float]) -> dict[str, str]:
        return {knob.name: knob.options[round(numbers[knob.name])] for knob in self.knobs if knob.is_choice}

    def decode(self, point: Point) -> Recipe:
        """Return the recipe of a point: the merge, then Self, then Adjust, each only if the space has such knobs.

        Raises:
            SearchError: the point is not one of this space.
        """
        numbers, frame = self.numbers(point), self.frame
        alpha = {block: numbers[block] for block in frame.blocks}
        seconds = [knob for knob in self.knobs if knob.kind == "second"]
        beta = dict.fromkeys(frame.blocks, 0.0) if seconds else {}
        beta |= {knob.name.removeprefix("beta:"): numbers[knob.name] for knob in seconds}
        factors = tuple((site_of(knob.name), numbers[knob.name]) for knob in self.knobs if knob.kind == "self")
        adjust = tuple(numbers.get(f"adjust:{name}", 0.0) for name in frame.fields)
        steps = (
            frame.run(alpha, beta, self._words(numbers)), SelfStep(factors=factors), AdjustStep(values=adjust)
        )  # fmt: skip
        return Recipe(steps=steps, family=frame.family, dialect=frame.dialect)

    def mark(self, point: Point) -> tuple[float, ...]:
        """Return what distinguishes candidates: the numbers of the free knobs, rounded as a recipe's text is."""
        return tuple(round(point[knob.name], DIGITS) for knob in self.free)

    def encode(self, recipe: Recipe) -> dict[str, float]:
        """Return the point of a recipe, the inverse of `decode`; choices outside recipes take their first word.

        Raises:
            SearchError: this space cannot express the recipe; every number that does not fit is named.
        """
        numbers = self._numbers_of(recipe)
        known = {knob.name: knob for knob in self.knobs}
        problems = Problems()
        for name in numbers:
            if name not in known:
                problems.add((), f"{name} = {numbers[name]:g} has no knob in this space")
        for knob in self.knobs:
            value = numbers.get(knob.name, knob.neutral)
            allowed = numbers.get(knob.tied, known[knob.tied].neutral) if knob.tied else knob.clip(value)
            if abs(allowed - value) > TOLERANCE:
                problems.add((), f"{knob.name} = {value:g}, but the space has it {_allowed_values(knob)}")
        problems.raise_as(SearchError, "the recipe")
        return {knob.name: knob.clip(numbers.get(knob.name, knob.neutral)) for knob in self.free}

    def _numbers_of(self, recipe: Recipe) -> dict[str, float]:
        """Return the recipe's numbers by knob name; neutral multipliers and Adjust values are not in it."""
        merge, *rest = recipe.steps
        numbers = self._run_numbers(recipe, merge)
        for step in rest:
            if isinstance(step, SelfStep):
                numbers |= {f"self:{site}": factor for site, factor in step.factors}
            elif isinstance(step, AdjustStep):
                numbers |= {f"adjust:{f}": v for f, v in zip(self.frame.fields, step.values, strict=True) if v}
            else:
                raise SearchError("the recipe has a second merge", remedy="a space has one")
        return numbers

    def _run_numbers(self, recipe: Recipe, merge: object) -> dict[str, float]:
        frame = self.frame
        if (recipe.family, recipe.dialect) != (frame.family, frame.dialect):
            raise SearchError(
                f"the recipe is for {recipe.family} in the dialect {recipe.dialect}, the space for {frame.family} in "
                f"{frame.dialect}",
                remedy="`recipe-search recipe convert --dialect` translates",
            )
        if not isinstance(merge, MergeStep):
            raise SearchError("the recipe does not begin with a merge, as every point of a space does")
        words = {
            knob.name: getattr(merge, knob.name)
            for knob in self.knobs
            if knob.is_choice and knob.name not in OUTSIDE_RECIPE and getattr(merge, knob.name) in knob.options
        }
        alpha, beta = frame.by_block(merge.alpha), frame.by_block(merge.beta)
        seconds = any(knob.kind == "second" for knob in self.knobs)
        second = frame.ratios(beta) if seconds or len({*beta.values()}) > 1 else next(iter(beta.values()))
        if replace(merge, alpha=frame.ratios(alpha), beta=second) != frame.run(alpha, beta if seconds else {}, words):
            raise SearchError(
                f"the recipe does not begin with a plain {frame.mode} of {' and '.join(frame.models)}, as every point "
                "of this space does"
            )
        numbers = dict(alpha) | ({f"beta:{block}": ratio for block, ratio in beta.items() if ratio} if seconds else {})
        places = {knob.name: knob.options for knob in self.knobs if knob.is_choice}
        return numbers | {name: float(places[name].index(word)) for name, word in words.items()}


def site_of(name: str) -> Site:
    """Return the site of a Self knob's name, `self:OUT05:attn1`."""
    return Site.parse(name.removeprefix(SELF))


def _allowed_values(knob: Knob) -> str:
    if knob.tied:
        return f"tied to {knob.tied}"
    return f"{knob.low:g}..{knob.high:g}" if knob.frozen is None else f"frozen at {knob.frozen:g}"


def _refuse_other_names(what: str, given: Mapping[str, float], expected: Mapping[str, object]) -> None:
    problems = [Problem(what=f"{name} is missing") for name in expected if name not in given]
    strays = [name for name in given if name not in expected]
    problems += [Problem(what=f"{name} is not searched here", remedy="leave it out") for name in strays]
    if problems:
        raise SearchError.of(problems, f"the {what}")

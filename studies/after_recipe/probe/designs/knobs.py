"""What a probe moves: blocks, sites and Adjust values, around a base recipe; and the recipes of moved knobs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from engine.errors import Problems, did_you_mean
from engine.recipes.blocks import Site, block_hint
from engine.recipes.recipe import AdjustStep, MergeStep, Recipe, SelfStep
from search.plan import flat_label
from search.space.build import ADJUST_BOUNDS, SELF_BOUNDS, suggested_sites
from search.space.checks import site_problems
from search.space.frame import RecipeFrame
from search.space.knob import DIGITS, SELF, STEP, Knob
from search.space.space import Space
from studies.after_recipe.probe.designs.design import DesignedRecipe
from studies.errors import StudyError
from studies.results.probe import ProbedKind, ProbedKnob

ADJUST = "adjust:"
"""How the name of an Adjust value's knob begins."""
OTHER_BASE = "take a FLAT ratio, such as 0.5, or a recipe of the study"
"""The way out of what is said of a base."""
ALL, NONE, STUDY, SUGGESTED = "all", "none", "study", "suggested"
"""Words in place of names: everything there is, nothing, what the study searches, the sites people try first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnobChoice:
    """What a person wants probed, as options say it: names with commas between, or one of the words."""

    blocks: str = ALL
    sites: str = STUDY
    fields: str = STUDY


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbedBase:
    """The recipe from which knobs are moved."""

    label: str
    frame: RecipeFrame
    merge: MergeStep
    factors: Mapping[str, float] = field(default_factory=dict[str, float])
    """Multiplier by site."""
    adjust: Mapping[str, float] = field(default_factory=dict[str, float])
    """Adjust value by field."""

    @property
    def ratios(self) -> dict[str, float]:
        """Ratio by block."""
        return self.frame.by_block(self.merge.alpha)

    def value(self, knob: str) -> float:
        """Return the value of a knob, by its name."""
        if knob.startswith(SELF):
            return self.factors.get(knob.removeprefix(SELF), 1.0)
        return self.adjust.get(knob.removeprefix(ADJUST), 0.0) if knob.startswith(ADJUST) else self.ratios[knob]

    def recipe(self, moved: Mapping[str, float]) -> Recipe:
        """Return the recipe in which some knobs have other values.

        Raises:
            RecipeError: a value that the base's mode cannot have.
        """
        ratios = self.ratios | {name: value for name, value in moved.items() if ":" not in name}
        factors, adjust = {**self.factors, **_under(SELF, moved)}, {**self.adjust, **_under(ADJUST, moved)}
        steps = (
            replace(self.merge, alpha=self.frame.ratios(ratios)),
            SelfStep(factors=tuple((Site.parse(site), factor) for site, factor in factors.items())),
            AdjustStep(values=tuple(adjust.get(name, 0.0) for name in self.frame.fields)),
        )
        return Recipe(steps=steps, family=self.frame.family, dialect=self.frame.dialect)


def _under(prefix: str, moved: Mapping[str, float]) -> dict[str, float]:
    return {name.removeprefix(prefix): value for name, value in moved.items() if name.startswith(prefix)}


def flat_base(space: Space, ratio: float) -> ProbedBase:
    """Return a FLAT mix of a study's models as a base; BASE stays where the space freezes it, as in its other mixes."""
    frame, numbers = space.frame, space.numbers(space.neutral)
    held = next(knob for knob in space.knobs if knob.name == "BASE")
    alpha = dict.fromkeys(frame.blocks, ratio) | {"BASE": held.clip(ratio)}
    seconds = {knob.name.removeprefix("beta:"): numbers[knob.name] for knob in space.knobs if knob.kind == "second"}
    beta = dict.fromkeys(frame.blocks, 0.0) | seconds if seconds else {}
    return ProbedBase(label=flat_label(ratio), frame=frame, merge=frame.run(alpha, beta, space.words(space.neutral)))


def base_of_recipe(label: str, recipe: Recipe, frame: RecipeFrame) -> ProbedBase:
    """Return a recipe as a base.

    Args:
        label: of the recipe.
        recipe: one merge of the study's models by a row of ratios, and maybe multipliers and Adjust values after it.
        frame: of the study.

    Raises:
        StudyError: it is no such recipe.
        SearchError: its row of ratios is one of other blocks.
    """
    merge, *rest = recipe.steps
    if (recipe.family, recipe.dialect) != (frame.family, frame.dialect):
        raise StudyError(
            f"{label} is a recipe for {recipe.family} in the dialect {recipe.dialect}, and the study's are for "
            f"{frame.family} in {frame.dialect}",
            remedy=OTHER_BASE,
        )
    if (
        not isinstance(merge, MergeStep)
        or not _is_plain(merge)
        or not all(isinstance(step, SelfStep | AdjustStep) for step in rest)
    ):
        what = f"{label} is not one merge by a row of ratios, with no more than Self and Adjust after it"
        raise StudyError(what, remedy=OTHER_BASE)
    if not {*merge.models} <= {*frame.models}:
        what = f"{label} merges {' and '.join(merge.models)}, and the study {' and '.join(frame.models)}"
        raise StudyError(what, remedy=OTHER_BASE)
    selves = [step for step in rest if isinstance(step, SelfStep)]
    adjusts = [step for step in rest if isinstance(step, AdjustStep)]
    return ProbedBase(
        label=label,
        frame=frame,
        merge=merge,
        factors={str(site): factor for step in selves for site, factor in step.factors},
        adjust={name: value for step in adjusts for name, value in zip(frame.fields, step.values, strict=True)},
    )


def _is_plain(merge: MergeStep) -> bool:
    """Whether a row of ratios is all that a merge has."""
    return not (merge.elemental or merge.adjust or merge.filter)


def probed_knobs(space: Space, base: ProbedBase, choice: KnobChoice) -> tuple[ProbedKnob, ...]:
    """Return the knobs that a person wants probed, with the values that they get.

    Blocks go from 0 to 1. Multipliers and Adjust values go as far as the study searches them, else to the usual bounds.

    Raises:
        StudyError: unknown names, all at once, or nothing is left to probe.
    """
    problems = Problems()
    names = [
        *_blocks(choice.blocks, base.frame, problems),
        *(f"{SELF}{site}" for site in _sites(choice.sites, space, base.frame, problems)),
        *(f"{ADJUST}{name}" for name in _fields(choice.fields, space, base.frame, problems)),
    ]
    problems.raise_as(StudyError)
    if not names:
        raise StudyError("nothing is left to probe", remedy="name blocks, sites or Adjust fields")
    known = {knob.name: knob for knob in space.knobs}
    return tuple(_probed(name, known.get(name), base) for name in names)


def moved_values(designed: DesignedRecipe, knobs: Sequence[ProbedKnob]) -> dict[str, float]:
    """Return the values of the knobs that a recipe of a design moves away from the base.

    A change that means nothing is one step of every knob's grid.
    """
    if designed.nudged:
        return {knob.name: round(knob.base + _grid_step(knob), DIGITS) for knob in knobs}
    by_name = {knob.name: knob for knob in knobs}
    return {name: _value_at(by_name[name], level) for name, level in designed.levels.items()}


def _value_at(knob: ProbedKnob, level: float) -> float:
    """The value of a knob that goes a part of the way from the base to low (below 0) or to high."""
    end = knob.low if level < 0 else knob.high
    return end if abs(level) == 1 else round(knob.base + abs(level) * (end - knob.base), DIGITS)


def _grid_step(knob: ProbedKnob) -> float:
    """One step of a thousandth of the knob's reach, towards its middle."""
    step = (knob.high - knob.low) * STEP
    return step if knob.base < knob.high else -step


def _probed(name: str, knob: Knob | None, base: ProbedBase) -> ProbedKnob:
    where, _, rest = name.partition(":")
    if where == "self":
        low, high = (knob.low, knob.high) if knob and knob.is_free else SELF_BOUNDS
        block, _, element = rest.partition(":")
        return _of("self", name, block, element, "", low, high, base)
    if where == "adjust":
        low, high = (knob.low, knob.high) if knob and knob.is_free else ADJUST_BOUNDS
        return _of("adjust", name, "", rest, "", low, high, base)
    return _of("block", name, name, "", (knob.group if knob else None) or "", 0.0, 1.0, base)


def _of(
    kind: ProbedKind, name: str, block: str, element: str, group: str, low: float, high: float, base: ProbedBase
) -> ProbedKnob:
    value = base.value(name)
    return ProbedKnob(name=name, kind=kind, block=block, element=element, group=group, low=low, base=value, high=high)


def _blocks(text: str, frame: RecipeFrame, problems: Problems) -> list[str]:
    """The blocks of `IN00-IN05,OUT05`, in the order of the UNet."""
    if text in (ALL, NONE):
        return list(frame.blocks) if text == ALL else []
    chosen: set[str] = set()
    for part in _words(text):
        ends = [end.strip() for end in part.split("-")]
        unknown = [end for end in ends if end not in frame.blocks]
        for end in unknown:
            problems.add(("--blocks",), f"there is no block {end!r}", block_hint(end, frame.blocks))
        if not unknown:
            places = [frame.blocks.index(end) for end in ends]
            chosen |= {*frame.blocks[min(places) : max(places) + 1]}
    return [block for block in frame.blocks if block in chosen]


def _sites(text: str, space: Space, frame: RecipeFrame, problems: Problems) -> list[str]:
    if text == STUDY:
        return [knob.name.removeprefix(SELF) for knob in space.of_kind("self")]
    if text in (NONE, SUGGESTED):
        return [*suggested_sites(frame)] if text == SUGGESTED else []
    found: dict[str, None] = {}
    for part in _words(text):
        site = part if ":" in part else f"{part}:"
        wrong = site_problems(site, frame)
        problems.extend(problem.under("--self") for problem in wrong)
        found |= {} if wrong else {str(Site.parse(site)): None}
    return list(found)


def _fields(text: str, space: Space, frame: RecipeFrame, problems: Problems) -> list[str]:
    if text == STUDY:
        return [knob.name.removeprefix(ADJUST) for knob in space.of_kind("adjust")]
    if text in (ALL, NONE):
        return [*frame.fields] if text == ALL else []
    for name in (name for name in _words(text) if name not in frame.fields):
        problems.add(("--adjust",), f"there is no Adjust field {name!r}", did_you_mean(name, frame.fields))
    return [name for name in frame.fields if name in _words(text)]


def _words(text: str) -> list[str]:
    return [part for part in (part.strip() for part in text.split(",")) if part]

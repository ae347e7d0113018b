"""A recipe: what to merge, as frozen values with one canonical text and one content hash.

It knows nothing of tensors. A recipe is a chain of steps: each takes models, or what earlier steps made, by name; the
last one makes the result. Two recipes are equal exactly when their texts are.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

from engine.architecture.widths import FAMILIES, FamilyName
from engine.errors import Problem, RecipeError, did_you_mean
from engine.modes.sums import ADD_DIFFERENCE, WEIGHT_SUM
from engine.recipes import text as recipe_text
from engine.recipes.blocks import BLOCKS, EXTENDED_BLOCKS, XL_BLOCKS, Site, blocks_of, element_hint
from engine.recipes.dialects import Dialect, dialect_of
from engine.recipes.sites import idle_sites, is_unknown_element
from engine.recipes.steps import NUMBERED, PREVIOUS, AdjustStep, Filter, MergeStep, SelfStep, Step, as_run, is_neutral

__all__ = ["AdjustStep", "Filter", "MergeStep", "Recipe", "SelfStep", "Step"]

FIRST_MODEL = "A"
"""What ``previous`` means in the first step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """A chain of steps in one dialect for one family of models.

    Attributes:
        steps: self and adjust steps that change nothing are dropped, but for one that stands alone or has a name.
        dialect: whose rules give keys to blocks and define the steps: a name of ``engine.recipes.dialects.DIALECTS``.
        family: of all the models.
        save: how SuperMerger saves the model of a step before the next one reads it: fp16, or as it was computed.
    """

    steps: tuple[Step, ...]
    dialect: str = "classic"
    family: FamilyName = "sd1"
    save: Literal["fp16", "computed"] = "fp16"

    def __post_init__(self) -> None:
        if self.family not in FAMILIES:
            raise RecipeError(f"there is no family {self.family!r}", remedy=did_you_mean(self.family, FAMILIES))
        if self.save not in {"fp16", "computed"}:
            raise RecipeError(f"save is {self.save!r}", remedy="write fp16 or computed")
        if not any(NUMBERED.fullmatch(name) for step in self.steps for name in _taken(step)):
            effective = tuple(step for step in self.steps if step.name or not is_neutral(step))
            object.__setattr__(self, "steps", effective or self.steps[:1])
        if problems := list(_problems(self)):
            raise RecipeError.of(problems, "the recipe" if len(problems) > 1 else "")

    @classmethod
    def flat(cls, ratio: float, *, base: float = 0.0) -> Recipe:
        """FLAT_xx: one ratio in all 25 UNet blocks. ``flat(0)`` is A, ``flat(1, base=1)`` is B whole."""
        return cls(steps=(MergeStep(alpha=(base, *(ratio for _ in BLOCKS[1:]))),))

    @property
    def rules(self) -> Dialect:
        """The dialect itself."""
        return dialect_of(self.dialect)

    @property
    def runs(self) -> tuple[MergeStep, ...]:
        """Every step as the run of SuperMerger it stands for; results are called step1, step2, ... in its models."""
        return _runs_of(self.steps, self.family)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models that it takes, in the order of their first use."""
        taken = (name for run in self.runs for name in run.models)
        return tuple(dict.fromkeys(name for name in taken if not NUMBERED.fullmatch(name)))

    @property
    def text(self) -> str:
        """The canonical text, TOML: format, dialect, family, and one table a step."""
        return recipe_text.write(self.dialect, self.family, self.save, self.steps)

    @property
    def key(self) -> str:
        """SHA-256 of the text, 64 hex digits."""
        return hashlib.sha256(self.text.encode()).hexdigest()

    @classmethod
    def parse(cls, text: str) -> Recipe:
        """Read what ``text`` wrote.

        Raises:
            RecipeError: every problem at once, each with its place, the value seen and what should stand there.
        """
        return cls(**recipe_text.read(text))


@lru_cache(maxsize=16)
def _runs_of(steps: tuple[Step, ...], family: FamilyName) -> tuple[MergeStep, ...]:
    """See ``Recipe.runs``, which is asked for several times: checks, models, plan."""
    found: list[MergeStep] = []
    before, names = FIRST_MODEL, dict[str, str]()
    for number, step in enumerate(steps, start=1):
        run = as_run(step, family)
        models = tuple(before if name == PREVIOUS else names.get(name, name) for name in run.models)
        before = f"step{number}"
        names |= {run.name or before: before}
        found.append(replace(run, models=models, name=""))
    return tuple(found)


# ---------------------------------------------------------------------------------------------------------- checks


def _problems(recipe: Recipe) -> Iterator[Problem]:
    dialect = recipe.rules
    if not recipe.steps:
        yield Problem(what="a recipe has no steps", remedy="write at least one")
        return
    if recipe.family not in dialect.families:
        yield Problem(
            what=f"SuperMerger stops with an error when it merges {recipe.family} in the dialect {dialect.name}",
            remedy=f"write classic, or {dialect.name}_patched for {dialect.name} with its block names put back",
        )
    yield from _name_problems(recipe)
    for number, step in enumerate(recipe.steps):
        yield from (problem.under("steps", number) for problem in _step_problems(step, recipe.family, dialect))


def _taken(step: Step) -> tuple[str, ...]:
    return step.models if isinstance(step, MergeStep) else (PREVIOUS,)


def _name_problems(recipe: Recipe) -> Iterator[Problem]:
    names = Counter(step.name for step in recipe.steps if step.name)
    for name in (name for name, count in names.items() if count > 1):
        second = [number for number, step in enumerate(recipe.steps) if step.name == name][1]
        place = ("steps", second, "name")
        yield Problem(place=place, what=f"two steps are called {name}", remedy="give each a name of its own")
    made: set[str] = set()
    taken: set[str] = set()
    for number, (step, run) in enumerate(zip(recipe.steps, recipe.runs, strict=True), start=1):
        early = [name for name in run.models if (name in names or NUMBERED.fullmatch(name)) and name not in made]
        place = ("steps", number - 1, "models")
        yield from (
            Problem(place=place, what=f"step {number} takes {name}, which is not made before it") for name in early
        )
        made |= {f"step{number}", step.name}
        taken |= {*run.models}
    for number, step in enumerate(recipe.steps[:-1], start=1):
        if f"step{number}" not in taken:
            what = f"nothing takes the result of {step.name or f'step {number}'}"
            yield Problem(place=("steps", number - 1), what=what, remedy="name it in models, or write previous")


def _step_problems(step: Step, family: FamilyName, dialect: Dialect) -> Iterator[Problem]:
    if dialect.webui:
        yield from _webui_problems(step)
        return
    if isinstance(step, SelfStep):
        if idle := idle_sites([site for site, _ in step.factors], family, dialect):
            yield Problem(
                what=f"no tensor that a self step may multiply belongs to {', '.join(map(str, idle))}",
                remedy=_site_hint(idle, family, dialect),
            )
        return
    values = step.values if isinstance(step, AdjustStep) else step.adjust
    fields = dialect.adjust_fields
    if values and len(values) != len(fields):
        yield Problem(
            what=f"Adjust has {len(values)} values",
            remedy=f"the dialect {dialect.name} has {len(fields)}: {', '.join(fields)} "
            "(`recipe-search recipe convert --dialect` translates)",
        )
    if isinstance(step, MergeStep):
        yield from _run_problems(step, family, dialect)


def _site_hint(idle: list[Site], family: FamilyName, dialect: Dialect) -> str:
    """The way out for sites without tensors: an element that is misspelt, or where attention lies."""
    if strange := [site.element for site in idle if is_unknown_element(site.element, family)]:
        return element_hint(strange[0])
    never = f", and {', '.join(dialect.self_skips)} are never multiplied" if dialect.self_skips else ""
    return f"attention lies in the IN and OUT blocks with transformers and in M00{never}"


def _webui_problems(step: Step) -> Iterator[Problem]:
    """AUTOMATIC1111's own merger has two merge modes with one ratio, and nothing else."""
    plain = MergeStep(models=step.models, mode=step.mode, alpha=step.alpha) if isinstance(step, MergeStep) else None
    modes = (WEIGHT_SUM.name, ADD_DIFFERENCE.name)
    if plain is None or isinstance(plain.alpha, tuple) or plain.mode not in modes or replace(step, name="") != plain:
        yield Problem(
            what="AUTOMATIC1111's own merger (dialect webui) cannot do this step",
            remedy=f"it has {' and '.join(modes)} with one alpha for every block, and no rules, Adjust or filters; "
            "write a dialect of SuperMerger",
        )


def _run_problems(step: MergeStep, family: FamilyName, dialect: Dialect) -> Iterator[Problem]:
    if step.calculation not in dialect.calculations:
        yield Problem(
            place=("calculation",),
            what=f"there is no calculation mode {step.calculation!r} in the dialect {dialect.name}",
            remedy=did_you_mean(step.calculation, dialect.calculations),
        )
    if step.filter and not dialect.filters:
        yield Problem(what=f"the dialect {dialect.name} has no {step.filter.kind}", remedy="leave it out")
    if step.extended and not (dialect.extended and family == "sdxl"):
        yield Problem(what="extended blocks are for SDXL in the dialect head", remedy="leave extended out")
    for what, ratio in (("alpha", step.alpha), ("beta", step.beta)):
        if isinstance(ratio, tuple) and not _fits(len(ratio), family, dialect):
            blocks = blocks_of(family)
            needed = f"{family} needs {len(blocks)}: BASE, {blocks[1]} .. {blocks[-1]}"
            yield Problem(what=f"{what} has {len(ratio)} numbers", remedy=needed)


def _fits(count: int, family: FamilyName, dialect: Dialect) -> bool:
    """SDXL takes 26 numbers too, as SuperMerger does: those of blocks that it lacks are left out."""
    if count == len(EXTENDED_BLOCKS):
        return family == "sdxl" and dialect.extended
    return count == len(BLOCKS) or (family == "sdxl" and count == len(XL_BLOCKS))

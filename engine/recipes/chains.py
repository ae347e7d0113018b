"""Chains: recipes one after another, each of models that the one before it made, as one recipe of the first parents.

A merge is often made by stages: ``alpha`` of A and B, ``beta`` of alpha and C, a last step on beta. Each stage is a
recipe of its own, saved as a checkpoint. A chain has the steps of all of them, and gives the same bits where every
stage was saved as the recipe's ``save`` says.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from string import ascii_uppercase

from engine.errors import RecipeError
from engine.recipes.recipe import FIRST_MODEL, Recipe
from engine.recipes.steps import NUMBERED, PREVIOUS, MergeStep, Step, as_run

_STRANGE = re.compile(r"[^A-Za-z0-9_.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainModel:
    """A parent that no stage made.

    Attributes:
        file: name of its file.
        sha256: of the file.
    """

    file: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ChainStage:
    """A stage that was saved as a checkpoint, from which a later one went on.

    Attributes:
        name: of its result among the steps.
        step: the number of its last step in the chain, from 1.
        file: name of the checkpoint.
        sha256: of the checkpoint.
    """

    name: str
    step: int
    file: str
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeChain:
    """All stages as one recipe.

    Attributes:
        recipe: of the first parents.
        models: these, by the names that the recipe uses.
        stages: those that were saved, but for the last, in the order of their steps; empty: there is one stage alone.
        ends: why a model that was merged too is taken as it is, a sentence each.
    """

    recipe: Recipe
    models: Mapping[str, ChainModel]
    stages: tuple[ChainStage, ...] = ()
    ends: tuple[str, ...] = ()


def continued(recipe: Recipe, models: Mapping[str, ChainModel], made: Mapping[str, RecipeChain]) -> RecipeChain:
    """Return a recipe with the steps before it of those of its models that were merged.

    Args:
        recipe: the last stage.
        models: the file of each of its models, by name.
        made: how some of these were made, by name: of the same dialect, family and ``save``.

    Raises:
        RecipeError: a chain has another dialect, family or ``save``; the recipe takes a model that is not given.
    """
    joined, names = _JoinedSteps(), dict[str, str]()
    for name in recipe.models:
        if name not in models:
            raise RecipeError(f"the file of {name} is not known")
        if name not in made:
            names[name] = joined.letter_of(models[name])
            continue
        _refuse_other_rules(recipe, made[name].recipe)
        names[name] = joined.add_chain(made[name], models[name])
    joined.add_steps(recipe, names)
    whole = replace(recipe, steps=tuple(joined.steps))
    numbers = {step.name: number for number, step in enumerate(whole.steps, start=1) if step.name}
    stages = tuple(replace(stage, step=numbers[stage.name]) for stage in joined.stages)
    return RecipeChain(recipe=whole, models=joined.models, stages=stages, ends=tuple(dict.fromkeys(joined.ends)))


def stage_name(file: str) -> str:
    """Return the name of a checkpoint's file, without its ending, as a name for a step's result."""
    plain = _STRANGE.sub("_", file.removesuffix(".safetensors")).strip("_") or "stage"
    is_other = plain in ascii_uppercase or plain == PREVIOUS or NUMBERED.fullmatch(plain) is not None
    return f"stage_{plain}" if is_other or not plain[0].isalpha() else plain


def _refuse_other_rules(recipe: Recipe, before: Recipe) -> None:
    for what in ("dialect", "family", "save"):
        if getattr(recipe, what) != getattr(before, what):
            texts = f"{getattr(before, what)} and {getattr(recipe, what)}"
            raise RecipeError(f"stages of one chain have different values of {what}: {texts}")


class _JoinedSteps:
    """The steps so far, and what they are made of."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.models: dict[str, ChainModel] = {}
        self.stages: list[ChainStage] = []
        self.ends: list[str] = []

    def letter_of(self, model: ChainModel) -> str:
        """The name of a first parent: one for each file, A, B, C and so on."""
        known = next((name for name, one in self.models.items() if one.sha256 == model.sha256), None)
        taken = {*self.models, *(step.name for step in self.steps)}
        name = known or next(letter for letter in _letters() if letter not in taken)
        self.models.setdefault(name, model)
        return name

    def add_chain(self, chain: RecipeChain, made: ChainModel) -> str:
        """Add the steps of a model that was merged; returns the name of its result."""
        before = len(self.steps)
        self.add_steps(
            chain.recipe,
            {name: self.letter_of(chain.models[name]) for name in chain.recipe.models},
            last=stage_name(made.file),
        )
        for stage in chain.stages:
            self.stages.append(replace(stage, name=self.steps[before + stage.step - 1].name))
        result = self.steps[-1].name
        self.stages.append(ChainStage(name=result, step=len(self.steps), file=made.file, sha256=made.sha256))
        self.ends += chain.ends
        return result

    def add_steps(self, recipe: Recipe, models: Mapping[str, str], *, last: str = "") -> None:
        """Add the steps of a recipe.

        Args:
            recipe: the recipe.
            models: what its models are called here, by its names for them.
            last: what to call the result of its last step, where that has no name; "": nothing.
        """
        names, before = dict(models), len(self.steps)
        for number, step in enumerate(recipe.steps, start=1):
            wanted = step.name or (last if number == len(recipe.steps) else "")
            name = self._free(wanted) if wanted else ""
            self.steps.append(self._renamed(step, recipe, names, before, name, is_first=number == 1))
            if step.name:
                names[step.name] = name

    def _renamed(
        self, step: Step, recipe: Recipe, names: Mapping[str, str], before: int, name: str, *, is_first: bool
    ) -> Step:
        first = names.get(FIRST_MODEL, FIRST_MODEL)
        if not isinstance(step, MergeStep):
            if not is_first or self._ends_with(first):
                return replace(step, name=name)
            step = as_run(step, recipe.family)
        models = (first if one == PREVIOUS and is_first else _moved(one, names, before) for one in step.models)
        return replace(step, models=tuple(models), name=name)

    def _ends_with(self, name: str) -> bool:
        """Whether ``previous`` means this name now."""
        return self.steps[-1].name == name if self.steps else name == FIRST_MODEL

    def _free(self, wanted: str) -> str:
        taken = {step.name for step in self.steps}
        numbered = (wanted if number == 1 else f"{wanted}_{number}" for number in count(1))
        return next(name for name in numbered if name not in taken and name not in self.models)


def _moved(name: str, names: Mapping[str, str], before: int) -> str:
    """What a model of a step is called behind so many other steps."""
    if NUMBERED.fullmatch(name):
        return f"step{int(name.removeprefix('step')) + before}"
    return names.get(name, name)


def _letters() -> Iterator[str]:
    yield from ascii_uppercase
    yield from (f"{ascii_uppercase[-1]}{number}" for number in count(2))

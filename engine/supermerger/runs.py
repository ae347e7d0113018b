"""The runs that a recipe takes in SuperMerger: its steps, with Adjust folded into the preceding run where it may be.

Adjust acts last within a run and on six tensors, which whole models have. In a run of its own it acts on the finished
model; the two are the same where the run before it touches these six, whatever its ratios. It does not where a filter
or Self's factor 0 leaves one of them alone, and in calculation modes that leave some tensors alone or add something
after Adjust (``joins_adjust``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from engine.architecture.widths import FamilyName
from engine.merging.ratios import RunSettings
from engine.recipes.adjust import ADJUSTED
from engine.recipes.blocks import place_of
from engine.recipes.dialects import Dialect
from engine.recipes.elemental import parse_elemental
from engine.recipes.recipe import Recipe
from engine.recipes.steps import AdjustStep, MergeStep


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run.

    Attributes:
        step: models of the recipe, or ``step1``, ``step2``, ...: results of runs by the numbers of these runs.
        name: what the recipe calls the result, or "".
        used_by: number of the last run that takes the result, if that is not the next one.
    """

    step: MergeStep
    name: str = ""
    used_by: int = 0


def joined_runs(recipe: Recipe) -> tuple[Run, ...]:
    """The runs of a recipe in order; there are fewer than steps where Adjust goes with the run before it."""
    takers = Counter(name for run in recipe.runs for name in {*run.models})
    found: list[Run] = []
    numbers: dict[str, str] = {}
    for place, (step, run) in enumerate(zip(recipe.steps, recipe.runs, strict=True), start=1):
        before = f"step{place - 1}"
        alone = place > 1 and takers[before] == 1 and not recipe.steps[place - 2].name
        if isinstance(step, AdjustStep) and alone and takes_adjust(found[-1].step, recipe.family, recipe.rules):
            found[-1] = Run(step=replace(found[-1].step, adjust=step.values), name=step.name)
        else:
            models = tuple(numbers.get(name, name) for name in run.models)
            found.append(Run(step=replace(run, models=models), name=step.name))
        numbers[f"step{place}"] = f"step{len(found)}"
    return tuple(replace(run, used_by=_last_use(found, place)) for place, run in enumerate(found, start=1))


def _last_use(runs: Sequence[Run], place: int) -> int:
    uses = [number for number, run in enumerate(runs, start=1) if f"step{place}" in run.step.models]
    return uses[-1] if uses and uses[-1] > place + 1 else 0


def takes_adjust(run: MergeStep, family: FamilyName, dialect: Dialect) -> bool:
    """Whether Adjust in this run is the same as in a run after it."""
    mode = run.pair.calculation
    if run.adjust or not mode.joins_adjust or (mode.inputs == "A" and _is_random(run)):
        return False
    settings = RunSettings(run, family, dialect, sorted(ADJUSTED))
    ratios = {key: settings.ratios(key) for key in ADJUSTED if place_of(key, family, dialect)}
    return all(ratio is not None and settings.computes(key, ratio[0]) for key, ratio in ratios.items())


def _is_random(run: MergeStep) -> bool:
    rules = parse_elemental(run.elemental, run.calculation, extended=run.by_extended_block)
    return any(isinstance(rule.ratio, str) for rule in rules)

"""Measuring a pair: render what is planned, and read the effects out of what is kept.

Recipes follow each other so that one block changes at a time, which the live model rebuilds quickly; those of a
screening differ in half of their blocks. Every set of shots is kept once it is rendered, so a probe that was stopped
goes on where it was, and another one renders only what is new. The result is a function of the kept pictures.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from rich.console import Console

from studies.after_recipe.measuring.opened import Measuring
from studies.after_recipe.probe.designs.design import ProbeDesign
from studies.after_recipe.probe.designs.plan import PlannedRecipe, ProbePlan, chunked
from studies.after_recipe.probe.effects import (
    LEVEL,
    Measured,
    effects_of,
    floor_of,
    seed_noise,
    standard_errors,
)
from studies.after_recipe.probe.picture_measures import MEASURES
from studies.after_recipe.probe.rendering import ProbeRenders
from studies.after_recipe.probe.renders import PlannedRenders
from studies.progress import meter
from studies.results.probe import (
    EffectColumn,
    KnobEffect,
    ProbeBase,
    ProbedRecipe,
    ProbedShot,
    ProbeResult,
    ProbeRun,
)


def probe(
    measuring: Measuring, plan: ProbePlan, console: Console, *, precision: float | None = None
) -> tuple[ProbeResult, ProbeRenders]:
    """Render a plan, and return what every knob does, and the renders.

    Args:
        measuring: the study, opened.
        plan: what is rendered.
        console: takes the progress.
        precision: middle standard error, in units of the noise of seeds, at which no more shots are rendered; None:
            all are.

    Raises:
        StudyError: the base gives no pictures.
        EngineError, ScorerError: pictures cannot be made or judged.
        KeyboardInterrupt: Ctrl+C; what was rendered is kept.
    """
    renders = ProbeRenders(measuring=measuring, plan=plan)
    return probe_renders(renders, console, precision=precision), renders


def probe_renders(renders: PlannedRenders, console: Console, *, precision: float | None = None) -> ProbeResult:
    """Render a plan, and return what every knob does.

    Args:
        renders: of the plan; none are made yet.
        console: as `probe` takes it.
        precision: as `probe` takes it.

    Raises:
        StudyError, EngineError, ScorerError, KeyboardInterrupt: as `probe`.
    """
    started, before = time.monotonic(), renders.drawn
    sets = range(len(chunked(renders.plan.shots)))
    rounds = [list(sets)] if precision is None else [[number] for number in sets]
    with meter("probing", renders.plan.pictures, console) as bar:
        for some in rounds:
            renders.render(some, bar)
            if precision is not None and middle_error(renders) <= precision:
                break
    return result_of(renders, seconds=time.monotonic() - started, drawn=renders.drawn - before)


def middle_error(renders: PlannedRenders) -> float:
    """The median standard error of all effects so far, in units of the noise of seeds."""
    seeds = seed_noise(renders.seed_differences())
    errors = [
        standard_errors(effects_of(measured_of(renders, design, recipes), seeds), seeds)
        for design, recipes in renders.plan.designs
    ]
    return float(np.median(np.concatenate(errors)))


def measured_of(renders: PlannedRenders, design: ProbeDesign, recipes: Sequence[PlannedRecipe]) -> Measured:
    """Everything that was measured of the recipes of a design."""
    made = [place for place, recipe in enumerate(recipes) if recipe.candidate.key not in renders.broken]
    candidates = [recipes[place].candidate for place in made]
    numbers = [renders.numbers(candidate) for candidate in candidates]
    return Measured(
        design=design,
        made=tuple(made),
        signed={name: np.stack([one[name] for one in numbers]) for name in numbers[0]},
        products=renders.products(candidates),
    )


def result_of(renders: PlannedRenders, *, seconds: float, drawn: int) -> ProbeResult:
    """Return what every knob does, out of renders that are made.

    Args:
        renders: of all recipes.
        seconds: that the command took.
        drawn: pictures that it rendered.
    """
    plan = renders.plan
    seeds = seed_noise(renders.seed_differences())
    effects: list[KnobEffect] = []
    floors: dict[str, dict[str, float]] = {}
    for design, recipes in plan.designs:
        measured = measured_of(renders, design, recipes)
        effects += effects_of(measured, seeds)
        for name, floor in floor_of(measured).items():
            floors.setdefault(name, {})[design.method] = floor
    taken = {effect.column for effect in effects}
    return ProbeResult(
        study=renders.name,
        family=plan.base.frame.family,
        models=renders.models,
        base=ProbeBase(label=plan.base.label, recipe=plan.still.recipe.text),
        knobs=plan.knobs,
        columns=tuple(_columns(taken, seeds, floors)),
        effects=tuple(effects),
        shots=tuple(ProbedShot(prompt=shot.prompt, seed=shot.seed) for shot in plan.shots[: renders.shots]),
        runs=tuple(
            ProbeRun(
                method=design.method, recipes=len(recipes), shots=renders.shots, pictures=len(recipes) * renders.shots
            )
            for design, recipes in plan.designs
        ),
        recipes=tuple(_scored(renders)),
        strips={},
        level=LEVEL,
        drawn=drawn,
        seconds=seconds,
        broken=tuple(renders.broken.values()),
        remarks=tuple(_remarks(taken, seeds)),
    )


def _columns(
    taken: set[str], seeds: Mapping[str, float], floors: Mapping[str, dict[str, float]]
) -> Iterator[EffectColumn]:
    for one in MEASURES:
        if one.name in taken:
            floor = floors.get(one.name, {})
            yield EffectColumn(name=one.name, unit=one.unit, signed=one.signed, seeds=seeds.get(one.name), floor=floor)


def _scored(renders: PlannedRenders) -> Iterator[ProbedRecipe]:
    """Every recipe, and what the objective says of it against the base."""
    for recipe in renders.plan.recipes:
        candidate, value = recipe.candidate, (None, None)
        if candidate.key not in renders.broken:
            value = renders.against_base(candidate)
        yield ProbedRecipe(
            label=recipe.label,
            recipe=candidate.recipe.text,
            vae=candidate.vae,
            value=value[0],
            standard_error=value[1],
        )


def _remarks(taken: set[str], seeds: Mapping[str, float]) -> list[str]:
    """What a person should know of the numbers."""
    remarks: list[str] = []
    if "fidelity" not in taken:
        remarks.append('prompt fidelity was not measured: that takes a study with the scorer "clip"')
    if "style" not in taken:
        remarks.append("style was not measured: that takes a study with references")
    still = [one.name for one in MEASURES if seeds.get(one.name) == 0]
    if still:
        remarks.append(f"seeds change nothing in {', '.join(still)}")
    return remarks

"""What a probe will render: recipes of one or two designs, and the shots of each; known before anything is rendered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from engine.errors import ProblemError
from engine.recipes.presets import preset_weights
from engine.recipes.recipe import Recipe
from engine.shots.shot import Shot
from search.space.frame import RecipeFrame
from search.space.space import Space
from studies.after_recipe.measuring.subject import subject_of
from studies.after_recipe.probe.designs.design import DesignedRecipe, ProbeDesign, one_at_a_time, screening
from studies.after_recipe.probe.designs.knobs import (
    KnobChoice,
    ProbedBase,
    base_of_recipe,
    flat_base,
    moved_values,
    probed_knobs,
)
from studies.candidate import Candidate
from studies.errors import StudyError
from studies.recipes.inputs import InputOptions, read_input
from studies.results.probe import ONE, ProbedKnob
from studies.studyfile.spec import StudyShots, StudySpec, seed_in_turn
from studies.studyfile.tables.schema_merge import RATIO_LIMITS

DesignName = Literal["one", "screen", "both"]
"""Which designs are rendered."""
REACH = 0.2
"""Part of the way to their ends that multipliers and Adjust values go in a screening: all at their ends at once would
spoil the pictures that the blocks are measured by."""
CHUNK = 4
"""Shots that are rendered and kept together; a probe's number of shots is a multiple."""
USUAL_SHOTS = 8
"""Shots of every recipe where nobody asks for another number."""
PIN = "pin"
"""Stands for the newest approved recipe in place of a base."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeOptions:
    """What a person asks for."""

    choice: KnobChoice = field(default_factory=KnobChoice)
    base: str = "0.5"
    """A FLAT ratio, `pin`, a preset, a row of weights or a recipe file."""
    design: DesignName = "both"
    shots: int | None = None
    """Shots of every recipe, rounded up to a multiple of `CHUNK`."""
    pictures: int | None = None
    """Pictures in all at most, in place of ``shots``."""
    precision: float | None = None
    """Middle standard error, in units of the noise of seeds, at which it is enough; at most ``shots`` are rendered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedRecipe:
    """A recipe of a design, as it is rendered."""

    label: str
    candidate: Candidate


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbePlan:
    """Everything that a probe renders, in order."""

    base: ProbedBase
    knobs: tuple[ProbedKnob, ...]
    still: Candidate
    """The base as it is rendered."""
    designs: tuple[tuple[ProbeDesign, tuple[PlannedRecipe, ...]], ...]
    shots: tuple[Shot, ...]
    twins: tuple[Shot, ...]
    """The same shots with other seeds, which only the base is rendered with: they show the noise of seeds."""

    @property
    def recipes(self) -> tuple[PlannedRecipe, ...]:
        """All recipes, each once, in the order in which they are rendered; the base first."""
        still = PlannedRecipe(label="base", candidate=self.still)
        every = [still, *(recipe for _, recipes in self.designs for recipe in recipes)]
        first: dict[str, PlannedRecipe] = {}
        for recipe in every:
            first.setdefault(recipe.candidate.key, recipe)
        return tuple(first.values())

    @property
    def pictures(self) -> int:
        """Pictures in all, at most."""
        return len(self.recipes) * len(self.shots) + len(self.twins)


def chunked(shots: tuple[Shot, ...]) -> list[tuple[Shot, ...]]:
    """Return shots in the sets that are rendered and kept together."""
    return [shots[start : start + CHUNK] for start in range(0, len(shots), CHUNK)]


def planned_probe(spec: StudySpec, options: ProbeOptions | None = None) -> ProbePlan:
    """Return what a probe of a study renders.

    Args:
        spec: the study.
        options: what a person asks for; None: the usual.

    Raises:
        StudyError: names that there are not, or a base that is none.
        RecipeError: a value that the base's mode cannot have.
    """
    options = options or ProbeOptions()
    base, vae = _base(spec, options.base)
    return plan_of(base, spec.search.space, spec.shots, options, vae=vae)


def plan_of(base: ProbedBase, space: Space, shots: StudyShots, options: ProbeOptions, *, vae: str = "") -> ProbePlan:
    """Return what a probe renders.

    Args:
        base: what knobs are moved from.
        space: of the recipes; it says which multipliers and Adjust values are searched, and how far.
        shots: those of its trials are rendered.
        options: what a person asks for.
        vae: the study's word for the VAE that decodes.

    Raises:
        StudyError, RecipeError: as `planned_probe`.
    """
    knobs = probed_knobs(space, base, options.choice)
    designs = [
        (design, tuple(_planned(recipe, design, base, knobs, vae) for recipe in design.recipes))
        for design in _designs(options.design, knobs)
    ]
    still = Candidate(recipe=base.recipe({}), vae=vae)
    plan = ProbePlan(base=base, knobs=knobs, still=still, designs=tuple(designs), shots=(), twins=())
    chosen = probe_shots(shots, _shot_count(options, len(plan.recipes)))
    return replace(plan, shots=chosen, twins=tuple(_twin(shot, shots) for shot in chosen))


def _designs(name: DesignName, knobs: Sequence[ProbedKnob]) -> list[ProbeDesign]:
    names = [knob.name for knob in knobs]
    one, screen = one_at_a_time(names), screening(names, {knob.name: REACH for knob in knobs if knob.kind != "block"})
    return {"one": [one], "screen": [screen], "both": [one, screen]}[name]


def _planned(
    recipe: DesignedRecipe, design: ProbeDesign, base: ProbedBase, knobs: Sequence[ProbedKnob], vae: str
) -> PlannedRecipe:
    moved = moved_values(recipe, knobs)
    labels = {knob.name: knob.label for knob in knobs}
    by_value = design.method == ONE and recipe.levels
    label = ", ".join(f"{labels[name]} = {value:g}" for name, value in moved.items()) if by_value else recipe.label
    return PlannedRecipe(label=label, candidate=Candidate(recipe=base.recipe(moved), vae=vae))


def _base(spec: StudySpec, text: str) -> tuple[ProbedBase, str]:
    """The base that a person names, and the VAE that decodes it."""
    usual = next(iter(spec.rendering.vaes), "")
    if text == PIN:
        subject = subject_of(spec)
        return base_of_recipe(subject.label, subject.candidate.recipe, spec.search.space.frame), subject.candidate.vae
    return named_base(text, spec.search.space), usual


def named_base(text: str, space: Space) -> ProbedBase:
    """Return the base of a text: a FLAT ratio, a preset, a row of weights or a recipe file.

    Raises:
        StudyError: it is none of them.
    """
    with suppress(ValueError):
        return flat_base(space, _flat_ratio(float(text)))
    try:
        return base_of_recipe(Path(text).stem, _recipe_of(text, space.frame), space.frame)
    except ProblemError as error:
        raise StudyError.of(problem.under("--base") for problem in error.problems) from error


def _flat_ratio(ratio: float) -> float:
    """A ratio that a mix can have.

    Raises:
        StudyError: it lies outside of their range, as NaN does.
    """
    low, high = RATIO_LIMITS
    if not low <= ratio <= high:
        raise StudyError(f"a ratio is a number from {low:g} to {high:g}", place=("--base",), seen=ratio)
    return ratio


def _recipe_of(text: str, frame: RecipeFrame) -> Recipe:
    """The recipe of a file, of a row of weights or of a preset."""
    options = InputOptions(family=frame.family, dialect=frame.dialect)
    if Path(text).suffix and "," not in text:
        return read_input(text, options).recipe
    row = text if "," in text else ",".join(f"{weight:g}" for weight in preset_weights(text))
    return read_input(row, replace(options, kind="weights")).recipe


def _shot_count(options: ProbeOptions, recipes: int) -> int:
    """How many shots every recipe is rendered with: a multiple of `CHUNK`.

    Raises:
        StudyError: so few pictures were asked for that no set of shots can be rendered.
    """
    if options.pictures is None:
        return math.ceil((options.shots or USUAL_SHOTS) / CHUNK) * CHUNK
    one_set = (recipes + 1) * CHUNK  # the base comes with other seeds too
    if options.pictures < one_set:
        asked = f"--pictures {options.pictures} is too small"
        what = f"{asked}: {recipes} recipes with {CHUNK} shots each take {one_set}"
        raise StudyError(what, remedy=f"allow {one_set}, or name fewer --blocks")
    return options.pictures // one_set * CHUNK


def probe_shots(shots: StudyShots, count: int) -> tuple[Shot, ...]:
    """Return so many shots of a study's trials, different prompts first; then the same prompts with other seeds."""
    turns: dict[str, int] = {}
    rank: list[tuple[int, int]] = []
    for place, shot in enumerate(shots.trials):
        rank.append((turns.setdefault(shot.prompt, 0), place))
        turns[shot.prompt] += 1
    order = [place for _, place in sorted(rank)]
    places = [order[number % len(order)] + len(order) * (number // len(order)) for number in range(count)]
    return shots.drawn(places)


def _twin(shot: Shot, shots: StudyShots) -> Shot:
    """The shot with a seed that no shot of the study has."""
    taken = {(one.prompt, one.seed) for one in shots.every}
    turn = 101  # beyond the turns that a search takes
    while (shot.prompt, seed_in_turn(shot.seed, turn)) in taken:
        turn += 1
    return replace(shot, seed=seed_in_turn(shot.seed, turn))

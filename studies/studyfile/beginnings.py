"""What a study begins with, as its file names it: recipe files, presets, rows of weights, a finished study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from engine.errors import Place, Problem, ProblemError, Problems
from engine.files import user_path
from engine.recipes.presets import preset_weights
from engine.recipes.recipe import MergeStep, Recipe
from search.errors import SearchError
from search.plan import InitialRecipe, SearchPlan
from search.space.space import Space
from studies.errors import StudyError
from studies.recipes.inputs import InputOptions, read_input
from studies.studyfile.earlier import add_naming_problems, copied_study, is_earlier, with_copy


def with_beginnings(
    plan: SearchPlan,
    space: Space,
    here: Path,
    *,
    begin: Sequence[str],
    start: str | None,
    folder: Path,
    problems: Problems,
) -> SearchPlan:
    """Return the plan with the recipes to try first, and the one that the stages after `flat` start from.

    With the trials of an earlier study too, once the study has copied them.

    Args:
        plan: without these recipes.
        space: in which they must lie.
        here: folder that paths of recipe files start from.
        begin: the texts of `begin`.
        start: the text of `start`, or None.
        folder: of the study, with its copy of an earlier one.
        problems: what is wrong with single ones is added.
    """
    named = [(n, text) for n, text in enumerate(begin) if not is_earlier(text)]
    texts: list[tuple[Place, str]] = [(("search", "begin", n), text) for n, text in named]
    texts += [(("search", "start"), start)] if start is not None else []
    found: dict[Place, InitialRecipe] = {}
    for place, text in texts:
        try:
            found[place] = _beginning(text, space, here)
        except ProblemError as error:
            problems.extend([_at(place, text, problem) for problem in error.problems])
    beginnings = tuple(one for place, one in found.items() if place != ("search", "start"))
    plan = replace(plan, beginnings=beginnings, start=found.get(("search", "start")))
    add_naming_problems(begin, problems)
    with problems.collecting("search", "begin"):
        if copy := copied_study(begin, folder):
            earlier, recipe = with_copy(copy, space)
            return replace(plan, earlier=earlier, beginnings=(recipe, *beginnings))
    return plan


def _beginning(text: str, space: Space, here: Path) -> InitialRecipe:
    if text.lower().endswith(".toml"):
        path = here / user_path(text, StudyError)
        recipe = read_input(str(path), InputOptions(kind="toml")).recipe
        return InitialRecipe(label=path.stem, point=space.encode(recipe))
    label, row = ("weights", text) if "," in text else (text, ",".join(f"{w:g}" for w in preset_weights(text)))
    options = InputOptions(kind="weights", family=space.frame.family, dialect=space.frame.dialect)
    return InitialRecipe(label=label, point=_point_of_row(read_input(row, options).recipe, space))


def _point_of_row(recipe: Recipe, space: Space) -> dict[str, float]:
    """Return the point with the ratios of a row; everything else rests."""
    merge = recipe.steps[0]
    if not isinstance(merge, MergeStep):
        raise SearchError("it has no row of weights")
    alpha = space.frame.by_block(merge.alpha)
    free = {knob.name for knob in space.free}
    point = space.checked(space.neutral | {name: ratio for name, ratio in alpha.items() if name in free})
    numbers = space.numbers(point)
    held = {knob.name: f"tied to {knob.tied}" if knob.tied else f"frozen at {knob.rest:g}" for knob in space.knobs}
    lost = [f"{name} = {ratio:g} is {held[name]}" for name, ratio in alpha.items() if abs(ratio - numbers[name]) > 1e-6]
    if lost:
        raise SearchError(", ".join(lost))
    return point


def _at(place: Place, text: str, problem: Problem) -> Problem:
    """What is wrong with a recipe, where the study file names it; the value is what stands there."""
    seen = text if not problem.place else problem.seen
    remedy = 'name a recipe file, a preset such as "GRAD_V", or a row of weights, BASE first, inside [space]'
    return replace(problem, seen=seen).under(*place).advised(remedy)

"""X/Y/Z plots of SuperMerger as recipes, and recipes as an axis of such a plot."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from engine.errors import Named, RecipeError
from engine.files import file_kind, write_text
from engine.recipes.file import RecipeFile, recipe_file_text
from engine.recipes.recipe import Recipe
from engine.recipes.steps import MergeStep
from engine.supermerger.axes import Axis
from engine.supermerger.fields import fields_of
from engine.supermerger.plot import Plot, expand, queue_of
from engine.supermerger.series import series_of
from studies.errors import StudyError
from studies.recipes.inputs import RecipeInput


def axis_lines(recipes: Sequence[Recipe]) -> list[str]:
    """What to set for a plot of these recipes: each axis, its values as SuperMerger's box takes them.

    Raises:
        RecipeError: they differ in nothing, or in more than one axis can hold.
    """
    series = series_of(recipes)
    lines = [f"run {series.run}; everything else is set as for the first of the recipes"]
    for letter, axis in (("X", series.x), ("Y", series.y)):
        lines += [f"{letter} type: {axis.kind.strip()}", f"{letter} values:", *axis.text.split("\n")]
    return lines


def cells(source: RecipeInput, run: int, axes: Sequence[Axis]) -> list[Recipe]:
    """The recipe of every cell of a plot, in SuperMerger's order; seeds and prompts make no recipes of their own.

    Args:
        source: the recipe that the plot starts from.
        run: which step the plot is of, from 1.
        axes: X, Y and Z, as many as there are.

    Raises:
        RecipeError: an axis has a value that does not belong there, or no cell would be a recipe.
        StudyError: there is no such step.
    """
    recipe = source.recipe
    if not 1 <= run <= len(recipe.steps):
        count = len(recipe.steps)
        raise StudyError(
            "the recipe has 1 step" if count == 1 else f"the recipe has {count} steps",
            place=(Named(f"--run {run}"),),
            remedy="write 1" if count == 1 else f"write 1 to {count}",
        )
    step = recipe.runs[run - 1]
    padded = [*axes, Axis(), Axis()]
    plot = Plot(fields=fields_of(step, recipe.rules, recipe.family), x=padded[0], y=padded[1], z=padded[2])
    merges = [merge for one in queue_of(plot) for merge in expand(one, recipe.rules, recipe.family)]
    return [_with_step(recipe, run, step, merge) for merge in merges]


def _with_step(recipe: Recipe, run: int, before: MergeStep, after: MergeStep) -> Recipe:
    """The recipe with another step in the place of ``run``; models are named as they were where the plot keeps them."""
    old = recipe.steps[run - 1]
    models = old.models if isinstance(old, MergeStep) and after.models == before.models else after.models
    steps = list(recipe.steps)
    steps[run - 1] = replace(after, models=models, name=old.name)
    return replace(recipe, steps=tuple(steps))


def write_cells(source: RecipeInput, recipes: Sequence[Recipe], folder: Path, *, overwrite: bool) -> list[Path]:
    """A recipe file for each cell, numbered in their order.

    Raises:
        StudyError: files already exist or cannot be written, or the paths of models are not known.
    """
    if missing := sorted({name for recipe in recipes for name in recipe.models} - {*source.models}):
        raise StudyError(f"there is no path of the models {', '.join(missing)}", remedy="name it with -m NAME=PATH")
    width = len(str(len(recipes)))
    paths = [folder / f"{number:0{width}d}.toml" for number in range(1, len(recipes) + 1)]
    if not overwrite and (there := [str(path) for path in paths if file_kind(path)]):
        raise StudyError(
            "already exists", place=(Named(", ".join(there[:3])),), remedy="choose another folder, or add --overwrite"
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, recipe in zip(paths, recipes, strict=True):
            models = {name: source.models[name] for name in recipe.models}
            write_text(path, recipe_file_text(RecipeFile(recipe=recipe, models=models), folder))
    except OSError as error:
        raise StudyError(
            f"cannot be written ({error.strerror})", place=(folder,), remedy="choose another folder"
        ) from error
    return paths


def parse_axis(text: str) -> Axis:
    r"""An axis as the command line takes it: ``kind=values``, with ``\n`` for a new line.

    Raises:
        RecipeError: there is no ``=``, or no such axis.
    """
    kind, equals, values = text.partition("=")
    if not equals:
        raise RecipeError(f"{text!r} is not an axis", remedy='write kind=values, such as "mbw alpha=FLAT_25\\nFLAT_75"')
    return Axis(kind=kind.strip(), text=values.replace("\\n", "\n"))

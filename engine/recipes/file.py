"""Recipe files: a recipe and the paths of its models, as TOML that a person can write.

The text of a recipe (``engine.recipes.text``) with ``[models]`` in it: paths relative to the file. ``presets = "file"``
names a file of presets of one's own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import Problem, Problems, RecipeError
from engine.files import read_text, user_path
from engine.recipes.presets import NO_PRESETS, OwnPresets, read_presets
from engine.recipes.recipe import Recipe
from engine.recipes.steps import NUMBERED, PREVIOUS, SelfStep, Step, is_neutral
from engine.recipes.tables import Table, as_table, read_recipe, seen_text
from engine.recipes.text import head_lines, quoted, step_lines
from engine.recipes.toml_text import parse_toml


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeFile:
    """A recipe and where its models are; paths are absolute or relative to the working folder.

    Attributes:
        recipe: the recipe.
        models: its models.
        notes: lines of its preset file that were passed over, steps that change nothing.
    """

    recipe: Recipe
    models: dict[str, Path]
    notes: tuple[str, ...] = ()


def read_recipe_file(path: Path | str) -> RecipeFile:
    """Read a recipe file.

    Raises:
        RecipeError: every problem of the file at once, each with its place, the value and what to write.
    """
    path = Path(path)
    content = parse_toml(read_text(path, RecipeError), path, RecipeError)
    problems = Problems()
    models = _model_paths(content.get("models"), path.parent, problems)
    presets = _presets(content.get("presets"), path.parent, problems)
    named = content.get("models")
    fields = read_recipe(content, named if named and isinstance(named, dict) else None, problems, presets)
    recipe = None
    if not problems.found or _is_worth_checking(content, fields, problems):
        with problems.collecting():
            recipe = Recipe(**fields)
            if not problems.found:
                _check_models(recipe, models)
    if problems.found or recipe is None:
        raise RecipeError.of(problems.found, path)
    return RecipeFile(recipe=recipe, models=models, notes=(*presets.notes, *_idle_notes(fields["steps"])))


def _is_worth_checking(content: Table, fields: Table, problems: Problems) -> bool:
    """Whether problems of the whole recipe would not only follow from those that are known."""
    steps = content.get("steps")
    read = isinstance(steps, list) and 0 < len(fields["steps"]) == len(steps)
    return read and not any(problem.place[:1] in {("family",), ("dialect",), ("models",)} for problem in problems.found)


def _idle_notes(steps: Sequence[Step]) -> Iterator[str]:
    for number, step in enumerate(steps):
        if is_neutral(step):
            what = "its factors are empty" if isinstance(step, SelfStep) else "its values are all 0"
            yield str(Problem(place=("steps", number), what=f"this step changes nothing: {what}"))


def _check_models(recipe: Recipe, models: Mapping[str, Path]) -> None:
    """Every model of the recipe has a path (a first ``previous`` means A), and none has the name of a result."""
    if missing := [name for name in recipe.models if name not in models]:
        raise RecipeError(f"the recipe takes {', '.join(missing)}", remedy=f"[models] has {', '.join(models)}")
    made = {PREVIOUS, *(step.name for step in recipe.steps)}
    if hidden := [name for name in models if name in made or NUMBERED.fullmatch(name)]:
        raise RecipeError(
            f"{', '.join(map(repr, hidden))} under [models] is the name of a result too",
            remedy="call the model another name",
        )


def _model_paths(value: object, folder: Path, problems: Problems) -> dict[str, Path]:
    table: Table = as_table(("models",), value, problems)
    if not table:
        problems.add(("models",), "is missing or empty", 'write [models] and then A = "first.safetensors", B = "..."')
    found: dict[str, Path] = {}
    for name, entry in table.items():
        if not isinstance(entry, str) or not entry:
            problems.add(("models", name), f"is {seen_text(entry)}", "write the path of a checkpoint in quotes")
            continue
        with problems.collecting("models", name):
            found[name] = folder / user_path(entry, RecipeError)
    return found


def _presets(value: object, folder: Path, problems: Problems) -> OwnPresets:
    if value is None:
        return NO_PRESETS
    if not isinstance(value, str):
        problems.add(("presets",), f"is {seen_text(value)}", "write the path of a preset file in quotes")
        return NO_PRESETS
    with problems.collecting("presets"):
        return read_presets(folder / user_path(value, RecipeError))
    return NO_PRESETS


# --------------------------------------------------------------------------------------------------------- writing


def recipe_file_text(content: RecipeFile, folder: Path) -> str:
    """The text of a recipe file in a folder, laid out for people."""
    recipe = content.recipe
    steps = (line for step in recipe.steps for line in step_lines(step, notes=True))
    head = head_lines(recipe.dialect, recipe.family, recipe.save)
    return "\n".join([*head, "", "[models]", *_model_lines(content.models, folder), *steps, ""])


def _model_lines(models: Mapping[str, Path], folder: Path) -> list[str]:
    return [f"{_key(name)} = {quoted(_path(path, folder))}" for name, path in models.items()]


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else quoted(name)


def _path(path: Path, folder: Path) -> str:
    """Relative where the model lies beside the file or below it, so that the folder can be moved."""
    whole, base = path.resolve(), folder.resolve()
    return whole.relative_to(base).as_posix() if whole.is_relative_to(base) else str(whole)

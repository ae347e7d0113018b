"""Recipes as whatever is wanted: recipe files, and each of SuperMerger's texts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.errors import RecipeError
from engine.files import write_text
from engine.recipes.file import RecipeFile, recipe_file_text
from engine.recipes.presets import preset_line
from engine.recipes.recipe import Recipe
from engine.recipes.steps import MergeStep
from engine.supermerger.fields import fields_of
from engine.supermerger.history import header_line, history_line
from engine.supermerger.instructions import instructions
from engine.supermerger.metadata import OWN, run_metadata
from engine.supermerger.runs import joined_runs
from studies.errors import StudyError
from studies.recipes.inputs import STDIN, Found

Hashes = Callable[[Iterable[str]], dict[str, str]]
"""SHA-256 of models by name, as far as they can be known."""

KINDS = ("toml", "weights", "preset", "elemental", "adjust", "history", "metadata", "instructions")

_BY_SUFFIX = {".toml": "toml", ".csv": "history", ".json": "metadata", ".txt": "instructions"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How a recipe is to be written.

    Attributes:
        kind: one of ``KINDS``; None: told from the name of the output.
        run: number of the run, for texts that speak of one; None: the only one that has such a text.
        name: of the preset, or of the result in the history.
        metadata_type: the type written into metadata.
    """

    kind: str | None = None
    run: int | None = None
    name: str = ""
    metadata_type: str = OWN


def kind_of(output: str, form: Form) -> str:
    """What is to be written.

    Raises:
        StudyError: it cannot be told.
    """
    if found := form.kind or _BY_SUFFIX.get(Path(output).suffix.lower()):
        return found
    raise StudyError(f"{output}: what shall it be? Say so with --to: {', '.join(KINDS)}")


def text_of(found: Found, output: str, form: Form, hashes: Hashes) -> str:
    """The text to write, with its last newline.

    Args:
        found: the recipe.
        output: where it goes; paths in a recipe file are relative to its folder.
        form: how.
        hashes: asked for the SHA-256 of the models, where the text names models by it.

    Raises:
        RecipeError: the recipe cannot be said in such a text.
        StudyError: it cannot be told which run is meant.
    """
    recipe = found.recipe
    match kind_of(output, form):
        case "toml":
            return _recipe_file(found, Path.cwd() if output == STDIN else Path(output).parent)
        case "instructions":
            names = found.names | {name: path.name for name, path in found.models.items()}
            return instructions(recipe, {name: names[name] for name in recipe.models if name in names}) + "\n"
        case "history":
            row = _history_row(recipe, form, hashes, output)
            return row if output == STDIN else header_line() + row
        case "metadata":
            return _metadata(found, form, hashes)
        case kind:
            return _single(kind, recipe, form)


def _recipe_file(found: Found, folder: Path) -> str:
    guessed = {name: folder / f"{found.names.get(name, name)}" for name in found.recipe.models}
    models = {name: found.models.get(name, _with_suffix(guessed[name])) for name in found.recipe.models}
    return recipe_file_text(RecipeFile(recipe=found.recipe, models=models), folder)


def _with_suffix(path: Path) -> Path:
    return path if path.suffix == ".safetensors" else path.with_name(f"{path.name}.safetensors")


def unknown_models(found: Found) -> list[str]:
    """The models whose paths a recipe file can only guess."""
    return [name for name in found.recipe.models if name not in found.models]


# ---------------------------------------------------------------------------------------------------------- one run


def _chosen(recipe: Recipe, form: Form, has: Callable[[MergeStep], bool], what: str) -> MergeStep:
    """The run that is asked for, or the only one that has what is asked for."""
    runs = [run.step for run in joined_runs(recipe)]
    if form.run is not None:
        if not 1 <= form.run <= len(runs):
            raise StudyError(f"there is no run {form.run}; the recipe takes {len(runs)} in SuperMerger")
        return runs[form.run - 1]
    numbers = [number for number, run in enumerate(runs, start=1) if has(run)]
    if len(numbers) != 1:
        where = f"runs {', '.join(map(str, numbers))}" if numbers else f"none of its {len(runs)} runs"
        raise StudyError(f"the recipe has {what} in {where}; say which one with --run")
    return runs[numbers[0] - 1]


def _single(kind: str, recipe: Recipe, form: Form) -> str:
    if kind == "elemental":
        return f"{_chosen(recipe, form, lambda run: bool(run.elemental), 'elemental rules').elemental}\n"
    if kind == "adjust":
        run = _chosen(recipe, form, lambda run: any(run.adjust), "Adjust")
        return f"{fields_of(run, recipe.rules, recipe.family).adjust}\n"
    run = _chosen(recipe, form, lambda run: isinstance(run.alpha, tuple), "block weights")
    if not isinstance(run.alpha, tuple):
        raise RecipeError("the run has one ratio for all blocks and no weights; write alpha in SuperMerger instead")
    if kind == "preset":
        return f"{preset_line(form.name or 'MY_PRESET', run.alpha)}\n"
    return f"{fields_of(run, recipe.rules, recipe.family).weights_alpha}\n"


def _history_row(recipe: Recipe, form: Form, hashes: Hashes, output: str) -> str:
    run = _chosen(recipe, form, lambda run: True, "a run")
    return history_line(
        run,
        recipe.rules,
        recipe.family,
        hashes(run.models),
        number_of_row=1 if output != STDIN else 0,
        time=time.strftime("%Y.%m.%d %H.%M.%S"),
        name=form.name,
        half=recipe.save == "fp16",
    )


def _metadata(found: Found, form: Form, hashes: Hashes) -> str:
    import json

    recipe = found.recipe
    run = _chosen(recipe, form, lambda run: True, "a run")
    names = found.names | {name: path.stem for name, path in found.models.items()}
    models = {name: (names.get(name, name), sha) for name, sha in hashes(run.models).items()}
    texts = run_metadata(run, recipe.rules, recipe.family, models, kind=form.metadata_type)
    return f"{json.dumps(texts, indent=1, ensure_ascii=False)}\n"


# ---------------------------------------------------------------------------------------------------------- writing


def write_output(output: str, text: str, *, overwrite: bool) -> None:
    """Write a text to a file; standard output is the caller's.

    Raises:
        StudyError: the file exists and may not be overwritten, or cannot be written.
    """
    path = Path(output)
    if path.exists() and not overwrite:
        raise StudyError(f"{path}: exists already; choose another name, or ask for --overwrite")
    try:
        write_text(path, text)
    except OSError as error:
        raise StudyError(f"{path}: cannot be written ({error.strerror}); check the folder") from error

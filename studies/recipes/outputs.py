"""Recipes as text: recipe files, and each of SuperMerger's formats."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from engine.errors import Named, RecipeError
from engine.files import file_kind, write_text
from engine.recipes.file import RecipeFile, recipe_file_text
from engine.recipes.presets import preset_line
from engine.recipes.recipe import Recipe
from engine.recipes.steps import MergeStep
from engine.supermerger.fields import check_is_supermergers, fields_of
from engine.supermerger.history import header_line, history_line
from engine.supermerger.instructions import instructions
from engine.supermerger.metadata import OWN, run_metadata
from engine.supermerger.runs import joined_runs
from studies.errors import StudyError
from studies.recipes.inputs import STDIN, RecipeInput

ModelHashes = Callable[[Iterable[str]], dict[str, str]]
"""SHA-256 of models by name, as far as they can be known."""

KINDS = ("toml", "weights", "preset", "elemental", "adjust", "history", "metadata", "instructions")
"""The kinds of text that a recipe is written as."""

_BY_SUFFIX = {".toml": "toml", ".csv": "history", ".json": "metadata", ".txt": "instructions"}


@dataclass(frozen=True, slots=True, kw_only=True)
class TextOptions:
    """How a recipe is written.

    Attributes:
        kind: one of ``KINDS``; None: by the name of the output.
        run: number of the run, for texts that speak of one; None: the only one that has such a text.
        name: of the preset, or of the result in the history.
        metadata_type: the type written into metadata.
    """

    kind: str | None = None
    run: int | None = None
    name: str = ""
    metadata_type: str = OWN


def kind_of(output: str, form: TextOptions) -> str:
    """The format to write.

    Raises:
        StudyError: neither the option nor the name of the output says it.
    """
    if kind := form.kind or _BY_SUFFIX.get(Path(output).suffix.lower()):
        return kind
    raise StudyError("its format is not known", place=(Named(output),), remedy=f"name it with --to: {', '.join(KINDS)}")


def text_of(source: RecipeInput, output: str, form: TextOptions, hashes: ModelHashes) -> str:
    """The text to write, with its last newline.

    Args:
        source: the recipe, and what is known of its models.
        output: where it goes; paths in a recipe file are relative to its folder.
        form: how.
        hashes: asked for the SHA-256 of the models, where the text names models by it.

    Raises:
        RecipeError: the format cannot hold the recipe.
        StudyError: there are several runs, and none was chosen.
    """
    recipe, kind = source.recipe, kind_of(output, form)
    if kind not in {"toml", "instructions"}:
        check_is_supermergers(recipe.rules)
    match kind:
        case "toml":
            return _recipe_file_text(source, Path.cwd() if output == STDIN else Path(output).parent)
        case "instructions":
            names = source.names | {name: path.name for name, path in source.models.items()}
            return instructions(recipe, {name: names[name] for name in recipe.models if name in names}) + "\n"
        case "history":
            row = _history_row(recipe, form, hashes, output)
            return row if output == STDIN else header_line() + row
        case "metadata":
            return _metadata_text(source, form, hashes)
        case _:
            return _single_text(kind, recipe, form)


def _recipe_file_text(source: RecipeInput, folder: Path) -> str:
    guessed = {name: folder / f"{source.names.get(name, name)}" for name in source.recipe.models}
    models = {name: source.models.get(name, _with_suffix(guessed[name])) for name in source.recipe.models}
    return recipe_file_text(RecipeFile(recipe=source.recipe, models=models), folder)


def _with_suffix(path: Path) -> Path:
    return path if path.suffix == ".safetensors" else path.with_name(f"{path.name}.safetensors")


def unknown_models(source: RecipeInput) -> list[str]:
    """The models whose paths a recipe file can only guess."""
    return [name for name in source.recipe.models if name not in source.models]


# ---------------------------------------------------------------------------------------------------------- one run


def _chosen_run(recipe: Recipe, form: TextOptions, has: Callable[[MergeStep], bool], what: str) -> MergeStep:
    """The run that was chosen, or the only one that has such a text."""
    runs = [run.step for run in joined_runs(recipe)]
    if form.run is not None:
        if not 1 <= form.run <= len(runs):
            raise StudyError(
                "there is no such run",
                place=(Named(f"--run {form.run}"),),
                remedy=f"the recipe takes {len(runs)} in SuperMerger",
            )
        return runs[form.run - 1]
    numbers = [number for number, run in enumerate(runs, start=1) if has(run)]
    if len(numbers) != 1:
        where = f"runs {', '.join(map(str, numbers))}" if numbers else f"none of its {len(runs)} runs"
        raise StudyError(f"the recipe has {what} in {where}", remedy="choose one with --run")
    return runs[numbers[0] - 1]


def _single_text(kind: str, recipe: Recipe, form: TextOptions) -> str:
    if kind == "elemental":
        return f"{_chosen_run(recipe, form, lambda run: bool(run.elemental), 'elemental rules').elemental}\n"
    if kind == "adjust":
        run = _chosen_run(recipe, form, lambda run: any(run.adjust), "Adjust")
        return f"{fields_of(run, recipe.rules, recipe.family).adjust}\n"
    run = _chosen_run(recipe, form, lambda run: isinstance(run.alpha, tuple), "block weights")
    if not isinstance(run.alpha, tuple):
        raise RecipeError(
            "the run has one ratio for all blocks and no weights", remedy="write alpha in SuperMerger instead"
        )
    if kind == "preset":
        return f"{preset_line(form.name or 'MY_PRESET', run.alpha)}\n"
    return f"{fields_of(run, recipe.rules, recipe.family).weights_alpha}\n"


def _history_row(recipe: Recipe, form: TextOptions, hashes: ModelHashes, output: str) -> str:
    run = _chosen_run(recipe, form, lambda run: True, "a run")
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


def _metadata_text(source: RecipeInput, form: TextOptions, hashes: ModelHashes) -> str:
    import json

    recipe = source.recipe
    run = _chosen_run(recipe, form, lambda run: True, "a run")
    names = source.names | {name: path.stem for name, path in source.models.items()}
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
    if file_kind(path) and not overwrite:
        raise StudyError("already exists", place=(path,), remedy="choose another name, or add --overwrite")
    try:
        write_text(path, text)
    except OSError as error:
        raise StudyError(f"cannot be written ({error.strerror})", place=(path,), remedy="check the folder") from error

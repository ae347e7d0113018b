"""What an export is compared with, by its kind: a checkpoint with its parents, a text with the rows of its recipe."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from engine.architecture.widths import FamilyName, Shape
from engine.checkpoints.header import read_header
from engine.errors import Named, ProblemError, RecipeError
from engine.files import file_kind, read_text
from engine.foreign_recipes.own import own_in_json, own_in_text
from engine.foreign_recipes.values import parsed_json
from studies.errors import StudyError
from studies.recipes.inputs import InputOptions, RecipeInput, read_input
from studies.recipes.text_rows import (
    TextRows,
    different_rows,
    file_name,
    layout_of,
    mecha_rows,
    mergekit_rows,
    rows_of,
)
from studies.recipes.verify import Verification, verify_checkpoint
from studies.review.parents import GivenParents, given_parents, parents_of

_KINDS = "a merged checkpoint (.safetensors), .mecha, mergekit's .yaml, SuperMerger's .csv and ComfyUI's API .json"
_READ = (".csv", ".json", ".toml")
_OF_LORA = ".lora_down.weight"
_TEXTS = (".mecha", ".yaml", ".yml", *_READ)


def verify_export(
    export: Path,
    parents: Sequence[str],
    recipe: Path | None,
    progress: Callable[[int, int], None] | None = None,
    *,
    family: FamilyName | None = None,
) -> Verification:
    """Compare an export with what its recipe makes.

    Args:
        export: the file.
        parents: ``A=path`` and folders, where its parents are.
        recipe: the recipe that it should be; None: the one that it carries.
        progress: called with (bytes compared, bytes in all).
        family: of the models; None: as the files say.

    Raises:
        StudyError: it is of a kind that is not compared, or a parent is not found.
        RecipeError: it carries no recipe, or one that cannot be read.
        CheckpointError: a file cannot be used.
    """
    kind = file_kind(export)
    if kind != "file":
        what = "folders are not compared" if kind == "folder" else "there is no such file"
        raise StudyError(what, place=(export,), remedy=f"compared are {_KINDS}")
    checkpoint = export.suffix.lower() == ".safetensors"
    if export.suffix.lower() not in _TEXTS and not checkpoint:
        raise _not_compared(Named(export.name))
    how = InputOptions(family=family)
    given = read_input(str(recipe), how) if recipe else None
    where = given_parents(parents)
    if checkpoint:
        return _checkpoint(export, given, where, progress, replace(how, kind="metadata"))
    return _text(export, given, where, how)


def _checkpoint(
    export: Path,
    given: RecipeInput | None,
    where: GivenParents,
    progress: Callable[[int, int], None] | None,
    how: InputOptions,
) -> Verification:
    if any(name.endswith(_OF_LORA) for name in read_header(export).tensors):
        raise _not_compared(export)
    embedded = _embedded(export, how, needed=given is None)
    found = given or embedded
    if found is None:
        raise RecipeError("it carries no recipe", place=(export,), remedy="give it with --recipe FILE")
    names = {**found.names, **{name: path.name for name, path in found.models.items()}}
    hashes = embedded.hashes if given is None and embedded else found.hashes
    folders = (*where.folders, *dict.fromkeys(path.parent for path in found.models.values()))
    files = {**{name: path for name, path in found.models.items() if path.is_file()}, **where.files}
    whole = GivenParents(files=files, folders=folders)
    paths = parents_of(found.recipe.models, hashes, names, export.parent, whole)
    done = verify_checkpoint(export, found, paths, vae_folders=(export.parent, *folders), progress=progress)
    return _with_notes(done, _other_recipe(embedded, given, export, how))


def _embedded(export: Path, how: InputOptions, *, needed: bool) -> RecipeInput | None:
    """The recipe that a checkpoint carries; None where it has none and another was given."""
    if needed:
        return read_input(str(export), how)
    with suppress(ProblemError):
        return read_input(str(export), how)
    return None


def _other_recipe(
    embedded: RecipeInput | None, given: RecipeInput | None, export: Path, how: InputOptions
) -> tuple[str, ...]:
    if given is None or embedded is None or embedded.recipe == given.recipe:
        return ()
    with suppress(ProblemError):
        if read_input(str(export), replace(how, chain=True)).recipe == given.recipe:
            return ("the recipe is the whole chain of the file, whose own recipe is its last stage",)
    return (
        "the file carries another recipe than the one that it was compared with; recipe diff shows how they differ",
    )


def _with_notes(done: Verification, notes: tuple[str, ...]) -> Verification:
    return replace(done, notes=(*done.notes, *notes))


# ------------------------------------------------------------------------------------------------------------ texts


def _text(export: Path, given: RecipeInput | None, where: GivenParents, how: InputOptions) -> Verification:
    """The rows of a text, and those of the recipe that it carries or that was given."""
    text = read_text(export, StudyError)
    kind = export.suffix.lower()
    if kind == ".json" and own_in_json(parsed_json(text, export.name)) is not None:
        raise _not_compared(export)  # all that is read of such a file is the recipe that it carries
    own = own_in_text(text)
    if given is None and own is None:
        raise RecipeError("it carries no recipe of this project", place=(export,), remedy="give it with --recipe FILE")
    recipe = given.recipe if given else own.recipe if own else None
    assert recipe is not None  # noqa: S101 - one of both is there
    names = given.names if given else own.names if own else {}
    if given:
        names = {**(own.names if own else {}), **names, **{name: path.name for name, path in given.models.items()}}
    files = {name: file_name(file) for name, file in names.items() if name in recipe.models and file}
    layouts = _layouts(recipe.models, where, layout_of(recipe))
    keys = tuple(next(iter(layouts.values())))
    body = _body(kind, text, export, keys, files, how)
    if isinstance(body, TextRows):
        there, notes = dict(body.rows), body.notes
        made = rows_of(recipe, layouts, files)
    else:
        renamed, notes = _renamed(body, recipe.models)
        there = rows_of(body.recipe, {name: layouts[renamed[name]] for name in body.recipe.models}, renamed)
        made = rows_of(recipe, layouts, {})
    different = different_rows(there, made)
    return Verification(
        subject=f"{export.name}: read again and compared with the recipe's weights, tensor by tensor",
        equal=len([key for key in made if key in there]) - len(different),
        different=different,
        missing=tuple(key for key in made if key not in there),
        extra=tuple(key for key in there if key not in made),
        notes=notes,
    )


def _layouts(models: Sequence[str], where: GivenParents, usual: Mapping[str, Shape]) -> dict[str, Mapping[str, Shape]]:
    """Keys and shapes of the models: of the files that were given, else of a model of ordinary size."""
    from engine.checkpoints.checkpoint import open_checkpoint

    return {name: open_checkpoint(where.files[name]).shapes if name in where.files else usual for name in models}


def _body(
    kind: str, text: str, export: Path, keys: Sequence[str], files: Mapping[str, str], how: InputOptions
) -> TextRows | RecipeInput:
    """What the text itself says, without the recipe that it carries."""
    try:
        if kind == ".mecha":
            return mecha_rows(text, keys, [*files.values()], export.parent)
        if kind in {".yaml", ".yml"}:
            return mergekit_rows(text, keys, [*files.values()], export.parent)
        return read_input(str(export), how)
    except RecipeError as error:
        raise error.under(export) from error


def _not_compared(export: Path | Named) -> StudyError:
    """The error for files whose weights are not read again."""
    return StudyError("it is of a kind that is not compared", place=(export,), remedy=f"compared are {_KINDS}")


def _renamed(body: RecipeInput, models: Sequence[str]) -> tuple[dict[str, str], tuple[str, ...]]:
    """The names that models of the text have in the recipe; by their order where they are called otherwise."""
    there = body.recipe.models
    if {*there} <= {*models}:
        return {name: name for name in there}, ()
    if len(there) != len(models):
        raise RecipeError(
            f"the text merges {len(there)} models ({', '.join(there)}), the recipe {len(models)} ({', '.join(models)})"
        )
    pairs = dict(zip(there, models, strict=True))
    words = ", ".join(f"{name} as {other}" for name, other in pairs.items())
    return pairs, (f"the text's models are taken in their order: {words}",)

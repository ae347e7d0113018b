"""A pinned recipe in the forms that other tools read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.exports.content import ExportContent
from engine.exports.registry import TARGETS, export
from engine.recipes.recipe import Recipe
from studies.review.export import export_file, refuse_others
from studies.store.pins import Pin

if TYPE_CHECKING:
    from rich.console import Console

    from engine.exports.target import ExportOptions, WrittenExport
    from studies.studyfile.spec import StudySpec


def content_of_pin(spec: StudySpec, pin: Pin, models: Mapping[str, str]) -> ExportContent:
    """Return what is exported of a pin.

    Args:
        spec: the study.
        pin: what was approved.
        models: SHA-256 of every model file, by letter.
    """
    recipe = Recipe.parse(pin.recipe)
    approval = {"by": pin.by, "at": pin.at, "note": pin.note, "study": spec.storage.name, "source": pin.source}
    return ExportContent(
        recipe=recipe,
        title=export_file(spec.storage, pin, "").name,
        models={name: spec.merge.models[name] for name in recipe.models},
        hashes={name: models[name] for name in recipe.models},
        facts={"approval": approval},
    )


def export_form(
    spec: StudySpec, pin: Pin, to: str, out: Path | None, *, options: ExportOptions, models: Mapping[str, str]
) -> WrittenExport:
    """Write a pin in the form of a target.

    Args:
        spec: the study.
        pin: what was approved.
        to: the target, one of ``engine.exports.registry.TARGETS``.
        out: the file or folder; default: named after study and recipe, in the study's ``exports`` folder.
        options: where they name no VAE, one that the search chose among several is baked in.
        models: SHA-256 of every model file, by letter, read just now.

    Raises:
        StudyError: a file is not the one that the recipe was approved with.
        RecipeError: the target cannot hold the recipe.
        CheckpointError: a file cannot be written.
    """
    refuse_others(spec.storage, spec.merge, spec.rendering, pin, models)
    if options.output.vae is None and pin.vae:
        options = replace(options, output=replace(options.output, vae=spec.rendering.vaes.get(pin.vae)))
    if out is None:
        out = export_file(spec.storage, pin, TARGETS[to].suffix)
        out.parent.mkdir(parents=True, exist_ok=True)
    return export(to, content_of_pin(spec, pin, models), out, options)


def print_written(done: WrittenExport, console: Console) -> None:
    """Print what an export wrote, how exact it is, what to mind and how to use it."""
    for path in done.files:
        console.print(str(path), highlight=False, markup=False)
    console.print(f"  {_ARITHMETIC[done.arithmetic]}", highlight=False, markup=False)
    for word, lines in (("exact by", done.tricks), ("note", done.notes)):
        for line in lines:
            console.print(f"  {word}: {line}", highlight=False, markup=False)
    for line in done.usage:
        console.print(f"  {line}", highlight=False, markup=False)


_ARITHMETIC = {
    "folded": "folded: every tensor is one weighted sum, rounded once",
    "exact": "step by step: rounded after every step, as SuperMerger does",
}

"""A recipe in any of the forms that it can be exported to, and which of them can hold it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import ProblemError
from engine.exports.registry import TARGETS, export, nearest, refusals_of
from engine.files import file_kind
from engine.recipes.recipe import Recipe
from studies.inputs.models import model_hashes
from studies.review.exporting.chains import (
    chain_of_pin,
    content_of_chain,
    first_parents,
    refuse_missing,
    refuse_no_chain,
)
from studies.review.exporting.export import approval_of, export_file, export_pin, refuse_others, vae_note
from studies.review.exporting.export_targets import CARD, CHECKPOINT, EXPORT_FORMS
from studies.store.backends.journal.journal import refuse_other_study
from studies.store.judged.pins import Pin

if TYPE_CHECKING:
    from rich.console import Console

    from engine.exports.content import ExportContent
    from engine.exports.target import ExportOptions, WrittenExport
    from studies.inputs.hashes import BytesProgress
    from studies.studyfile.spec import Storage, StudySpec


def content_of_pin(spec: StudySpec, pin: Pin, models: Mapping[str, str]) -> ExportContent:
    """Return what is exported of a pin.

    Args:
        spec: the study.
        pin: what was approved.
        models: SHA-256 of every model file, by letter.
    """
    from engine.exports.content import ExportContent

    recipe = Recipe.parse(pin.recipe)
    return ExportContent(
        recipe=recipe,
        title=export_file(spec.storage, pin, "").name,
        models={name: spec.merge.models[name] for name in recipe.models},
        hashes={name: models[name] for name in recipe.models},
        facts={"approval": approval_of(spec.storage, pin)},
    )


def export_chain(
    spec: StudySpec, pin: Pin, to: str, out: Path | None, *, options: ExportOptions, models: Mapping[str, str]
) -> WrittenExport:
    """Write the whole chain that a pin ends, of its first parents, in a form.

    Args:
        spec: the study.
        pin: what was approved.
        to: the form, one of ``EXPORT_FORMS`` but for a card.
        out: the file or folder; default: as without the chain, with ``-chain`` in its name.
        options: where they name no VAE, one that the search chose among several is baked in.
        models: SHA-256 of every model file, by letter, read just now.

    Raises:
        StudyError: a file is not the one that the recipe was approved with, no model was merged before, or a first
            parent that is needed is not found.
        RecipeError: the form cannot hold the recipe.
        CheckpointError: a file cannot be written.
    """
    refuse_others(spec.storage, spec.merge, spec.rendering, pin, models)
    chain = chain_of_pin(spec.merge, pin)
    refuse_no_chain(chain)
    files = first_parents(chain, spec.merge.models, models)
    if TARGETS[to].needs_models:
        refuse_missing(chain, files, form_file(spec.storage, pin, CHECKPOINT))
    if options.output.vae is None and pin.vae:
        options = replace(options, output=replace(options.output, vae=spec.rendering.vaes.get(pin.vae)))
    out = out or export_file(spec.storage, pin, f"-chain{EXPORT_FORMS[to].suffix}")
    out.parent.mkdir(parents=True, exist_ok=True)
    title = export_file(spec.storage, pin, "-chain").name
    return export(to, content_of_chain(chain, title, files, approval_of(spec.storage, pin)), out, options)


def form_file(storage: Storage, pin: Pin, to: str) -> Path:
    """Return where a pin is exported to in a form, unless something else is asked for."""
    return export_file(storage, pin, EXPORT_FORMS[to].suffix)


def export_form(
    spec: StudySpec,
    pin: Pin,
    to: str,
    out: Path | None,
    *,
    options: ExportOptions,
    models: Mapping[str, str],
    licences: Sequence[str] = (),
) -> WrittenExport:
    """Write a pin in a form.

    Args:
        spec: the study.
        pin: what was approved.
        to: the form, one of ``EXPORT_FORMS``.
        out: the file or folder; default: named after study and recipe, in the study's ``exports`` folder.
        options: where they name no VAE, one that the search chose among several is baked in.
        models: SHA-256 of every model file, by letter, read just now.
        licences: of the models, `A=TEXT`, for a card.

    Raises:
        StudyError: a file is not the one that the recipe was approved with, or a licence is of no model.
        RecipeError: the form cannot hold the recipe.
        CheckpointError: a file cannot be written.
    """
    refuse_others(spec.storage, spec.merge, spec.rendering, pin, models)
    if options.output.vae is None and pin.vae:
        options = replace(options, output=replace(options.output, vae=spec.rendering.vaes.get(pin.vae)))
    if out is None:
        out = form_file(spec.storage, pin, to)
        out.parent.mkdir(parents=True, exist_ok=True)
    if to == CARD:
        return _write_card_of_pin(spec, pin, out, licences, overwrite=options.overwrite)
    return export(to, content_of_pin(spec, pin, models), out, options)


def _write_card_of_pin(
    spec: StudySpec, pin: Pin, out: Path, licences: Sequence[str], *, overwrite: bool
) -> WrittenExport:
    from studies.cards.gather import card_of_pin, checked_licences
    from studies.cards.write import write_card

    stated = checked_licences(licences, Recipe.parse(pin.recipe).models)
    merged = form_file(spec.storage, pin, CHECKPOINT)
    card = card_of_pin(
        spec,
        pin,
        export_file(spec.storage, pin, "").name,
        licences=stated,
        checkpoint=merged if file_kind(merged) == "file" else None,
    )
    return write_card(card, out, overwrite=overwrite)


def export_content(
    to: str, content: ExportContent, out: Path, options: ExportOptions, licences: Sequence[str] = ()
) -> WrittenExport:
    """Write a recipe of which no study is known in a form.

    Args:
        to: the form, one of ``EXPORT_FORMS``.
        content: the recipe and its models.
        out: the file or folder.
        options: see ``ExportOptions``.
        licences: of the models, `A=TEXT`, for a card.

    Raises:
        StudyError: a licence is of no model.
        RecipeError: the form cannot hold the recipe.
        CheckpointError: a model cannot be used, or a file cannot be written.
    """
    if to != CARD:
        return export(to, content, out, options)
    from studies.cards.gather import card_of_recipe, checked_licences
    from studies.cards.write import write_card

    names = {letter: content.file_name(letter) for letter in (*content.models, *content.names)}
    stated = checked_licences(licences, content.recipe.models)
    card = card_of_recipe(content.recipe, content.title, names=names, hashes=content.hashes, licences=stated)
    return write_card(card, out, overwrite=options.overwrite)


def export_for_pages(
    spec: StudySpec,
    pin: Pin,
    to: str,
    reading: BytesProgress,
    writing: BytesProgress,
    *,
    licences: Sequence[str] = (),
) -> tuple[str, ...]:
    """Write a pin into the study's ``exports`` folder, as the command does where nothing else is asked for.

    Args:
        spec: the study.
        pin: what was approved.
        to: the form, one of ``EXPORT_FORMS``.
        reading: called with (bytes read, bytes in all) as the models are read.
        writing: called with (bytes written, bytes in all).
        licences: of the models, `A=TEXT`, for a card.

    Returns:
        What was written and what to know of it, a line each.

    Raises:
        StudyError, RecipeError, CheckpointError: as ``export_form``.
    """
    from engine.exports.target import ExportOptions
    from engine.merging.output import Output

    refuse_other_study(spec.storage.folder, spec.storage.name)
    models = model_hashes(spec.merge, spec.storage, reading, afresh=True)
    output = Output(dtype=spec.merge.export_dtype)
    if to == CHECKPOINT:
        done = export_pin(spec.storage, spec.merge, spec.rendering, pin, output=output, models=models, progress=writing)
        note = vae_note(spec.rendering, output, done)
        return (done.checkpoint.path.name, f"sha256 {done.checkpoint.sha256}", *([note] if note else []))
    options = ExportOptions(output=output, overwrite=EXPORT_FORMS[to].is_renewed, progress=writing)
    written = export_form(spec, pin, to, None, options=options, models=models, licences=licences)
    return (*(path.name for path in written.files), *written_lines(written))


@dataclass(frozen=True, slots=True, kw_only=True)
class FormRefusal:
    """Why a form cannot hold a recipe."""

    reasons: tuple[str, ...]
    """A sentence each, for people, without its full stop."""
    nearest: str | None
    """The form that is nearest to it and can; None where none can."""


def refusals_of_forms(spec: StudySpec, pin: Pin) -> dict[str, FormRefusal]:
    """Return, by name, the forms that cannot hold a pin's recipe; it may open the models, which takes seconds.

    Nothing here compares the models with those of the approval: the export itself does.
    """
    from engine.exports.target import ExportOptions
    from engine.merging.output import Output

    content, options = (
        content_of_pin(spec, pin, pin.models),
        ExportOptions(output=Output(dtype=spec.merge.export_dtype)),
    )
    found = {name: _refusal(name, content, options) for name in TARGETS}
    return {name: refusal for name, refusal in found.items() if refusal is not None}


def _refusal(name: str, content: ExportContent, options: ExportOptions) -> FormRefusal | None:
    try:
        refused = refusals_of(name, content, options)
        other = nearest(name, content, options) if refused else None
    except ProblemError as error:  # such as a model that is gone
        return FormRefusal(reasons=tuple(map(str, error.problems)), nearest=None)
    return FormRefusal(reasons=tuple(one.text for one in refused), nearest=other) if refused else None


def print_written(done: WrittenExport, console: Console) -> None:
    """Print what an export wrote, how exact it is, what to mind and how to use it."""
    line = partial(console.print, highlight=False, markup=False)
    for path in done.files:
        line(str(path))
    for text in written_lines(done):
        line(f"  {text}")


def written_lines(done: WrittenExport) -> tuple[str, ...]:
    """Return how exact an export is, what to mind and how to use it, a line each."""
    notes = [f"{word}: {text}" for word, texts in (("exact by", done.tricks), ("note", done.notes)) for text in texts]
    return (_ARITHMETIC[done.arithmetic], *notes, *done.usage)


_ARITHMETIC = {
    "folded": "folded: every tensor is one weighted sum, rounded once",
    "exact": "step by step: rounded after every step, as SuperMerger does",
}

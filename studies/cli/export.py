"""``recipe-search export`` and ``recipe-search recipe export``: a recipe in the form that another tool reads."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from studies.cli.command import OurCommand, opened, plain_errors, study_argument
from studies.cli.output_options import DTYPES, output_options
from studies.cli.recipes.heeded import refuse_idle
from studies.cli.recipes.recipe_models import MODEL_OPTION, sha256_of_models, show_notes, with_paths
from studies.cli.recipes.recipe_options import (
    RANDOM_OPTIONS,
    SETTING_OPTIONS,
    SOURCE_OPTIONS,
    input_options,
    with_options,
)
from studies.review.exporting.export_targets import CARD, EXPORT_FORMS
from studies.terminal import console

if TYPE_CHECKING:
    from engine.exports.target import ExportOptions
    from engine.merging.output import Output
    from studies.store.judged.pins import Pin
    from studies.studyfile.spec import StudySpec

_FORMS = "\b\nForms:\n" + "\n".join(f"  {name:<12} {form.summary}" for name, form in EXPORT_FORMS.items())
_FORM_OPTIONS = (
    click.option("--rank", type=click.IntRange(1, 1280), default=64, show_default=True, help="Of a LoRA, at most."),
    click.option("--linked", is_flag=True, help="ComfyUI: ratios beyond 0 to 1 through linked primitives."),
    click.option(
        "--licence", "licences", multiple=True, metavar="A=TEXT", help="Card: the licence of a model; once for each."
    ),
)
_TO = click.option(
    "--to", type=click.Choice(tuple(EXPORT_FORMS)), default="checkpoint", show_default=True, help="The form."
)


@click.command(cls=OurCommand, epilog=_FORMS)
@study_argument
@click.option("--pin", type=int, help="Number of the pin; default: the newest.")
@_TO
@click.option("--chain", is_flag=True, help="All stages in one, of the first parents, where models were merged too.")
@click.option("--out", type=click.Path(path_type=Path), help="The new file; default: in the study's folder.")
@click.option("--dtype", type=click.Choice(DTYPES), help="Default: what the search rounded to.")
@with_options(_FORM_OPTIONS)
@output_options
@plain_errors
def export(
    study: Path,
    pin: int | None,
    to: str,
    chain: bool,
    out: Path | None,
    dtype: str | None,
    rank: int,
    linked: bool,
    licences: tuple[str, ...],
    output: Output,
    with_recipe: bool,
    overwrite: bool,
) -> None:
    """Write the pinned recipe: as a checkpoint, bit for bit as SuperMerger would, or in the form of another tool."""
    _refuse_idle_options(to)
    if chain and to == CARD:
        raise click.UsageError("--chain is for the other forms: a card is of the pin and its own models")
    from engine.exports.target import ExportOptions
    from studies.inputs.models import model_hashes
    from studies.progress import bytes_meter
    from studies.review.exporting.export_forms import form_file
    from studies.store.backends.journal.journal import refuse_other_study
    from studies.store.judged.pins import latest_pin

    spec = opened(study)
    _refuse_out(out, to, study)
    refuse_other_study(spec.storage.folder, spec.storage.name)
    chosen = latest_pin(spec.storage.folder, pin, spec.storage.name)
    if not chain and not overwrite:
        _refuse_taken(out or form_file(spec.storage, chosen, to))
    with bytes_meter("reading the models", console()) as progress:
        models = model_hashes(spec.merge, spec.storage, progress, afresh=True)
    output = replace(output, dtype=dtype or spec.merge.export_dtype)
    options = ExportOptions(output=output, overwrite=overwrite, with_recipe=with_recipe, rank=rank, linked=linked)
    if chain:
        _write_chain(spec, chosen, to, out, options, models)
    elif to == "checkpoint":
        _write_checkpoint(spec, chosen, out, options, models)
    else:
        _write_form(spec, chosen, to, out, options, models, licences)


def _write_checkpoint(
    spec: StudySpec, pin: Pin, out: Path | None, options: ExportOptions, models: dict[str, str]
) -> None:
    from studies.progress import bytes_meter
    from studies.review.exporting.export import export_pin, print_export, vae_note

    with bytes_meter("writing the checkpoint", console()) as progress:
        done = export_pin(
            spec.storage,
            spec.merge,
            spec.rendering,
            pin,
            out,
            output=options.output,
            dtype=options.output.dtype,
            with_recipe=options.with_recipe,
            overwrite=options.overwrite,
            models=models,
            progress=progress,
        )
    print_export(done, console())
    if note := vae_note(spec.rendering, options.output, done):
        click.echo(f"note: {note}")


def _write_chain(
    spec: StudySpec, pin: Pin, to: str, out: Path | None, options: ExportOptions, models: dict[str, str]
) -> None:
    from studies.progress import bytes_meter
    from studies.review.exporting.export_forms import export_chain, print_written

    with bytes_meter("writing", console()) as progress:
        done = export_chain(spec, pin, to, out, options=replace(options, progress=progress), models=models)
    print_written(done, console())


def _write_form(
    spec: StudySpec,
    pin: Pin,
    to: str,
    out: Path | None,
    options: ExportOptions,
    models: dict[str, str],
    licences: tuple[str, ...],
) -> None:
    from studies.progress import bytes_meter
    from studies.review.exporting.export_forms import export_form, print_written

    with bytes_meter("writing", console()) as progress:
        done = export_form(
            spec, pin, to, out, options=replace(options, progress=progress), models=models, licences=licences
        )
    print_written(done, console())


def _refuse_idle_options(to: str) -> None:
    """Refuse options that were given and make no difference to the form."""
    context = click.get_current_context()
    known = {option for form in EXPORT_FORMS.values() for option in form.takes}
    names = {parameter.name or "": parameter.opts[0].removeprefix("--") for parameter in context.command.params}
    given = [
        option
        for name, option in names.items()
        if option in known - EXPORT_FORMS[to].takes
        and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    if given:
        raise click.UsageError("\n".join(map(_whose, given)))


def _whose(option: str) -> str:
    forms = ", ".join(name for name, form in EXPORT_FORMS.items() if option in form.takes)
    return f"--{option} is for --to {forms}: no other form has a place for it"


def _refuse_out(out: Path | None, to: str, source: Path) -> None:
    """Refuse a folder where a file is written, and the file that is exported, which people wrote by hand."""
    from engine.errors import CheckpointError
    from engine.files import file_kind

    form = EXPORT_FORMS[to]
    if out and file_kind(out) == "folder" and not form.is_folder:
        usual = out / f"recipe{form.suffix}"
        raise CheckpointError("is a folder", place=(out,), remedy=f"name the new file, such as {usual}")
    if out and file_kind(out) == "file" and file_kind(source) == "file" and out.samefile(source):
        raise CheckpointError(
            "is the file that is exported, which is never replaced", place=(out,), remedy="choose another name"
        )


def _refuse_taken(path: Path) -> None:
    """Refuse a file that is there before the models are read, which takes a while."""
    from engine.exports.target import check_free
    from engine.files import file_kind

    if file_kind(path) == "file":
        check_free([path], overwrite=False)


@click.command("export", cls=OurCommand, epilog=_FORMS)
@click.argument("source", metavar="INPUT")
@with_options(SOURCE_OPTIONS)
@with_options(SETTING_OPTIONS)
@with_options(RANDOM_OPTIONS)
@MODEL_OPTION
@_TO
@click.option("--out", type=click.Path(path_type=Path), help="The new file; default: named after INPUT.")
@click.option("--dtype", type=click.Choice(DTYPES), default="fp16", show_default=True, help="Of the tensors.")
@with_options(_FORM_OPTIONS)
@output_options
@plain_errors
def export_recipe(
    source: str,
    models: tuple[str, ...],
    to: str,
    out: Path | None,
    dtype: str,
    rank: int,
    linked: bool,
    licences: tuple[str, ...],
    output: Output,
    with_recipe: bool,
    overwrite: bool,
    **how: Any,
) -> None:
    """Export INPUT, anything that `recipe show` reads, as a checkpoint or in the form of another tool."""
    _refuse_idle_options(to)
    from engine.exports.content import ExportContent
    from engine.exports.target import ExportOptions
    from engine.files import file_kind
    from studies.progress import bytes_meter
    from studies.recipes.inputs import read_input
    from studies.review.exporting.export_forms import export_content, print_written

    found = with_paths(read_input(source, input_options(**how)), models)
    refuse_idle(found)
    show_notes(found)
    title = Path(source).stem if file_kind(Path(source)) else "recipe"
    out = out or Path(f"{title}{EXPORT_FORMS[to].suffix}")
    _refuse_out(out, to, Path(source))
    content = ExportContent(
        recipe=found.recipe,
        title=title,
        models=found.models,
        names=found.names,
        hashes=sha256_of_models(found, found.recipe.models),
    )
    with bytes_meter("writing", console()) as progress:
        options = ExportOptions(
            output=replace(output, dtype=dtype),
            overwrite=overwrite,
            with_recipe=with_recipe,
            rank=rank,
            linked=linked,
            progress=progress,
        )
        done = export_content(to, content, out, options, licences)
    print_written(done, console())

"""``recipe-search recipe``: show recipes, convert them to other formats and dialects, compare them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from studies.cli.command import OurGroup, examples, plain_errors
from studies.cli.recipes.heeded import refuse_idle
from studies.cli.recipes.recipe_models import MODEL_OPTION, sha256_of_models, show_notes, with_paths
from studies.cli.recipes.recipe_options import (
    DIALECTS,
    RANDOM_OPTIONS,
    SETTING_OPTIONS,
    SOURCE_OPTIONS,
    input_options,
    with_options,
)
from studies.terminal import console

if TYPE_CHECKING:
    from studies.recipes.inputs import RecipeInput

_TO = ("toml", "weights", "preset", "elemental", "adjust", "history", "metadata", "instructions")


class _CannotCompareError(click.ClickException):
    """``recipe diff`` cannot compare; the exit status is that of the program diff."""

    exit_code = 2


@click.group(cls=OurGroup)
def recipe() -> None:
    """Show recipes, convert them to other formats and dialects, compare them."""


@recipe.command(
    epilog=examples(
        "recipe show merged.safetensors",
        "recipe show mergehistory.csv --id -1 --supermerger",
        'recipe show "0,0.5,0.5,..." --from weights --elemental "OUT05:attn1:0.7"',
    )
)
@click.argument("file")
@with_options(SOURCE_OPTIONS)
@with_options(SETTING_OPTIONS)
@with_options(RANDOM_OPTIONS)
@click.option("--supermerger", is_flag=True, help="What to set in SuperMerger, run by run.")
@plain_errors
def show(file: str, supermerger: bool, **how: Any) -> None:
    """Show a recipe: a recipe file, a merged checkpoint, a mergehistory.csv with --id, - for standard input, or a text.

    A text itself, such as a row of weights, goes in the place of FILE with --from, which says what it is.
    """
    from studies.recipes.inputs import read_input

    found = read_input(file, input_options(**how))
    refuse_idle(found)
    if supermerger:
        show_notes(found)
        click.echo(_instructions(found), nl=False)
        return
    from studies.recipes.show import overview

    out = console()
    for part in overview(found):
        out.print(part, highlight=False, markup=False)


@recipe.command(
    epilog=examples("recipe convert merged.safetensors recipe.toml", "recipe convert recipe.toml - --to weights")
)
@click.argument("source", metavar="INPUT")
@click.argument("output")
@with_options(SOURCE_OPTIONS)
@with_options(SETTING_OPTIONS)
@with_options(RANDOM_OPTIONS)
@click.option("--to", type=click.Choice(_TO), help="Format of the output; default: by its name.")
@click.option("--dialect", type=click.Choice(DIALECTS), help="Translate to this dialect; it makes the same model.")
@click.option("--accept-differences", is_flag=True, help="Translate even where the model would not be the same.")
@MODEL_OPTION
@click.option("--run", type=int, help="Which run of SuperMerger a single text is of.")
@click.option("--name", default="", help="Of a preset, or of the result in the history.")
@click.option("--as-supermerger", is_flag=True, help="Give metadata SuperMerger's own type instead of ours.")
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
@plain_errors
def convert(
    source: str,
    output: str,
    to: str | None,
    dialect: str | None,
    accept_differences: bool,
    models: tuple[str, ...],
    run: int | None,
    name: str,
    as_supermerger: bool,
    overwrite: bool,
    **how: Any,
) -> None:
    """Convert INPUT (a file, - for standard input, or with --from the text itself) to OUTPUT (a file, or -)."""
    from engine.supermerger.metadata import OWN, SUPERMERGER
    from studies.recipes.inputs import STDIN, read_input
    from studies.recipes.outputs import TextOptions, text_of, write_output

    kind = to or (None if output != STDIN else "toml")
    form = TextOptions(kind=kind, run=run, name=name, metadata_type=SUPERMERGER if as_supermerger else OWN)
    found = with_paths(read_input(source, input_options(**how)), models)
    refuse_idle(found)
    show_notes(found)
    if dialect is not None:
        found = _translated(found, dialect, accept=accept_differences)
    text = text_of(found, output, form, lambda names: sha256_of_models(found, names))
    if output == STDIN:
        click.echo(text, nl=False)
        return
    write_output(output, text, overwrite=overwrite)
    _warn_of_guessed_paths(found, output, form)
    click.echo(f"wrote {output}")


@recipe.command(epilog=examples("recipe diff recipe.toml merged.safetensors"))
@click.argument("first")
@click.argument("second")
@with_options(SOURCE_OPTIONS)
@click.option("--second-id", type=int, help="The same as --id, for SECOND alone.")
def diff(first: str, second: str, second_id: int | None, **how: Any) -> None:
    """Show how two recipes differ. Exit status 0: not at all; 1: they differ; 2: they cannot be compared."""
    try:
        found = _compared(first, second, second_id, **how)
    except click.ClickException as error:
        raise _CannotCompareError(error.message) from error
    if found:
        raise click.exceptions.Exit(1)


@plain_errors
def _compared(first: str, second: str, second_id: int | None, **how: Any) -> bool:
    """Print the table; whether there is any difference."""
    from rich.table import Table

    from studies.recipes.diff import differences
    from studies.recipes.inputs import read_input

    one = read_input(first, input_options(**how))
    how["row"] = how["row"] if second_id is None else second_id
    other = read_input(second, input_options(**how))
    refuse_idle(one, other)
    found = differences(one.recipe, other.recipe)
    table = Table()
    for heading in ("step", "what", first, second):
        table.add_column(heading, overflow="fold")
    for row in found:
        table.add_row(str(row.step or ""), row.what, row.first, row.second)
    if found:
        console().print(table, highlight=False, markup=False)
    return bool(found)


@recipe.command()
@click.argument("files", nargs=-1, required=True)
@with_options(SOURCE_OPTIONS)
@plain_errors
def axis(files: tuple[str, ...], **how: Any) -> None:
    """Show what to set in SuperMerger for an X/Y/Z plot of recipes that differ in one respect."""
    from studies.recipes.inputs import read_input
    from studies.recipes.plots import axis_lines

    found = [read_input(file, input_options(**how)) for file in files]
    refuse_idle(*found)
    click.echo("\n".join(axis_lines([one.recipe for one in found])))


@recipe.command()
@click.argument("file")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("-x", "x", required=True, metavar="KIND=VALUES", help=r'Such as "mbw alpha=FLAT_25\nFLAT_75".')
@click.option("-y", "y", metavar="KIND=VALUES", help="The second axis.")
@click.option("-z", "z", metavar="KIND=VALUES", help="The third axis.")
@with_options(SOURCE_OPTIONS)
@MODEL_OPTION
@click.option("--run", type=int, default=1, show_default=True, help="Which step the plot is of.")
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@plain_errors
def cells(
    file: str,
    folder: Path,
    x: str,
    y: str | None,
    z: str | None,
    models: tuple[str, ...],
    run: int,
    overwrite: bool,
    **how: Any,
) -> None:
    """Write the recipe of every cell of an X/Y/Z plot, numbered in SuperMerger's order, into FOLDER."""
    from engine.supermerger.notes import unmet_notes
    from studies.recipes.inputs import read_input
    from studies.recipes.plots import cells as cells_of
    from studies.recipes.plots import parse_axis, write_cells

    found = with_paths(read_input(file, input_options(**how)), models)
    refuse_idle(found)
    axes = [parse_axis(text) for text in (x, y, z) if text is not None]
    made = cells_of(found, run, axes)
    for note in dict.fromkeys(note for one in made for note in unmet_notes(one)):
        click.echo(f"note: {note}", err=True)
    paths = write_cells(found, made, folder, overwrite=overwrite)
    click.echo(f"wrote {paths[0]} to {paths[-1].name}" if len(paths) > 1 else f"wrote {paths[0]}")


# ------------------------------------------------------------------------------------------------------ their parts


def _translated(found: RecipeInput, dialect: str, *, accept: bool) -> RecipeInput:
    from dataclasses import replace

    from engine.supermerger.convert import convert as translate
    from studies.errors import StudyError

    done = translate(found.recipe, dialect)
    listed = "\n".join(f"  {sentence}" for sentence in done.differences)
    if done.differences and not accept:
        raise StudyError(
            f"the dialect {dialect} cannot make the same model; these would differ:\n{listed}\n"
            "translate it anyway with --accept-differences"
        )
    if done.differences:
        click.echo(f"this differs:\n{listed}", err=True)
    return replace(found, recipe=done.recipe)


def _instructions(found: RecipeInput) -> str:
    from studies.recipes.outputs import TextOptions, text_of

    return text_of(found, "-", TextOptions(kind="instructions"), lambda _: {})


def _warn_of_guessed_paths(found: RecipeInput, output: str, form: Any) -> None:
    from studies.recipes.outputs import kind_of, unknown_models

    if kind_of(output, form) == "toml" and (guessed := unknown_models(found)):
        for name in guessed:
            known = f" ({found.sources[name]})" if name in found.sources else ""
            click.echo(f"note: the path of {name}{known} is a guess; put the right one under [models]", err=True)

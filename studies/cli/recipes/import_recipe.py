"""``recipe-search recipe import``: a recipe of another tool as a recipe file, and as the beginning of a study."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from studies.cli.command import OurCommand, plain_errors
from studies.cli.recipes.heeded import refuse_idle
from studies.cli.recipes.recipe_models import MODEL_OPTION, with_paths
from studies.cli.recipes.recipe_options import (
    RANDOM_OPTIONS,
    SETTING_OPTIONS,
    SOURCE_OPTIONS,
    input_options,
    with_options,
)

if TYPE_CHECKING:
    from studies.recipes.inputs import RecipeInput


@click.command("import", cls=OurCommand)
@click.argument("source", metavar="INPUT")
@click.argument("output", metavar="OUT.toml", type=click.Path(path_type=Path))
@with_options(SOURCE_OPTIONS)
@with_options(SETTING_OPTIONS)
@with_options(RANDOM_OPTIONS)
@MODEL_OPTION
@click.option("--study", type=click.Path(path_type=Path), help="A study file that is to begin with the recipe.")
@click.option("--overwrite", is_flag=True, help="Replace a file that is there.")
@plain_errors
def import_recipe(
    source: str, output: Path, models: tuple[str, ...], study: Path | None, overwrite: bool, **how: Any
) -> None:
    """Read INPUT, a merged file, a card or a text of any tool, into a recipe file, and say what is a guess."""
    from studies.errors import StudyError
    from studies.recipes.inputs import read_input
    from studies.recipes.outputs import TextOptions, text_of, write_output

    if output.suffix.lower() != ".toml":
        raise StudyError("a recipe file ends in .toml", place=(output,), remedy="choose another name")
    found = with_paths(read_input(source, input_options(**how)), models)
    refuse_idle(found)
    write_output(str(output), text_of(found, str(output), TextOptions(kind="toml"), lambda _: {}), overwrite=overwrite)
    _tell(found)
    click.echo(f"wrote {output}")
    if study is not None:
        _begin(study, output)


def _tell(found: RecipeInput) -> None:
    """Say what was read, what is a guess, and which models are needed."""
    from engine.errors import counted

    recipe = found.recipe
    click.echo(f"read: {counted(len(recipe.steps), 'step')}, dialect {recipe.dialect}, family {recipe.family}")
    for note in found.notes:
        click.echo(note if note.startswith("a guess") else f"note: {note}")
    for name in recipe.models:
        known = found.models.get(name) or found.sources.get(name) or "nothing is known of its file"
        word = "model" if name in found.models else "needed"
        click.echo(f"{word}: {name}: {known}")
    if guessed := [name for name in recipe.models if name not in found.models]:
        click.echo(f"the paths under [models] are guesses: put the right ones for {', '.join(guessed)}")


def _begin(study: Path, output: Path) -> None:
    from engine.files import file_kind
    from studies.new_study.beginnings import begin_with

    path = study / "study.toml" if file_kind(study) == "folder" else study
    added = begin_with(path, output)
    if added.written:
        click.echo(f"{path} begins with it now: {added.line}")
    else:
        click.echo(f"{path} was not changed; write this under [search]:\n{added.line}")

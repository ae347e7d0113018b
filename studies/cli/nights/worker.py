"""`recipe-search worker`: search a study of a database from a machine that has nothing of it but the models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from studies.cli.command import OurCommand, plain_errors
from studies.cli.nights.run import run

_FOLDER = click.Path(path_type=Path, file_okay=False)
_GIVEN = {"url", "name", "models", "folder", "artifacts"}


@click.command(cls=OurCommand)
@click.argument("url")
@click.argument("name", metavar="STUDY")
@click.option(
    "--models",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    multiple=True,
    default=(Path("models"),),
    help="Folder with the models, under whatever names; may be given several times.  [default: models]",
)
@click.option("--folder", type=_FOLDER, help="Where the study is kept on this machine.  [default: STUDY]")
@click.option("--artifacts", default="", help="Where the artifacts are, if this machine sees them elsewhere.")
@plain_errors
@click.pass_context
def worker(
    context: click.Context, url: str, name: str, models: tuple[Path, ...], folder: Path | None, artifacts: str,
    **options: Any,
) -> None:  # fmt: skip
    """Search a study that was begun on another machine; needs the database, the artifacts and the models.

    URL is the database, postgresql://me@server/recipes, without a password (~/.pgpass or PGPASSWORD has it); STUDY is
    the study's name there. The study file and all small files come from the artifacts; models are found by their
    SHA-256. Several on one machine need a --folder each. Ends when the search does; start it again at any time.
    """
    from pydantic_core import PydanticCustomError

    from studies.joining.layout import lay_out

    try:
        file = lay_out(url, name, (folder or Path(name)).absolute(), models, artifacts)
    except PydanticCustomError as error:
        raise click.BadParameter(f"it {error}", param_hint="URL") from error
    click.echo(f"the study is laid out in {file.parent}")
    context.invoke(run, study=file, **options)


worker.params += [one for one in run.params if isinstance(one, click.Option) and one.name not in {"mend", "stages"}]

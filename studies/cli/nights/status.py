"""`recipe-search status`: how studies stand, without waiting for a night at work and without writing anything."""

from __future__ import annotations

from pathlib import Path

import click

from studies.cli.command import OurCommand, plain_errors

LINES = 20
"""The last lines of a log that are shown before those that come."""


@click.command(cls=OurCommand)
@click.argument("studies", type=click.Path(path_type=Path), nargs=-1)
@click.option("--json", "as_json_", is_flag=True, help="As a list of JSON, one entry a study, for programs.")
@click.option("--follow", is_flag=True, help="Show the log of one study, and every new line as it comes.")
@plain_errors
def status(studies: tuple[Path, ...], *, as_json_: bool, follow: bool) -> None:
    """Say how studies stand: one screen for a study, a line each for several or for a folder of studies."""
    from studies.status.watched import WatchedStudies

    if as_json_ and follow:
        raise click.UsageError("give --json or --follow, not both: the log itself is JSON, a line each")
    watched = WatchedStudies(studies or (Path(),))
    if follow:
        _follow(watched.files())
        return
    found = watched.look(messages=len(watched.files()) == 1 or as_json_)
    if as_json_:
        import json

        from studies.status.text import as_json

        click.echo(json.dumps([as_json(one) for one in found], indent=1, ensure_ascii=False))
        return
    from studies.status.text import screen, table

    if not found:
        raise click.ClickException("no study file was found there; name one, or a folder of studies")
    for line in screen(found[0]) if len(found) == 1 else table(found):
        click.echo(line)


def _follow(files: list[Path]) -> None:
    from studies.status.log_lines import followed
    from studies.status.study_place import StudyPlace

    if len(files) != 1:
        raise click.UsageError(f"--follow takes one study, and there are {len(files)}")
    for line in followed(StudyPlace.of(files[0]).folder, LINES):
        click.echo(str(line))

"""`recipe-search pause`, `resume` and `stop`: what a person asks of a night that runs, from another terminal."""

from __future__ import annotations

from pathlib import Path

import click

from studies.cli.command import opened, plain_errors, study_argument


def _folder_at_work(study: Path) -> Path:
    """Return the study's folder; refuse to ask where nobody would hear it.

    A night that begins forgets what was asked of an earlier one. Of a study in a database, those workers hear it that
    have the same folder.
    """
    from studies.errors import StudyError
    from studies.store.backends import backend_of

    storage = opened(study).storage
    if not backend_of(storage).at_work():
        raise StudyError(
            "no night is at work", place=(storage.folder,), remedy=f"`recipe-search run {study}` begins one"
        )
    return storage.folder


@click.command()
@study_argument
@plain_errors
def pause(study: Path) -> None:
    """Let the night wait after the trial in work, until `resume`; its models stay loaded."""
    from studies.store.requests import ask

    ask(_folder_at_work(study), "pause")
    click.echo(f"the night pauses after what is in work; to go on: recipe-search resume {study}")


@click.command()
@study_argument
@plain_errors
def resume(study: Path) -> None:
    """Let a paused night go on; a stop that was asked and not yet heard is taken back too."""
    from studies.store.requests import withdraw

    withdraw(_folder_at_work(study), "pause", "stop")
    click.echo("the night goes on")


@click.command()
@study_argument
@plain_errors
def stop(study: Path) -> None:
    """End the night after what is in work, without a proof; `run` goes on later."""
    from studies.store.requests import ask

    ask(_folder_at_work(study), "stop")
    click.echo(f"the night ends after what is in work; to go on later: recipe-search run {study}")

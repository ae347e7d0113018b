"""`recipe-search pause`, `resume` and `stop`: what a person asks of a night that runs, from another terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from studies.cli.command import opened, plain_errors, study_argument

if TYPE_CHECKING:
    from studies.studyfile.spec import Storage


def _at_work(study: Path) -> Storage:
    """The storage of a study at which a night is: one that begins forgets what was asked of an earlier one.

    Raises:
        StudyError: no night would hear.
    """
    from studies.errors import StudyError
    from studies.store.backends import backend_of

    storage = opened(study).storage
    if not backend_of(storage).at_work():
        raise StudyError(
            "no night is at work", place=(storage.folder,), remedy=f"`recipe-search run {study}` begins one"
        )
    return storage


@click.command()
@study_argument
@plain_errors
def pause(study: Path) -> None:
    """Let the night wait after the trial in work, until `resume`; its models stay loaded."""
    from studies.store.requests import ask

    ask(_at_work(study).folder, "pause")
    click.echo(f"the night pauses after what is in work; to go on: recipe-search resume {study}")


@click.command()
@study_argument
@plain_errors
def resume(study: Path) -> None:
    """Let a paused night go on; a stop that was asked and not yet heard is taken back too."""
    from studies.store.requests import withdraw

    withdraw(_at_work(study).folder, "pause", "stop")
    click.echo("the night goes on")


@click.command()
@study_argument
@plain_errors
def stop(study: Path) -> None:
    """End the night after what is in work, without a proof; `run` goes on later."""
    from studies.store.requests import ask

    ask(_at_work(study).folder, "stop")
    click.echo(f"the night ends after what is in work; to go on later: recipe-search run {study}")

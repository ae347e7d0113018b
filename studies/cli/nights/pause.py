"""`recipe-search pause`, `resume` and `stop`: what a person asks of a night that runs, from another terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from studies.cli.command import OurCommand, opened, plain_errors, study_argument

if TYPE_CHECKING:
    from studies.store.backends.requests import NightRequests


def _requests_of(study: Path) -> NightRequests:
    """What is asked of a study's night.

    Raises:
        StudyError: nobody would hear it; a night that begins forgets what was asked of an earlier one.
    """
    from studies.errors import StudyError
    from studies.store.backends.of_study import backend_of

    storage = opened(study).storage
    backend = backend_of(storage)
    if not backend.at_work():
        raise StudyError(
            "no night is at work",
            place=(storage.folder,),
            remedy=f"`recipe-search run {study}` begins one; if one is still reading its models, ask again in a minute",
        )
    return backend.requests


@click.command(cls=OurCommand)
@study_argument
@plain_errors
def pause(study: Path) -> None:
    """Let the night wait after the trial in work, until `resume`; its models stay loaded."""
    _requests_of(study).ask("pause")
    click.echo(f"the night pauses after what is in work; to go on: recipe-search resume {study}")


@click.command(cls=OurCommand)
@study_argument
@plain_errors
def resume(study: Path) -> None:
    """Let a paused night go on; a stop that was asked and not yet heard is taken back too."""
    _requests_of(study).withdraw("pause", "stop")
    click.echo("the night goes on")


@click.command(cls=OurCommand)
@study_argument
@plain_errors
def stop(study: Path) -> None:
    """End the night after what is in work, without a proof; `run` goes on later."""
    _requests_of(study).ask("stop")
    click.echo(f"the night ends after what is in work; to go on later: recipe-search run {study}")

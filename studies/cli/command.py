"""What every command of the command line does around its work: study files, errors as messages, a console."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import click

from studies.preflight.name_clash import NameClashError, check_names

if TYPE_CHECKING:
    from studies.studyfile.spec import StudySpec

P = ParamSpec("P")
R = TypeVar("R")

STOPPED = 130
"""Exit status after Ctrl+C or a termination signal, as shells have it."""


study_argument = click.argument("study", type=click.Path(path_type=Path))


def opened(study: Path) -> StudySpec:
    """Read a study file; a folder stands for the ``study.toml`` in it. What killed commands left is deleted."""
    from studies.store.left_behind import clear_up
    from studies.studyfile.read import read_study_file

    spec = read_study_file(study / "study.toml" if study.is_dir() else study)
    clear_up(spec.storage.folder)
    return spec


def plain_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Show the project's own errors and a stop by the user as plain messages, without a traceback."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            check_names()
        except NameClashError as error:
            raise click.ClickException(str(error)) from error
        from engine.errors import ProblemError  # ours for sure

        try:
            return command(*args, **kwargs)
        except ProblemError as error:
            raise click.ClickException(str(error)) from error
        except KeyboardInterrupt:
            with suppress(ValueError):  # outside the main thread nobody sends us signals
                signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl+C must not break into the end
            click.echo("\nstopped; what was finished is kept: run the same command again to go on", err=True)
            raise click.exceptions.Exit(STOPPED) from None

    return run

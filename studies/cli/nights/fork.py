"""`recipe-search fork`: a new study that begins with what still compares of another one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from studies.cli.command import OurCommand, opened, plain_errors, study_argument
from studies.cli.nights.trust import allowed, trust_option
from studies.terminal import console

if TYPE_CHECKING:
    from studies.night.continuing.fork import ForkResult


@click.command(cls=OurCommand)
@study_argument
@click.argument("new", type=click.Path(path_type=Path))
@click.option("--render", is_flag=True, help="Render again where kept features lack something.")
@trust_option
@plain_errors
def fork(study: Path, new: Path, render: bool, *, trust: bool) -> None:
    """Begin the study of another file with the trials of STUDY that still compare; STUDY stays as it is.

    NEW is a study file: copy STUDY, give it another name, and change what you like.
    """
    from engine.files import file_kind
    from studies.night.continuing.fork import fork_study
    from studies.studyfile.read import read_study_file

    old = read_study_file(study / "study.toml" if file_kind(study) == "folder" else study)
    spec = allowed(opened(new), trust=trust)
    _print(fork_study(old, spec, console(), render=render), old.storage.name, new)


def _print(done: ForkResult, old: str, new: Path) -> None:
    from engine.errors import counted
    from studies.night.continuing.fork import left_words

    click.echo("what differs:" if done.differences else f'nothing differs from "{old}" that scores depend on')
    for line in done.differences:
        click.echo(line)
    how = "judged again, from kept features" if done.is_judged_again else "with their scores"
    click.echo(f"{counted(done.kept, 'trial')} kept, {how}")
    for line in left_words(done.left):
        click.echo(line)
    click.echo(f"go on from there: recipe-search run {new}")

"""The question whether the programs that a study file names may run, and the option that answers it for scripts."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from scorers.scoring.plugins import PluginFile
    from studies.status.notice import Notice
    from studies.studyfile.spec import StudySpec

trust_option = click.option(
    "--trust",
    is_flag=True,
    help="Let the programs run that the study file names, without asking; kept for their content.",
)


def allowed(spec: StudySpec, *, trust: bool) -> StudySpec:
    """The study with the programs that may judge; asks about those that nobody has allowed yet.

    Args:
        spec: a study whose file was read.
        trust: whether all that it names are allowed.

    Raises:
        StudyError: one is not allowed, and there is no terminal to ask at, or the answer was no.
    """
    from studies.inputs.trust import programs, refusal, trust_memory, trusted_before

    files = programs(spec.scoring)
    if not files:
        return spec
    known = trusted_before(trust_memory())
    new = [file for file in files if file.identity not in known]
    if new and not trust and not (sys.stdin.isatty() and _agreed(spec, new)):
        raise refusal(new)
    if new:
        _keep(new)
    every = frozenset(file.identity for file in files)
    return replace(spec, scoring=replace(spec.scoring, trusted=every))


def allowed_notice(spec: StudySpec, *, trust: bool, may_ask: bool = True) -> Notice | None:
    """The command that is told of the night's end, where there is one and it may run; asks where nobody allowed it yet.

    Where it may not, that is said, and the night goes on without it.

    Args:
        spec: a study whose file was read.
        trust: whether all that it names are allowed.
        may_ask: whether somebody may be there to answer, as at the beginning of a night.
    """
    if not spec.notify:
        return None
    from scorers.scoring.plugins import PluginFile
    from studies.inputs.trust import trust_memory, trusted_before
    from studies.status.notice import Notice

    notice = Notice(command=spec.notify, file=spec.storage.file)
    program = PluginFile(path=notice.file.resolve(), content=notice.content)
    if program.identity in trusted_before(trust_memory()):
        return notice
    if not trust:
        words = " ".join(spec.notify)
        click.echo(f"{notice.file} names a command to run when the night ends, with all your rights: {words}", err=True)
        if not (may_ask and sys.stdin.isatty() and click.confirm("Do you trust it?", default=False, err=True)):
            click.echo("warning: it will not be run; to allow it, run the command again with --trust", err=True)
            return None
    _keep([program])
    return notice


def _agreed(spec: StudySpec, files: Sequence[PluginFile]) -> bool:
    names = "\n".join(f"  {file.path}  (SHA-256 {file.sha256[:12]})" for file in files)
    click.echo(
        f"{spec.storage.file} names scorers that are programs; they run with all your rights:\n{names}", err=True
    )
    return click.confirm("Have you read them, and do you trust them?", default=False, err=True)


def _keep(files: Sequence[PluginFile]) -> None:
    from studies.inputs.trust import trust, trust_memory

    try:
        trust(files, trust_memory())
    except OSError as error:
        click.echo(
            f"note: {trust_memory()} cannot be written ({error.strerror}), so the next command asks again", err=True
        )

"""`recipe-search run`: the night, in one process or in several that share a study."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import click

from search.plan import STAGES, Stage
from studies.cli.command import OurCommand, opened, plain_errors, study_argument
from studies.cli.trust import allowed, allowed_notice, trust_option
from studies.status.log_lines import LOG_LEVELS, LogLevel
from studies.terminal import CONSOLE_LOG, lasting_console, let_output_go


def _known_device(context: click.Context, parameter: click.Parameter, name: str | None) -> str | None:
    if name is None:
        return None
    from pydantic_core import PydanticCustomError

    from studies.studyfile import validators as checks

    try:
        return checks.device(name)
    except PydanticCustomError as error:
        raise click.BadParameter(error.message(), context, parameter) from error


@click.command(cls=OurCommand)
@study_argument
@click.option(
    "--stage",
    "stages",
    multiple=True,
    type=click.Choice(STAGES[1:]),
    help="Only this stage now, after flat; may be given several times. The other stages stay open.",
)
@click.option("--device", callback=_known_device, help="In place of the study file's: auto, cpu, cuda or cuda:1, ...")
@click.option("--workers", type=click.IntRange(min=1), help="Number of processes to run at once, on all GPUs in turn.")
@trust_option
@click.option(
    "--no-proof", is_flag=True, help="End with the last trial: every proof counts, and widens the next one's intervals."
)
@click.option(
    "--checked", is_flag=True, hidden=True, help="One of several workers; the check was done by the first command."
)
@click.option(
    "--sharing",
    type=click.IntRange(min=1),
    nargs=2,
    default=(1, 1),
    hidden=True,
    help="How many workers share this one's device, and this machine's main memory.",
)
@click.option(
    "--repair", "mend", is_flag=True, help="First mend a damaged journal: a copy is kept, and all that can be read."
)
@click.option(
    "--log-level",
    type=click.Choice(LOG_LEVELS),
    default="info",
    show_default=True,
    help="From which level on lines go to the log, night.jsonl in the study's folder.",
)
@plain_errors
def run(
    study: Path,
    stages: tuple[Stage, ...],
    device: str | None,
    workers: int | None,
    *,
    trust: bool,
    no_proof: bool,
    checked: bool,
    sharing: tuple[int, int],
    mend: bool,
    log_level: LogLevel,
) -> None:
    """Search; run the same command again to go on after a stop.

    Several of these at once share a study, each with a GPU of its own: they try different candidates.
    """
    spec = allowed(opened(study), trust=trust)
    if stages:
        spec = replace(spec, search=replace(spec.search, plan=spec.search.plan.just(stages)))
    if device is not None:
        spec = replace(spec, rendering=replace(spec.rendering, device=device))
    device_sharers, ram_sharers = sharing
    shared = replace(spec.rendering, device_sharers=device_sharers, ram_sharers=ram_sharers)
    spec = replace(spec, rendering=shared)
    from studies.cli.actions import refuse_unready, repair_study, search_study

    if mend:
        click.echo(repair_study(spec.storage))
    console = lasting_console()
    from studies.cli.night_report import report_at_the_end
    from studies.status.night_log import night_logged
    from studies.status.notice import told_of_the_end

    # One of several leaves the report, and telling of the end, to the command that began them all.
    report = nullcontext() if checked else report_at_the_end(spec.storage, str(study), _say_and_log)
    notice = None if checked else allowed_notice(spec, trust=trust)
    told = told_of_the_end(notice, spec.storage.folder, _say_and_log)
    with night_logged(spec.storage.folder, spec.storage.name, log_level), told, report:
        if not checked:
            refuse_unready(spec, console, workers=workers or 1)
        if workers is None:
            search_study(spec, str(study), console, proof=not no_proof)
            return
        from studies.night.team import run_team

        flags = ["--checked", "--log-level", log_level, *["--trust"] * trust, *["--no-proof"] * no_proof]
        options = [*flags, *(text for stage in stages for text in ("--stage", stage))]
        if not run_team(spec.storage.file, spec.rendering.device, workers, options, _say):
            raise click.exceptions.Exit(1)


def _say_and_log(line: str) -> None:
    CONSOLE_LOG.log(logging.WARNING if line.startswith("warning:") else logging.INFO, "%s", line)
    _say(line)


def _say(line: str) -> None:
    """Print a line; where nobody reads any more, what goes on goes on all the same."""
    try:
        click.echo(line)
    except BrokenPipeError:
        let_output_go()

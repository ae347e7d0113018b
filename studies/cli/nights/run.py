"""`recipe-search run`: the night, in one process or in several that share a study."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from search.plan import STAGES, Stage
from studies.cli.command import OurCommand, examples, opened, plain_errors, study_argument
from studies.cli.nights.trust import allowed, allowed_notice, trust_option
from studies.cli.numbers import FiniteNumber
from studies.status.log_lines import LOG_LEVELS, LogLevel
from studies.terminal import CONSOLE_LOG, lasting_console, let_output_go

if TYPE_CHECKING:
    from studies.limits.deadline import NightLimits
    from studies.studyfile.spec import StudySpec

BEGUN_AGAIN = "RECIPE_SEARCH_BEGUN_AGAIN"
"""Variable of the environment that says how often this process began again because its work hung."""
MOST_RESTARTS = 3
"""How often a process begins again before it ends for good."""


def _known_device(context: click.Context, parameter: click.Parameter, name: str | None) -> str | None:
    if name is None:
        return None
    from pydantic_core import PydanticCustomError

    from studies.studyfile.tables import validators as checks

    try:
        return checks.device(name)
    except PydanticCustomError as error:
        raise click.BadParameter(error.message(), context, parameter) from error


@click.command(cls=OurCommand, epilog=examples("run study.toml", "run study.toml --until 07:00"))
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
    "--until", metavar="TIME", help="End at this time, the proof done: 07:00 (the next one), or 2026-11-30T07:00."
)
@click.option(
    "--hours", type=FiniteNumber(min=0, min_open=True, max=8760), help="End after so many hours, the proof done."
)
@click.option("--trials", type=click.IntRange(min=1), help="Begin at most so many trials, then make the proof.")
@click.option(
    "--pictures", type=click.IntRange(min=1), help="Make at most so many pictures, those of the proof among them."
)
@click.option(
    "--checked", is_flag=True, hidden=True, help="One of several workers; the check was done by the first command."
)
@click.option("--begun-again", is_flag=True, hidden=True, help="In the place of a process that hung, in its night.")
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
    until: str | None,
    hours: float | None,
    trials: int | None,
    pictures: int | None,
    checked: bool,
    begun_again: bool,
    sharing: tuple[int, int],
    mend: bool,
    log_level: LogLevel,
) -> None:
    """Search; run the same command again to go on after a stop.

    Several of these at once share a study, each with a GPU of its own: they try different candidates.

    With a limit the plan's stages are shortened in one proportion, time is kept for the proof, and a later night goes
    on with the rest. Ctrl+C lets the trial in work be finished; pressed twice, it ends at once.
    """
    limits = _limits(until, hours, trials, pictures)
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
    from studies.cli.nights.night_report import report_at_the_end
    from studies.status.night_log import night_logged
    from studies.status.notice import told_of_the_end
    from studies.store.backends.of_study import backend_of

    flags = ["--log-level", log_level, *["--trust"] * trust, *["--no-proof"] * no_proof]
    options = [*flags, *_limit_options(limits), *(text for stage in stages for text in ("--stage", stage))]
    # One of several leaves the report, and telling of the end, to the command that began them all.
    report = (
        nullcontext() if checked else report_at_the_end(spec.storage, str(study), _say_and_log, has_changed=begun_again)
    )
    notice = None if checked else allowed_notice(spec, trust=trust, may_ask=not begun_again)
    told = told_of_the_end(notice, backend_of(spec.storage).requests, _say_and_log)
    with night_logged(spec.storage.folder, spec.storage.name, log_level), told, report:
        if not checked and not begun_again:
            refuse_unready(spec, console, workers=workers or 1)
        if workers is None:
            again = begin_again(spec, sharing, ["--begun-again", *["--checked"] * checked, *options])
            search_study(
                spec,
                str(study),
                console,
                proof=not no_proof,
                limits=limits,
                begin_again=again,
                begun_again=begun_again,
            )
            return
        from studies.night.team import run_team

        if not run_team(spec.storage.file, spec.rendering.device, workers, ["--checked", *options], _say):
            raise click.exceptions.Exit(1)


def _limits(until: str | None, hours: float | None, trials: int | None, pictures: int | None) -> NightLimits:
    from studies.limits.deadline import NightLimits, moment_of

    if until is not None and hours is not None:
        raise click.UsageError("give --until or --hours, not both")
    now = time.time()
    end = moment_of(until, now) if until is not None else None if hours is None else now + 3600 * hours
    return NightLimits(until=end, trials=trials, pictures=pictures)


def _limit_options(limits: NightLimits) -> list[str]:
    """The options that give another process the same limits."""
    options = [] if limits.until is None else ["--until", datetime.fromtimestamp(limits.until, UTC).isoformat()]
    options += [] if limits.trials is None else ["--trials", str(limits.trials)]
    return options + ([] if limits.pictures is None else ["--pictures", str(limits.pictures)])


def begin_again(spec: StudySpec, sharing: tuple[int, int], options: Sequence[str]) -> Callable[[], None]:
    """Return what puts a new process, with the same options, in the place of this one; a few times at most."""

    def replace_process() -> None:
        begun = int(os.environ.get(BEGUN_AGAIN, "0")) + 1
        if begun > MOST_RESTARTS or sys.platform == "win32":  # where the new process would be another one
            _say(f"it began again {begun - 1} times, and ends now: see what hangs, then run the same command again")
            return
        os.environ[BEGUN_AGAIN] = str(begun)
        _say("beginning again in a new process")
        shared = ["--sharing", str(sharing[0]), str(sharing[1])]
        command = ["run", str(spec.storage.file), "--device", spec.rendering.device, *shared, *options]
        os.execv(sys.executable, [sys.executable, "-m", "studies.cli.main", *command])  # noqa: S606 - our own command

    return replace_process


def _say_and_log(line: str) -> None:
    CONSOLE_LOG.log(logging.WARNING if line.startswith("warning:") else logging.INFO, "%s", line)
    _say(line)


def _say(line: str) -> None:
    """Print a line; where nobody reads any more, what goes on goes on all the same."""
    try:
        click.echo(line)
    except BrokenPipeError:
        let_output_go()

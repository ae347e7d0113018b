"""``recipe-search probe``: what each block, site and Adjust value does to the pictures of this pair."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from studies.cli.command import OurCommand, opened, plain_errors
from studies.cli.nights.trust import allowed, trust_option
from studies.terminal import console

if TYPE_CHECKING:
    from studies.probe.plan import DesignName, ProbeOptions
    from studies.results.probe import ProbeResult
    from studies.studyfile.spec import StudySpec

DESIGN_NAMES = ("one", "screen", "both")
"""One knob at a time, many at once, or both."""


@click.command(cls=OurCommand)
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--blocks", default="all", show_default=True, metavar="BLOCKS", help="Such as OUT05,IN00-IN05; or none.")
@click.option(
    "--self",
    "sites",
    default="study",
    show_default=True,
    metavar="SITES",
    help="Multipliers: such as OUT05:attn1; suggested; none; or those that the study searches.",
)
@click.option(
    "--adjust",
    default="study",
    show_default=True,
    metavar="FIELDS",
    help="Adjust values: such as CONT,COL1; all; none; or those that the study searches.",
)
@click.option(
    "--base",
    default="0.5",
    show_default=True,
    help="What knobs are moved from: a FLAT ratio, pin, a preset, a row of weights or a recipe file.",
)
@click.option(
    "--design",
    type=click.Choice(DESIGN_NAMES),
    default="both",
    show_default=True,
    help="One knob at a time from the base, many at once (screening), or both.",
)
@click.option("--prompts", "shots", type=click.IntRange(min=1), help="Shots of every recipe, in fours.  [default: 8]")
@click.option("--pictures", type=click.IntRange(min=1), help="Pictures in all at most, in place of --prompts.")
@click.option(
    "--precision",
    type=click.FloatRange(min=0, min_open=True),
    help="Stop before --prompts where the middle standard error is this part of the noise of seeds.",
)
@trust_option
@plain_errors
def probe(
    study: Path,
    blocks: str,
    sites: str,
    adjust: str,
    base: str,
    design: str,
    shots: int | None,
    pictures: int | None,
    precision: float | None,
    *,
    trust: bool,
) -> None:
    """Measure what each block, element and Adjust value does to the pictures of STUDY's models.

    Every effect is told against the noise of seeds, in pixels, style, prompt fidelity, colour, contrast, brightness,
    detail and composition. What was rendered is kept: the same command goes on after a stop.
    """
    from studies.probe.knobs import KnobChoice
    from studies.probe.plan import ProbeOptions

    options = ProbeOptions(
        choice=KnobChoice(blocks=blocks, sites=sites, fields=adjust),
        base=base,
        design=cast("DesignName", design),
        shots=shots,
        pictures=pictures,
        precision=precision,
    )
    run_probe(allowed(opened(study), trust=trust), options)


def run_probe(spec: StudySpec, options: ProbeOptions) -> None:
    """Probe a study as options say, and print and write what was found."""
    from studies.measuring.opened import measuring
    from studies.probe.cost import cost_text
    from studies.probe.measure import probe as measured
    from studies.probe.plan import planned_probe

    plan, out = planned_probe(spec, options), console()
    click.echo(cost_text(spec, plan))
    with measuring(spec, out, name="probe") as opened_study:
        result, _ = measured(opened_study, plan, out, precision=options.precision)
    _write(spec, result)
    _tell(result)


def _write(spec: StudySpec, result: ProbeResult) -> None:
    from studies.results.probe import write_probe

    write_probe(spec.storage.folder, result)


def _tell(result: ProbeResult) -> None:
    from studies.probe.words import agreement, legend_lines, matrix_lines, sentences

    for method in result.methods:
        lines = [*legend_lines(result, method), *matrix_lines(result, method)]
        click.echo("\n" + "\n".join(lines))
    click.echo("\n" + "\n".join([*sentences(result, result.methods[0]), agreement(result)]).strip())
    for remark in (*result.broken, *result.remarks):
        click.echo(f"note: {remark}")

"""``recipe-search probe``: what each block, site and Adjust value does to the pictures of a pair."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from engine.shots.limits import CFG
from studies.cli.command import OurCommand, opened, plain_errors
from studies.cli.nights.trust import allowed, trust_option
from studies.cli.numbers import FiniteNumber, SettingNumber
from studies.cli.pictures.picture_options import with_options
from studies.terminal import console

if TYPE_CHECKING:
    from studies.after_recipe.probe.designs.plan import DesignName, ProbeOptions
    from studies.studyfile.spec import StudySpec

DESIGN_NAMES = ("one", "screen", "both")
"""One knob at a time, many at once, or both."""
TWO = 2
"""Checkpoints of a pair."""
_PATH = click.Path(path_type=Path)
KNOB_OPTIONS = (
    click.option("--blocks", default="all", show_default=True, help="Such as OUT05,IN00-IN05; or none."),
    click.option(
        "--self",
        "sites",
        default="study",
        show_default=True,
        help="Multipliers: such as OUT05:attn1; suggested; none; or those that the study searches.",
    ),
    click.option(
        "--adjust",
        default="study",
        show_default=True,
        help="Adjust values: such as CONT,COL1; all; none; or those that the study searches.",
    ),
    click.option(
        "--base",
        default="0.5",
        show_default=True,
        help="What knobs are moved from: a FLAT ratio, pin, a preset, a row of weights or a recipe file.",
    ),
    click.option(
        "--design",
        type=click.Choice(DESIGN_NAMES),
        default="both",
        show_default=True,
        help="One knob at a time from the base, many at once (screening), or both.",
    ),
    click.option(
        "--prompts", "shots", type=click.IntRange(1, 10_000), help="Shots of every recipe, in fours.  [default: 8]"
    ),
    click.option(
        "--pictures", type=click.IntRange(1, 1_000_000), help="Pictures in all at most, in place of --prompts."
    ),
    click.option(
        "--precision",
        type=FiniteNumber(min=0, min_open=True),
        help="Stop before --prompts where the middle standard error is this part of the noise of seeds.",
    ),
)
"""What is moved, and how precisely."""
PAIR_OPTIONS = (
    click.option("-p", "--prompt", "texts", multiple=True, help="For two checkpoints: what to show; may be repeated."),
    click.option("-n", "--negative", help="For two checkpoints: what not to show."),
    click.option("--width", type=int, help="For two checkpoints: pixels.  [default: the family's]"),
    click.option("--height", type=int, help="For two checkpoints: pixels.  [default: the family's]"),
    click.option("--steps", type=int, help="For two checkpoints: sampling steps.  [default: 20]"),
    click.option("--sampler", help="For two checkpoints: such as Euler a.  [default: DPM++ 2M]"),
    click.option("--cfg", type=SettingNumber(CFG), help="For two checkpoints: CFG scale.  [default: 7]"),
    click.option("--vae", type=_PATH, help="For two checkpoints: decode with this VAE.  [default: the merged one]"),
    click.option("--device", help="For two checkpoints: auto, cpu, cuda or cuda:1.  [default: auto]"),
    click.option("--out", type=_PATH, help="For two checkpoints: the folder.  [default: A-B-probe beside A]"),
)
"""What a study says, where there is none."""


@click.command(cls=OurCommand)
@click.argument("sources", metavar="STUDY | A B", nargs=-1, required=True, type=_PATH)
@with_options(KNOB_OPTIONS)
@with_options(PAIR_OPTIONS)
@trust_option
@plain_errors
def probe(
    sources: tuple[Path, ...],
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
    **of_pair: Any,
) -> None:
    """Measure what each block, element and Adjust value does to the pictures of a study's models, or of A and B.

    Every effect is told against the noise of seeds: pixels, style, prompt fidelity, colour, contrast, brightness,
    detail and composition. Two checkpoints with --prompt need no study and no encoder; then there is no style and no
    prompt fidelity. What was rendered is kept: the same command goes on after a stop.
    """
    from studies.after_recipe.probe.designs.knobs import KnobChoice
    from studies.after_recipe.probe.designs.plan import ProbeOptions

    options = ProbeOptions(
        choice=KnobChoice(blocks=blocks, sites=sites, fields=adjust),
        base=base,
        design=cast("DesignName", design),
        shots=shots,
        pictures=pictures,
        precision=precision,
    )
    given = {name: value for name, value in of_pair.items() if value not in (None, ())}
    if len(sources) > TWO:
        raise click.UsageError(f"give one study or two checkpoints, not {len(sources)} files")
    if len(sources) == TWO:
        from studies.cli.measures.probe_pair import run_pair

        run_pair(sources[0], sources[1], options, given)
    elif given:
        names = ", ".join("--prompt" if name == "texts" else f"--{name}" for name in given)
        raise click.UsageError(f"{names}: a study says that itself; it is for two checkpoints")
    else:
        run_probe(allowed(opened(sources[0]), trust=trust), options)


def run_probe(spec: StudySpec, options: ProbeOptions) -> None:
    """Probe a study as options say, and print and write what was found."""
    from studies.after_recipe.measuring.opened import measuring
    from studies.after_recipe.probe.designs.cost import cost_text
    from studies.after_recipe.probe.designs.plan import planned_probe
    from studies.after_recipe.probe.measure import probe as measured
    from studies.after_recipe.probe.outputs import write_outputs
    from studies.cli.measures.probe_printed import print_result

    plan, out = planned_probe(spec, options), console()
    click.echo(cost_text(plan, spec.merge.models["A"], spec.rendering.device))
    with measuring(spec, out, name="probe") as opened_study:
        result, renders = measured(opened_study, plan, out, precision=options.precision)
        result = write_outputs(spec.storage.folder, result, renders)
    print_result(result, spec.storage.folder)

"""`recipe-search situations`: where a recipe is weak, in many situations beside its parents."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from studies.cli.command import OurCommand, opened, plain_errors, study_argument
from studies.cli.nights.trust import allowed, trust_option
from studies.terminal import console

if TYPE_CHECKING:
    from studies.studyfile.spec import StudySpec


@click.command(cls=OurCommand)
@study_argument
@click.argument("recipe", required=False, type=click.Path(path_type=Path))
@click.option("--finalist", type=click.IntRange(min=1), help="A finalist; default: the newest pin, else finalist 1.")
@click.option("--suite", type=click.Path(path_type=Path), help="A list (.txt) or folder of lists, not the study's.")
@click.option("--seeds", type=click.IntRange(2, 64), help="Most pictures of a situation, not the study's number.")
@trust_option
@plain_errors
def situations(
    study: Path, recipe: Path | None, finalist: int | None, suite: Path | None, seeds: int | None, *, trust: bool
) -> None:
    """Show a recipe in many situations beside its parents: where it is weak, which words it no longer obeys.

    RECIPE is a recipe file over the study's models, or a merged checkpoint. Run the same command again to go on after a
    stop.
    """
    from studies.after_recipe.measuring.subject import subject_of
    from studies.after_recipe.situations.examine import examine
    from studies.after_recipe.situations.hints import suite_hints
    from studies.after_recipe.situations.planned import planned_situations
    from studies.after_recipe.situations.showing.report import report_lines, weak_spots_table
    from studies.after_recipe.situations.suite import read_suite

    spec = _with_options(allowed(opened(study), trust=trust), suite, seeds)
    subject_of(spec, finalist=finalist, file=recipe)  # what is wrong with it is said before the costs
    out = console()
    for hint in suite_hints(read_suite(spec.situations.suite, spec.situations.frame), spec):
        out.print(f"warning: {hint}", highlight=False, markup=False)
    click.echo(f"{planned_situations(spec)}; Ctrl+C stops, and the same command goes on")
    result = examine(spec, out, finalist=finalist, file=recipe)
    if result.weak_spots:
        out.print(weak_spots_table(result))
    for line in report_lines(result, spec.storage.folder):
        out.print(line, highlight=False, markup=False)


def _with_options(spec: StudySpec, suite: Path | None, seeds: int | None) -> StudySpec:
    chosen = spec.situations if suite is None else replace(spec.situations, suite=suite)
    return replace(spec, situations=chosen if seeds is None else replace(chosen, seeds=seeds))

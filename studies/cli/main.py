"""The command line. Every command imports what it needs when it runs, so that ``--help`` answers at once."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from studies.cli.command import OutermostGroup, examples, opened, plain_errors, study_argument
from studies.cli.export import export, export_recipe
from studies.cli.init import init
from studies.cli.judge import pick, rescore
from studies.cli.measures.probe import probe
from studies.cli.measures.settings import settings
from studies.cli.measures.situations import situations
from studies.cli.nights.fork import fork
from studies.cli.nights.pause import pause, resume, stop
from studies.cli.nights.run import run
from studies.cli.nights.status import status
from studies.cli.nights.trust import allowed, trust_option
from studies.cli.nights.worker import worker
from studies.cli.numbers import FiniteNumber
from studies.cli.output_options import DTYPES, output_options
from studies.cli.pictures.plot import plot
from studies.cli.pictures.render import render
from studies.cli.recipes.import_recipe import import_recipe
from studies.cli.recipes.recipe import recipe
from studies.cli.recipes.verify import verify
from studies.cli.report import report
from studies.cli.scorers import scorers
from studies.cli.view import view
from studies.limits.signals import resend_lost_signals
from studies.terminal import console

if TYPE_CHECKING:
    from engine.merging.output import Output


@click.group(cls=OutermostGroup, context_settings={"help_option_names": ["-h", "--help"], "color": True})
@click.version_option(package_name="sd-recipe-search")
@click.option("-v", "--verbose", is_flag=True, help="Show more of what goes on.")
def main(verbose: bool) -> None:
    """Search Stable Diffusion merge recipes: checkpoints, a target look and a night in; an approved recipe out."""
    # Threads of OpenMP that wait for work spin by default, which takes a busy machine many times the processor time.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # read when torch is loaded; numbers are the same
    logging.basicConfig(level=logging.INFO if verbose else logging.WARNING, format="%(levelname)s: %(message)s")


@main.command()
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=Path("recipe-search-demo"),
    show_default=True,
    help="Folder for the demo's files.",
)
@click.option("--approve/--no-approve", default=True, help="Also approve and export the result, as you would.")
@plain_errors
def demo(folder: Path, approve: bool) -> None:
    """Search a recipe for the two tiny checkpoints that ship with the project; a few minutes on two cores."""
    from studies.cli.demo import run_demo

    run_demo(folder, console(), approve=approve)


@main.command()
@study_argument
@click.option(
    "--vram",
    type=FiniteNumber(min=1, max=1024),
    metavar="GB",
    help="Plan for a card of so much memory.",
)
@click.option("--workers", type=click.IntRange(min=1), default=1, show_default=True, help="Processes to run at once.")
@trust_option
@plain_errors
def check(study: Path, vram: float | None, workers: int, *, trust: bool) -> None:
    """List everything that would fail, and estimate time, disk and memory; renders nothing."""
    from studies.cli.actions import check_study
    from studies.preflight.findings import is_fatal
    from studies.preflight.memory import Surroundings

    findings = check_study(allowed(opened(study), trust=trust), Surroundings(vram=vram, workers=workers))
    for finding in findings:
        click.echo(finding.line)
    if is_fatal(findings):
        click.echo(f"not ready: fix the errors above, then again: recipe-search check {study}")
        raise click.exceptions.Exit(1)
    click.echo(f"ready: recipe-search run {study}")


@main.command()
@study_argument
@click.option("--top", type=click.IntRange(min=0), default=10, show_default=True, help="Number of trials to list.")
@click.option(
    "--pareto", is_flag=True, help="Only the trials that no other beats in style, fidelity and aesthetics at once."
)
@click.option(
    "--details", is_flag=True, help="Also what calibration found, and the distances of whole sets (AUC, SNR, CMMD)."
)
@click.option(
    "--csv",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also write all trials with every parameter and score to this file.",
)
@plain_errors
def show(study: Path, top: int, pareto: bool, details: bool, csv: Path | None) -> None:
    """Show the best trials, the finalists and what is approved."""
    from studies.review.show import overview, write_csv
    from studies.store.opening import open_store

    spec = opened(study)
    store = open_store(spec.storage)
    out = console()
    parts = (spec.storage, spec.search, spec.shots, store)
    for part in overview(*parts, top=top, pareto=pareto, details=details, merge=spec.merge):
        out.print(part, highlight=False, markup=False)
    if csv is not None:
        write_csv(store, csv)
        click.echo(f"wrote {csv}")


@main.command()
@study_argument
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at; keep it local.")
@click.option("--port", default=8080, show_default=True, type=click.IntRange(0, 65535), help="0: any that is free.")
@plain_errors
def dashboard(study: Path, host: str, port: int) -> None:
    """Open optuna-dashboard on the study, to look and to write notes."""
    from engine.errors import ProblemError
    from studies.night.study_note import renew_study_note
    from studies.store.dashboard.dashboard_server import dashboard_server
    from studies.store.opening import open_store

    spec = opened(study)
    store = open_store(spec.storage)
    server = dashboard_server(store, host=host, port=port)
    if store.backend.is_writable():
        try:
            renew_study_note(spec, store)
        except ProblemError as error:  # such as references that are gone: the trials can be looked at all the same
            click.echo(f"note: the study's note is an older one: {error}", err=True)
    click.echo(f"{server.address}  (Ctrl+C to stop)")
    server.serve()


def _with_words(context: click.Context, parameter: click.Parameter, text: str) -> str:
    if not text.strip():
        raise click.BadParameter("it is empty; say in a few words why this one", context, parameter)
    return text


@main.command(epilog=examples('approve study.toml --finalist 1 --note "clean lines, soft ground"'))
@study_argument
@click.option("--finalist", type=int, help="Number on the contact sheet; default: 1.")
@click.option("--trial", type=int, help="Number of a trial in `recipe-search show`, instead of a finalist.")
@click.option("--note", required=True, callback=_with_words, help="Why this one.")
@click.option("--by", help="Who approves; default: your login name.")
@plain_errors
def approve(study: Path, finalist: int | None, trial: int | None, note: str, by: str | None) -> None:
    """Approve a recipe: it is pinned, and never changes."""
    from studies.progress import bytes_meter
    from studies.review.approval import approve_recipe, refuse_swapped

    if finalist is not None and trial is not None:
        raise click.UsageError("give --finalist or --trial, not both")
    spec = opened(study)

    def check() -> None:
        with bytes_meter("reading the models", console()) as progress:
            refuse_swapped(spec.storage, spec.merge, spec.rendering, progress)

    pin = approve_recipe(spec.storage, finalist=finalist, trial=trial, note=note, by=by, check=check)
    click.echo(f"pinned as {pin.number}: {pin.source}, recipe {pin.recipe_key[:8]}, by {pin.by} at {pin.at}")
    click.echo(f"export it: recipe-search export {study} --pin {pin.number}")


@main.command(epilog=examples("merge recipe.toml merged.safetensors", "merge recipe.toml merged.safetensors --prune"))
@click.argument("recipe", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--dtype",
    type=click.Choice(DTYPES),
    default="fp16",
    show_default=True,
    help="Of all weights; computed: each tensor's as the merge gives it.",
)
@output_options
@plain_errors
def merge(recipe: Path, out: Path, dtype: str, output: Output, with_recipe: bool, overwrite: bool) -> None:
    """Build a checkpoint from a recipe file, bit for bit as SuperMerger would, without a search."""
    from dataclasses import replace

    from engine.recipes.file import read_recipe_file
    from engine.supermerger.notes import unmet_notes
    from studies.inputs.hashes import hashes_of, user_memory
    from studies.progress import bytes_meter
    from studies.review.exporting.export import export_recipe, print_export

    content = read_recipe_file(recipe)
    for note in (*content.notes, *unmet_notes(content.recipe)):
        click.echo(f"note: {note}", err=True)
    used = {name: content.models[name] for name in content.recipe.models}
    hashes = dict.fromkeys(used, "")
    if with_recipe:
        with bytes_meter("hashing the parents", console()) as progress:
            hashes = hashes_of(used, user_memory(), progress)
    with bytes_meter("writing the checkpoint", console()) as progress:
        done = export_recipe(
            content.recipe,
            used,
            hashes,
            out,
            output=replace(output, dtype=dtype),
            with_recipe=with_recipe,
            overwrite=overwrite,
            progress=progress,
        )
    print_export(done, console())


@main.command()
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@plain_errors
def doctor(folder: Path | None) -> None:
    """Report on this installation: versions, device, disk, name clashes."""
    from studies.preflight.doctor import examine, is_healthy

    facts = examine(folder)
    for fact in facts:
        click.echo(fact.line)
    if not is_healthy(facts):
        raise click.exceptions.Exit(1)


main.add_command(export)
main.add_command(fork)
main.add_command(init)
main.add_command(pause)
main.add_command(pick)
main.add_command(probe)
recipe.add_command(export_recipe)
recipe.add_command(import_recipe)
main.add_command(recipe)
main.add_command(render)
main.add_command(plot)
main.add_command(report)
main.add_command(rescore)
main.add_command(resume)
main.add_command(run)
main.add_command(scorers)
main.add_command(settings)
main.add_command(situations)
main.add_command(status)
main.add_command(stop)
main.add_command(verify)
main.add_command(view)
main.add_command(worker)


if __name__ == "__main__":
    resend_lost_signals()
    main()

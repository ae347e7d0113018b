"""The demo: the main job on the sample world, from checkpoints to an approved, exported and verified recipe."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path

from rich.console import Console

from engine.engine import Engine
from engine.merging.output import Output
from engine.recipes.recipe import Recipe
from studies.cli.actions import refuse_unready, search_study
from studies.cli.command import opened
from studies.cli.nights.night_report import report_at_the_end
from studies.cli.nights.trust import allowed
from studies.progress import bytes_meter
from studies.review.approval import approve_recipe
from studies.review.exporting.export import ExportedFiles, export_pin, print_export
from studies.sample.former import refuse_former_world
from studies.sample.world import NAMES, STUDY, WANTED, write_world
from studies.store.judged.outcome import read_outcome
from studies.store.judged.pins import Pin, latest_pin, read_pins
from studies.studyfile.spec import Merge, Rendering, Storage, StudyShots


def run_demo(folder: Path, console: Console, *, approve: bool = True) -> None:
    """Write the sample world, search, and with ``approve`` also approve, export and verify.

    Run again after a stop, it goes on where it was.

    Args:
        folder: of the sample world and the study; made if need be.
        console: takes progress and results.
        approve: run the last two commands too.

    Raises:
        StudyError: the folder holds the sample world of an earlier version.
    """
    started = time.monotonic()
    refuse_former_world(folder)
    console.print(f"writing the sample world to {folder}", highlight=False)
    write_world(folder)
    console.print(f"A is {NAMES[0]}, B is {NAMES[1]}; wanted: {WANTED}", highlight=False)
    study = folder / "study.toml"
    if not study.exists():
        shutil.copyfile(STUDY, study)
    spec = allowed(opened(study), trust=False)  # the demo's own names no program; a file that was there may
    refuse_unready(spec, console)

    def say(line: str) -> None:
        console.print(line, highlight=False)

    with report_at_the_end(spec.storage, str(study), say):
        search_study(spec, str(study), console)
        if approve:
            _approve_and_export(spec.storage, spec.merge, spec.rendering, spec.shots, console)
    console.print(f"demo done in {time.monotonic() - started:.0f} s", highlight=False)
    console.print(f"in the browser: {Path(sys.argv[0])} view {study}", highlight=False)


def _approve_and_export(
    storage: Storage, merge: Merge, rendering: Rendering, shots: StudyShots, console: Console
) -> None:
    """Approve and export as a person would; the pin says that nobody looked."""
    console.print("the demo does both for you:", highlight=False)
    if not _is_pinned(storage.folder):
        approve_recipe(storage, finalist=1, trial=None, note="approved by the demo itself, unseen", by="demo")
    pin = latest_pin(storage.folder)
    with bytes_meter("writing the checkpoint", console) as progress:
        done = export_pin(storage, merge, rendering, pin, output=Output(), overwrite=True, progress=progress)
    print_export(done, console)
    console.print(f"the exported file renders {_verify(merge, rendering, shots, pin, done)}", highlight=False)


def _is_pinned(folder: Path) -> bool:
    """Whether the current first finalist is the newest pin already."""
    pins = read_pins(folder)
    return bool(pins) and pins[-1].recipe_key == read_outcome(folder).finalist(1)[1].recipe.key


def _verify(merge: Merge, rendering: Rendering, shots: StudyShots, pin: Pin, done: ExportedFiles) -> str:
    """Load the export afresh, render, and compare with the recipe built in place from the parents."""
    few, round_to = shots.proof[:8], merge.export_dtype
    device, precision = rendering.device, rendering.precision
    with Engine.open(merge.models, round_to=round_to, device=device, precision=precision) as parents:
        parents.build(Recipe.parse(pin.recipe))
        expected = parents.render(few)
    exported = {"A": done.checkpoint.path, "B": done.checkpoint.path}
    with Engine.open(exported, round_to=round_to, device=device, precision=precision) as afresh:
        afresh.build(Recipe.flat(0.0))
        rendered = afresh.render(few)
    largest = float((expected - rendered).abs().max()) * 255
    return "the same pictures, bit for bit" if largest == 0 else f"pictures within {largest:.2f} of 255 grey levels"

"""The demo as a measurement: how long it takes, and its winner against a fine line of FLAT ratios on held-out shots.

By hand on a demo that has run: ``python -m tests.benchmarks.nights.bench_demo recipe-search-demo``.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from engine.recipes.recipe import Recipe
from engine.recipes.steps import MergeStep
from studies.cli.demo import run_demo
from studies.inputs.models import model_hashes
from studies.night.calibration import OFF, fit
from studies.night.workshop import Workshop
from studies.store.judged.outcome import read_outcome
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file

pytestmark = pytest.mark.benchmark


def flat_line(folder: Path) -> list[str]:
    """A line for each FLAT ratio 0, 0.1, ... 1: its score, and the leads of the winner and of its block weights alone.

    Leads have 95 % intervals.
    """
    spec = read_study_file(folder / "study.toml")
    outcome = read_outcome(spec.storage.folder)
    workshop = Workshop.open(spec, model_hashes(spec.merge, spec.storage))
    fit(
        spec.merge,
        spec.search,
        spec.shots,
        workshop,
        StudyStore(spec.storage.folder, spec.storage.name).noted(OFF),
        Console(quiet=True),
    )
    winner = workshop.make(outcome.finalists[0].candidate, spec.shots.proof).features
    recipe = outcome.finalists[0].candidate.recipe
    merges = tuple(step for step in recipe.steps if isinstance(step, MergeStep))
    weights = workshop.make(spec.rendering.baseline(replace(recipe, steps=merges)), spec.shots.proof).features
    lines = [f"winner: {workshop.panel.judge(winner).value:+.2f} ({outcome.finalists[0].label})"]
    for tenth in range(11):
        look = workshop.make(spec.rendering.baseline(Recipe.flat(tenth / 10)), spec.shots.proof).features
        lead, alone = workshop.panel.compare(winner, look), workshop.panel.compare(weights, look)
        value = workshop.panel.judge(look).value
        lines.append(
            f"FLAT {tenth / 10:.1f}: {value:+.2f}, winner leads by {lead.mean:+.2f} [{lead.low:+.2f}, {lead.high:+.2f}]"
            f", its block weights alone by {alone.mean:+.2f} [{alone.low:+.2f}, {alone.high:+.2f}]"
        )
    workshop.close()
    return lines


def test_demo(tmp_path: Path) -> None:
    """Run the demo, then the line."""
    started = time.perf_counter()
    run_demo(tmp_path, Console(quiet=True))
    print(f"\ndemo: {time.perf_counter() - started:.0f} s")
    print("\n".join(flat_line(tmp_path)))


def main() -> None:
    """The line alone."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    print("\n".join(flat_line(parser.parse_args().folder)))


if __name__ == "__main__":
    main()

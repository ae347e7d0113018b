"""Memory of a long night: anonymous memory and Python objects after every so many trials of the sample world.

By hand, for another length: ``python -m tests.benchmarks.nights.bench_memory --trials 320``.
"""

from __future__ import annotations

import argparse
import gc
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from rich.console import Console

from studies.night.loop import TrialLoop
from studies.night.night import Night
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.benchmarks.search.watched_trials import watched_trials
from tests.studies.sample_study import write_small_study

pytestmark = pytest.mark.benchmark

EVERY = 20
"""Trials between two lines."""
WARM = 40
"""Trials after which what libraries keep once is there; growth is counted from here."""
SHARES = {"groups": 0.1, "blocks": 0.6, "self": 0.1, "adjust": 0.1, "refine": 0.1}
"""Part of the trials that each stage gets."""


def anonymous_mb() -> float:
    """MB of this process's memory that belong to no file."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(float(line.split()[1]) * 1024 / 1e6 for line in lines if line.startswith("RssAnon:"))


def long_study(folder: Path, trials: int) -> StudySpec:
    """A study of the sample world with about so many trials of four tiny pictures, whose stages do not end early."""
    file = write_small_study(folder)
    text = file.read_text(encoding="utf-8").replace("[search]", "[search]\npatience = 0")
    for stage, share in SHARES.items():
        text = text.replace(f"\n{stage} = ", f"\n{stage} = {round(share * trials)} # ")
    file.write_text(text, encoding="utf-8")
    return read_study_file(file)


def growth(folder: Path, trials: int) -> float:
    """Run a night of so many trials; returns the MB that it grew by after the first ones."""
    memory: dict[int, float] = {}

    def look(_: TrialLoop, number: int) -> None:
        if number and not number % EVERY:
            memory[number] = anonymous_mb()
            print(f"{number:5d} trials {memory[number]:6.0f} MB {len(gc.get_objects()):8d} objects", flush=True)

    with watched_trials(look):
        Night(long_study(folder, trials), Console(quiet=True)).run()
    return memory[max(memory)] - memory[WARM]


def test_memory(tmp_path: Path) -> None:
    """A long night hardly grows: what grows is the record of its trials."""
    grown = growth(tmp_path, 500)
    print(f"from trial {WARM} on: {grown:+.0f} MB")
    assert grown < 60


def main() -> None:
    """Run a night of another length."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=500)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        print(f"from trial {WARM} on: {growth(Path(folder), options.trials):+.0f} MB")


if __name__ == "__main__":
    main()

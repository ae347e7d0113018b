"""Memory of a long night: anonymous memory and Python objects after every so many trials of the sample world.

By hand, for another length: ``python -m tests.benchmarks.bench_memory --trials 320``.
"""

from __future__ import annotations

import argparse
import gc
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from rich.console import Console

from studies.night.claims import Claim
from studies.night.night import Night
from studies.night.workshop import Workshop
from studies.night.writer import Writer
from studies.progress import Meter
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.sample_study import write_small_study

pytestmark = pytest.mark.benchmark

EVERY = 20
"""Trials between two lines."""
WARM = 40
"""Trials after which what libraries keep once is there; growth is counted from here."""
SHARES = {"groups": 0.1, "blocks": 0.6, "self": 0.1, "adjust": 0.1, "refine": 0.1}
"""Part of the trials that each stage gets."""


class MeasuredNight(Night):
    """A night that prints its memory after every so many trials."""

    def __init__(self, spec: StudySpec) -> None:
        super().__init__(spec, Console(quiet=True))
        self.memory: dict[int, float] = {}
        """MB of anonymous memory, by the number of trials so far."""

    def _trial(self, workshop: Workshop, store: StudyStore, claim: Claim, writer: Writer, bar: Meter) -> str:
        reason, number = super()._trial(workshop, store, claim, writer, bar), claim.trial.number
        if number and not number % EVERY:
            self.memory[number] = anonymous_mb()
            objects = len(gc.get_objects())
            print(f"{number:5d} trials {self.memory[number]:6.0f} MB {objects:8d} objects", flush=True)
        return reason


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
    night = MeasuredNight(long_study(folder, trials))
    night.run()
    return night.memory[max(night.memory)] - night.memory[WARM]


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

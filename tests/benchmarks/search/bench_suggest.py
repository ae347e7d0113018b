"""What a suggestion costs after so many trials: processor time of one thread, refits counted apart, and memory.

By hand: `python -m tests.benchmarks.search.bench_suggest [--knobs 26|45] [--trials N ...] [--patience N]`, or `make
bench`. Every row is a process of its own, which follows a search as a night does: for every trial it asks with a
history that is one longer, and prepares the next ones while a trial is in work. The trials lie round the hidden recipe
of a landscape (`landscape.py`), so the stage goes on, and the model proposes: 26 knobs in stage `blocks`, 45 in
`refine`, after a short search through all stages before.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from search.history import TrialRecord
from search.plan import SearchPlan, Stage
from search.shots import ShotRotation
from search.suggester import Proposal, Suggester
from tests.benchmarks.search.landscape import Landscape, Variant

COUNTS = (100, 300, 1000, 2000, 5000)
SETS = tuple(tuple(sorted((11 * n + place) % 64 for place in range(12))) for n in range(64))
"""Sets of shots of trials that draw the next ones of 64 each."""
FOLLOWED = 26
"""So many trials are followed: some of them refit, and the stage is looked at three times."""
PLANS = {
    26: SearchPlan(groups=10, blocks=6000, self_mode=0, adjust=0, refine=0, gain=0.0),
    45: SearchPlan(groups=10, blocks=30, self_mode=16, adjust=16, refine=6000, gain=0.0),
}
STAGE: dict[int, Stage] = {26: "blocks", 45: "refine"}
"""The stage that is measured, by the number of knobs."""
NEAREST, FARTHEST = 0.07, 0.25
"""Standard deviation of the trials round the hidden recipe, as a part of an axis: at last, and at first."""
ROOT = Path(__file__).parents[3]
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Processor time in ms, memory in MB."""

    median: float
    """Of a suggestion without a refit."""
    worst: float
    refit: float
    """The longest refit, in `prepare` or in a suggestion."""
    cold: float
    """The first suggestion of a process."""
    peak: float

    def __str__(self) -> str:
        return (
            f"suggestion {self.median:.0f} ms (worst {self.worst:.0f}), refit {self.refit:.0f} ms, "
            f"first of a process {self.cold:.0f} ms, peak {self.peak:.0f} MB"
        )


def history_of(suggester: Suggester, landscape: Landscape, count: int, *, moving: bool) -> list[TrialRecord]:
    """Return what a search asks for until its last stage has begun, then trials round the hidden recipe."""
    told, draw, knobs = list[TrialRecord](), np.random.default_rng(0), landscape.space.free
    last = STAGE[landscape.variant.knobs]
    while len(told) < count and (not told or told[-1].stage != last):
        proposal = suggester.next(told)
        assert proposal is not None
        told.append(_trial(landscape, len(told), proposal.stage, dict(proposal.point), moving=moving))
    while len(told) < count:
        size = NEAREST + FARTHEST / (1 + len(told) / 50)
        units = np.clip(landscape.hidden + size * draw.normal(size=len(knobs)), 0, 1)
        point = {knob.name: knob.tidy(knob.value(float(unit))) for knob, unit in zip(knobs, units, strict=True)}
        rested = {knob.name: knob.rest for knob in knobs if last == "blocks" and knob.kind != "block"}
        told.append(_trial(landscape, len(told), last, point | rested, moving=moving))
    return told


def _trial(landscape: Landscape, number: int, stage: str, point: dict[str, float], *, moving: bool) -> TrialRecord:
    value, slots = landscape.observed(point, number, 0), SETS[number % len(SETS)] if moving else ()
    return TrialRecord(
        number=number, stage=stage, point=point, value=value, standard_error=landscape.variant.noise, slots=slots
    )


def measure(knobs: int, count: int, patience: int, *, moving: bool = False) -> Cost:
    """Follow a search for some trials, in a process that does nothing else."""
    landscape = Landscape(0, Variant(knobs=knobs))
    rotation = ShotRotation(shots=64, per_trial=12, moving=True) if moving else ShotRotation()
    plan = replace(PLANS[knobs], patience=patience)
    suggester = Suggester(space=landscape.space, plan=plan, seed=0, rotation=rotation)
    told = history_of(suggester, landscape, count + FOLLOWED, moving=moving)
    cold = _timed(suggester.next, told[: count - FOLLOWED]).taken
    for length in range(count - FOLLOWED, count):
        suggester.next(told[:length])
    plain, refits = list[float](), [0.0]
    for length in range(count, count + FOLLOWED):
        asked = _timed(suggester.next, told[:length])
        ahead = _timed(suggester.prepare, [*told[:length], replace(told[length], value=None)])
        refits += [one.taken for one in (asked, ahead) if one.is_refit]
        if isinstance(asked.answer, Proposal) and not asked.is_refit:  # by patience the stage may seem over for a while
            assert (asked.answer.stage, asked.answer.label) == (STAGE[knobs], ""), "the model proposes"
            plain.append(asked.taken)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Cost(median=median(plain), worst=max(plain), refit=max(refits), cold=cold, peak=peak)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One question, its processor time in ms, and whether hyperparameters were fitted."""

    answer: object
    taken: float
    is_refit: bool


def _timed(ask: Callable[[Sequence[TrialRecord]], object], history: Sequence[TrialRecord]) -> Asked:
    """Ask with records made anew, as a study makes them."""
    from search.surrogate.hyperparameters import hyperparameters

    history = [replace(one, point=dict(one.point)) for one in history]
    began, before = time.process_time(), hyperparameters.cache_info().misses
    answer = ask(history)
    taken = 1000 * (time.process_time() - began)
    return Asked(answer=answer, taken=taken, is_refit=hyperparameters.cache_info().misses > before)


def row(knobs: int, count: int, patience: int, *, moving: bool = False) -> str:
    """Measure in a process of its own, on one thread, and return a line."""
    command = [sys.executable, "-m", "tests.benchmarks.search.bench_suggest", "--one", "--knobs", str(knobs)]
    command += ["--trials", str(count), "--patience", str(patience), *(["--moving"] if moving else [])]
    done = subprocess.run(command, cwd=ROOT, env=os.environ | ONE_THREAD, capture_output=True, text=True, check=True)
    return f"{knobs} knobs, {count} trials, patience {patience}: {done.stdout.strip()}"


@pytest.mark.benchmark
@pytest.mark.parametrize("patience", [0, 24])
@pytest.mark.parametrize("knobs", list(PLANS))
def test_what_a_suggestion_costs(knobs: int, patience: int) -> None:
    for count in COUNTS:
        print(row(knobs, count, patience), flush=True)


def main() -> None:
    """Print rows."""
    reader = argparse.ArgumentParser(description="Measure what a suggestion costs.")
    reader.add_argument("--knobs", type=int, choices=list(PLANS), default=45)
    reader.add_argument("--trials", type=int, nargs="+", default=COUNTS)
    reader.add_argument("--patience", type=int, default=24)
    reader.add_argument("--moving", action="store_true", help="trials draw the next of 64 shots each")
    reader.add_argument("--one", action="store_true", help="in this process")
    given = reader.parse_args()
    for count in given.trials:
        if given.one:
            print(measure(given.knobs, count, given.patience, moving=given.moving))
        else:
            print(row(given.knobs, count, given.patience, moving=given.moving), flush=True)


if __name__ == "__main__":
    main()

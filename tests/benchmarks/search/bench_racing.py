"""What racing saves and what it costs in wrong stops, on made-up landscapes with noise by picture.

By hand: `python -m tests.benchmarks.search.bench_racing [--noise PART] [--pictures N] [--seeds N]`, or with `make
bench`, a small part. A trial has 16 pictures; each adds what it adds to every recipe, and what it adds to this one.
Both searches may draw as many pictures as 60 or 100 whole trials have.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest
from scipy.special import stdtrit

from search.history import Point, TrialRecord
from search.racing import Race, control_variate
from tests.benchmarks.search.bench_search import suggester_of
from tests.benchmarks.search.landscape import Landscape, Variant

Array = npt.NDArray[np.float64]
PICTURES = 16
BUDGETS = (60, 100)
"""Whole trials whose pictures a search may draw."""


@dataclass
class Pictures:
    """The pictures of one search: a value for each, of recipes on the same shots."""

    landscape: Landscape
    run: int
    of_shots: Array = field(init=False)

    def __post_init__(self) -> None:
        draw = np.random.default_rng([self.landscape.seed, self.run, 6])
        self.of_shots = draw.normal(size=PICTURES) * self.landscape.variant.noise * np.sqrt(PICTURES)

    def of(self, point: Point, number: int) -> Array:
        """Return the values of a trial's pictures; the noise of their mean is the variant's."""
        draw = np.random.default_rng([self.landscape.seed, self.run, number, 5])
        own = draw.normal(size=PICTURES) * self.landscape.variant.noise * np.sqrt(PICTURES)
        return self.landscape.true(point) + self.of_shots + own


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a search came to: regret in percent by budget, trials, and its stops."""

    regret: dict[int, float]
    trials: int
    stopped: int
    wrong: int
    """Stops of recipes that are truly better than the one that they were compared with."""


def search(landscape: Landscape, run: int, race: Race | None) -> Run:
    """Search until the pictures of the largest budget are drawn."""
    pictures, told, values = Pictures(landscape, run), list[TrialRecord](), list[Array]()
    suggester = suggester_of(landscape, 100 * BUDGETS[-1], run)
    drawn = stopped = wrong = 0
    regret: dict[int, float] = {}
    best = 0
    while drawn < BUDGETS[-1] * PICTURES and (proposal := suggester.next(told)) is not None:
        number = len(told)
        own = pictures.of(proposal.point, number)
        seen = lost_after(own, values[best], race) if race and values else PICTURES
        value = float(own.mean())
        if seen < PICTURES:
            rival = values[best]
            value = control_variate(float(own[:seen].mean()), float(rival[:seen].mean()), float(rival.mean()))
            stopped += 1
            wrong += landscape.true(proposal.point) > landscape.true(told[best].point)
        values.append(own)
        told.append(
            TrialRecord(
                number=number,
                stage=proposal.stage,
                point=proposal.point,
                value=value,
                standard_error=landscape.variant.noise,
                share=seen / PICTURES,
            )
        )
        if seen == PICTURES and value >= (told[best].value or 0.0):
            best = number
        drawn += seen
        for budget in BUDGETS:
            if budget not in regret and drawn >= budget * PICTURES:
                regret[budget] = landscape.regret(suggester.recommended(told))
    return Run(regret=regret, trials=len(told), stopped=stopped, wrong=wrong)


def lost_after(own: Array, rival: Array, race: Race) -> int:
    """Return how many pictures a trial draws: all, or up to the comparison that it loses."""
    half = float((1 + race.confidence(len(own))) / 2)
    for seen in race.looks(len(own)):
        differences = own[:seen] - rival[:seen]
        error = float(differences.std(ddof=1)) / np.sqrt(seen)
        if float(differences.mean()) + float(stdtrit(seen - 1, half)) * error < 0:
            return seen
    return len(own)


def row(variant: Variant, seeds: Sequence[int], race: Race | None) -> dict[int, float]:
    """Print and return the mean regrets of a search."""
    runs = [search(Landscape(seed, variant), seed, race) for seed in seeds]
    means = {budget: float(np.mean([run.regret[budget] for run in runs])) for budget in BUDGETS}
    name = f"racing, risk {race.risk:g}" if race else "whole trials"
    cells = " | ".join(f"{budget} trials' pictures: {means[budget]:5.1f}" for budget in BUDGETS)
    trials, stopped, wrong = (sum(getattr(run, what) for run in runs) for what in ("trials", "stopped", "wrong"))
    print(
        f"{name:18} {variant} | {cells} | {trials / len(runs):.0f} trials, {stopped / trials:.0%} stopped, "
        f"{wrong / max(1, stopped):.1%} of them wrongly",
        flush=True,
    )
    return means


@pytest.mark.benchmark
def test_racing_does_no_harm() -> None:
    seeds = range(200, 203)
    whole, raced = (row(Variant(noise=0.1), seeds, race) for race in (None, Race()))
    assert raced[60] < 1.2 * whole[60]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--noise", type=float, default=0.1)
    parser.add_argument("--knobs", type=int, default=26)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--risk", type=float, nargs="*", default=[0.05])
    options = parser.parse_args()
    variant, seeds = Variant(noise=options.noise, knobs=options.knobs), range(200, 200 + options.seeds)
    for race in (None, *(Race(risk=risk) for risk in options.risk)):
        row(variant, seeds, race)


if __name__ == "__main__":
    main()

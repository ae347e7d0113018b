"""How close searches come to a hidden recipe, on made-up landscapes (`landscape.py`): ours beside Optuna's samplers.

By hand: `python -m tests.benchmarks.search.bench_search [--method ...] [--knobs 26|45] [--trials N] [--noise PART]`,
or with `make bench`, which runs a small part. Every method gets the same noise for the same trial number. What is
compared is the regret of the recipe that one would recommend, and when it first was 5 % and stayed there to the end.
The `fair` ones begin with the same FLAT mixes as ours, and our model of their trials recommends. Those of Optuna as
they come are given the better of their two usual answers, the best trial and the mean of the ten best.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import optuna
import pytest

from search.history import Point, TrialRecord, mean_point, top
from search.plan import SURROGATE, SearchPlan
from search.samplers.optuna_samplers import distributions
from search.suggester import Suggester
from tests.benchmarks.search.landscape import REPORTED, Landscape, Variant

CHECKS = (60, 100, 300, 1000)
NEAR = 5.0
"""The regret, in percent, that counts as near."""
EVERY = 20
"""Trials between two looks at the recommendation."""
optuna.logging.disable_default_handler()
Search = Callable[[Landscape, int, int], list[TrialRecord]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a search came to: regrets in percent by number of trials."""

    recommended: dict[int, float]
    best: dict[int, float]
    near: int | None
    """Trials to `NEAR` percent."""
    seconds: float
    """A suggestion, on the average."""
    trials: int


def plan_of(trials: int, knobs: int, sampler: str = SURROGATE) -> SearchPlan:
    """Return a plan that uses all trials, for measuring at fixed numbers of them."""
    if knobs > 26:
        return SearchPlan(groups=0, blocks=0, self_mode=0, adjust=0, refine=trials, patience=0, sampler=sampler)
    groups = 10 if sampler == SURROGATE else 0
    return SearchPlan(groups=groups, blocks=trials, self_mode=0, adjust=0, refine=0, patience=0, sampler=sampler)


def suggester_of(landscape: Landscape, trials: int, run: int) -> Suggester:
    """Return our search."""
    return Suggester(space=landscape.space, plan=plan_of(trials, landscape.variant.knobs), seed=run)


def ours(landscape: Landscape, trials: int, run: int) -> list[TrialRecord]:
    """Search as the studies do, all knobs at once where there are Self and Adjust."""
    return followed(landscape, suggester_of(landscape, trials, run), trials, run)


def fair(sampler: str) -> Search:
    """Return the search of another sampler that gets all that ours does: the FLAT mixes first, and the told noise."""

    def search(landscape: Landscape, trials: int, run: int) -> list[TrialRecord]:
        plan = plan_of(trials, landscape.variant.knobs, sampler)
        return followed(landscape, Suggester(space=landscape.space, plan=plan, seed=run), trials, run)

    return search


def at_once(workers: int) -> Search:
    """Return our search by several workers: each asks while the trials of the others are in work."""

    def search(landscape: Landscape, trials: int, run: int) -> list[TrialRecord]:
        return followed(landscape, suggester_of(landscape, trials, run), trials, run, workers)

    return search


def followed(landscape: Landscape, suggester: Suggester, trials: int, run: int, workers: int = 1) -> list[TrialRecord]:
    """Do what a suggester says."""
    told: list[TrialRecord] = []
    ended: list[TrialRecord] = []
    while len(told) < trials and (proposal := suggester.next(told)) is not None:
        one = TrialRecord(number=len(told), stage=proposal.stage, point=proposal.point, value=None)
        value = landscape.observed(one.point, one.number, run)
        ended.append(replace(one, value=value, standard_error=landscape.variant.noise))
        told.append(one)
        if len(told) >= workers:
            told[-workers] = ended[-workers]  # the oldest of those in work
    return ended


def by(sampler: Callable[[int], optuna.samplers.BaseSampler]) -> Search:
    """Return the search of one of Optuna's samplers over all knobs, as it comes."""

    def search(landscape: Landscape, trials: int, run: int) -> list[TrialRecord]:
        study = optuna.create_study(direction="maximize", sampler=sampler(run))
        box = distributions(landscape.space)
        for number in range(trials):
            trial = study.ask(box)
            study.tell(trial, landscape.observed(trial.params, number, run))
        return [TrialRecord(number=t.number, stage="blocks", point=t.params, value=t.value) for t in study.trials]

    return search


METHODS: dict[str, Search] = {
    "random": by(lambda run: optuna.samplers.RandomSampler(seed=run)),
    "TPE": by(lambda run: optuna.samplers.TPESampler(seed=run)),
    "CMA-ES": by(lambda run: optuna.samplers.CmaEsSampler(seed=run)),
    "GP": by(lambda run: optuna.samplers.GPSampler(seed=run)),
    "fair random": fair("random"),
    "fair TPE": fair("tpe"),
    "fair CMA-ES": fair("cmaes"),
    "fair GP": fair("gp"),
    "ours": ours,
    "ours x2": at_once(2),
    "ours x4": at_once(4),
    "ours x16": at_once(16),
    "ours x64": at_once(64),
}
OTHERS = ("fair random", "fair TPE", "fair CMA-ES")
"""What ours is held against by `make bench`."""


def measure(method: str, landscape: Landscape, trials: int, run: int) -> Outcome:
    """Run one search and look at it again and again."""
    began = time.perf_counter()
    told = METHODS[method](landscape, trials, run)
    seconds = (time.perf_counter() - began) / len(told)
    suggester = suggester_of(landscape, trials, run)

    def answer(count: int) -> float:
        if method.startswith(("ours", "fair")):
            return landscape.regret(suggester.recommended(told[:count]))
        return min(map(landscape.regret, usual(told[:count])))

    looks = sorted({*range(EVERY, min(trials, 300) + 1, EVERY), *range(100, trials + 1, 100), *CHECKS})
    regrets = {count: answer(count) for count in looks if count <= trials}
    far = [count for count, regret in regrets.items() if regret > NEAR]
    near = next((count for count in regrets if count > max(far, default=0)), None)
    counts = [count for count in CHECKS if count <= trials]
    best = {count: landscape.regret(top(told[:count], 1)[0].point) for count in counts}
    return Outcome(recommended={n: regrets[n] for n in counts}, best=best, near=near, seconds=seconds, trials=len(told))


def usual(told: Sequence[TrialRecord]) -> tuple[Point, Point]:
    """Return the best trial and the mean of the ten best."""
    return top(told, 1)[0].point, mean_point([one.point for one in top(told, 10)])


def row(method: str, variant: Variant, trials: int, seeds: Sequence[int] = REPORTED) -> dict[int, float]:
    """Print and return the mean regret of a method's recommendation."""
    runs = [measure(method, Landscape(seed, variant), trials, seed) for seed in seeds]
    counts = list(runs[0].recommended)
    means = {n: float(np.mean([run.recommended[n] for run in runs])) for n in counts}
    worst = {n: max(run.recommended[n] for run in runs) for n in counts}
    best = {n: float(np.mean([run.best[n] for run in runs])) for n in counts}
    nears = [run.near if run.near is not None else trials + 1 for run in runs]
    near = f"{int(np.median(nears))}" if np.median(nears) <= trials else "never"
    cells = " | ".join(f"{n}: {means[n]:5.1f} (worst {worst[n]:4.1f}, best trial {best[n]:4.1f})" for n in counts)
    print(
        f"{method:8} {variant}, {len(runs)} seeds | {cells} | to {NEAR:g} %: {near} | "
        f"{np.mean([run.seconds for run in runs]):.3f} s",
        flush=True,
    )
    return means


VARIANTS = (
    Variant(),
    Variant(noise=0.01),
    Variant(noise=0.03),
    Variant(noise=0.1),
    Variant(noise=0.2),
    Variant(grouping="stretches"),
    Variant(grouping="iid"),
    Variant(grouping="far"),
    Variant(shape="sharp"),
    Variant(shape="quadratic"),
    Variant(shape="ripples"),
    Variant(shape="uneven"),
)


@pytest.mark.benchmark
@pytest.mark.parametrize("knobs", [26, 45])
def test_ours_is_closer_than_random_tpe_and_cma(knobs: int) -> None:
    means = {method: row(method, Variant(knobs=knobs), 100, REPORTED[:2]) for method in ("ours", *OTHERS)}
    assert all(means["ours"][count] < 0.9 * means[other][count] for other in OTHERS for count in (60, 100))


def main() -> None:
    """Print rows."""
    reader = argparse.ArgumentParser(description="Measure searches on made-up landscapes.")
    reader.add_argument("--method", choices=list(METHODS), action="append")
    reader.add_argument("--knobs", type=int, choices=(26, 45), default=26)
    reader.add_argument("--trials", type=int, default=300)
    reader.add_argument("--seeds", type=int, default=len(REPORTED))
    reader.add_argument("--first", type=int, default=REPORTED[0], help="number of the first landscape")
    reader.add_argument("--noise", type=float, help="of one variant alone, as a part of the range")
    reader.add_argument("--variants", action="store_true", help="all kinds of landscapes")
    given = reader.parse_args()
    variants = VARIANTS if given.variants else (Variant(noise=given.noise or Variant().noise),)
    for variant in variants:
        for method in given.method or METHODS:
            seeds = range(given.first, given.first + given.seeds)
            row(method, replace(variant, knobs=given.knobs), given.trials, seeds)


if __name__ == "__main__":
    main()

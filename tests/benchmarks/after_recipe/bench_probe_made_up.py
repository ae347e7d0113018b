"""What a probe saves a search, or costs it, where its pictures count: on made-up landscapes, which need no pictures.

By hand: `python -m tests.benchmarks.after_recipe.bench_probe_made_up [--seeds N] [--trials N] [--noise PART] [--knobs
N]`. A probe moves all knobs by either design, and draws 4 pictures of a recipe where a trial draws 16, so its noise is
twice a trial's. The search alone gets as many trials more as the probe has pictures for. Regrets are in percent
(`landscape.py`).
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from search.history import TrialRecord
from tests.benchmarks.after_recipe.bench_probe_begin import PROBES, DesignMaker, begun_with, probe_points
from tests.benchmarks.search.bench_search import followed, suggester_of
from tests.benchmarks.search.landscape import Landscape, Variant

SHARE = 1 / 4
"""Pictures of a recipe of the probe, of those of a trial."""
PROBE_RUN = 100_000
"""Added to the number of a run for the noise of its probe."""


def probe_trials(landscape: Landscape, make: DesignMaker, run: int) -> tuple[TrialRecord, ...]:
    """Return what a probe observes."""
    times = SHARE**-0.5
    found: list[TrialRecord] = []
    for number, point in enumerate(probe_points(make, landscape.space)):
        true = landscape.true(point)
        value = true + times * (landscape.observed(point, number, run + PROBE_RUN) - true)
        error = times * landscape.variant.noise
        stage = "blocks" if number else "flat"
        found.append(TrialRecord(number=number, stage=stage, point=point, value=value, standard_error=error))
    return tuple(found)


def regrets(landscape: Landscape, trials: int, seed: int) -> dict[str, float]:
    """Return the regret of each search on one landscape."""
    probes = {name: probe_trials(landscape, make, seed) for name, make in PROBES.items()}
    more = round(SHARE * max(map(len, probes.values())))
    longer, usual = (suggester_of(landscape, count, seed) for count in (trials + more, trials))
    searches = {"alone": (longer, trials + more)}
    for name, observed in probes.items():
        searches[name] = (replace(usual, plan=begun_with(observed, seed, usual.plan, landscape.space)), trials)
    searches["alone, fewer"] = (usual, trials)
    found: dict[str, float] = {}
    for name, (suggester, count) in searches.items():
        told = followed(landscape, suggester, count, seed)
        found[name] = landscape.regret(suggester.recommended(told))
    return found


def main() -> None:
    """Print a line for each search."""
    reader = argparse.ArgumentParser(description="Measure what a probe saves or costs on made-up landscapes.")
    reader.add_argument("--seeds", type=int, default=8)
    reader.add_argument("--first", type=int, default=7300)
    reader.add_argument("--trials", type=int, default=45)
    reader.add_argument("--noise", type=float, default=0.1)
    reader.add_argument("--knobs", type=int, default=26)
    given = reader.parse_args()
    by_search: dict[str, list[float]] = {}
    for seed in range(given.first, given.first + given.seeds):
        for name, regret in regrets(
            Landscape(seed, Variant(noise=given.noise, knobs=given.knobs)), given.trials, seed
        ).items():
            by_search.setdefault(name, []).append(regret)
        print(seed, {name: round(values[-1], 1) for name, values in by_search.items()}, flush=True)
    alone = np.array(by_search["alone"])
    for name, values in by_search.items():
        apart = np.array(values) - alone
        error = apart.std(ddof=1) / np.sqrt(len(apart)) if len(apart) > 1 else np.nan
        print(f"{name}: regret {np.mean(values):.1f} %, against alone {apart.mean():+.1f} +- {error:.1f}", flush=True)


if __name__ == "__main__":
    main()

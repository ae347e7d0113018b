"""What an earlier study saves a new one where its hidden recipe is the same, and costs where it is another.

By hand: `python -m tests.benchmarks.search.bench_transfer [--seeds N] [--trials N] [--noise PART]`, or with `make
bench`, a small part. The earlier study has 100 trials on a made-up landscape (`landscape.py`). The new one's hidden
recipe is the same with other noise and on another scale; shifted, every number by 0.1 on the average; or another
landscape's.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from search.history import TrialRecord
from search.plan import EarlierStudy, InitialRecipe
from search.suggester import Suggester
from tests.benchmarks.search.bench_search import followed, suggester_of
from tests.benchmarks.search.landscape import Landscape, Variant

LOOKS = (10, 15, 20, 30, 40, 60, 80, 100)
"""Trials after which the recommendation is looked at."""
EARLIER_TRIALS = 100
FITS = ("same", "shifted", "unrelated")
SHIFT = 0.1
"""Standard deviation of the shift of every hidden number."""
UNRELATED = 5000
"""Added to a seed for a hidden recipe that has nothing to do with it."""
SEEDS = tuple(range(7300, 7308))


def new_landscape(seed: int, variant: Variant, fits: str) -> Landscape:
    """Return the landscape of the new study."""
    if fits == "unrelated":
        return Landscape(seed + UNRELATED, variant)
    new = Landscape(seed, variant)
    if fits == "shifted":
        shift = SHIFT * np.random.default_rng([seed, 9]).normal(size=len(new.hidden))
        new.hidden = np.clip(new.hidden + shift, 0, 1)
    return new


def earlier_study(seed: int, variant: Variant) -> tuple[EarlierStudy, InitialRecipe]:
    """Return an earlier study and the recipe that it recommended; its objective has another scale."""
    landscape = Landscape(seed, variant)
    suggester = suggester_of(landscape, EARLIER_TRIALS, seed + 1)
    trials = followed(landscape, suggester, EARLIER_TRIALS, seed + 1)
    recommended = InitialRecipe(label="best of the earlier study", point=suggester.recommended(trials))
    return EarlierStudy(label="earlier", trials=tuple(_scaled(one) for one in trials)), recommended


def _scaled(trial: TrialRecord) -> TrialRecord:
    """A trial in other units."""
    return replace(trial, value=7 * (trial.value or 0.0) - 3, standard_error=7 * (trial.standard_error or 0.0))


def suggesters(seed: int, variant: Variant, new: Landscape, trials: int) -> dict[str, Suggester]:
    """Return the searches that are compared: without the earlier study, with its recipe alone, with its trials too."""
    alone = suggester_of(new, trials, seed)
    earlier, recommended = earlier_study(seed, variant)
    begun = replace(alone, plan=replace(alone.plan, beginnings=(recommended,)))
    return {
        "alone": alone,
        "recipe": begun,
        "recipe and trials": replace(begun, plan=replace(begun.plan, earlier=earlier)),
    }


def measure(fits: str, seeds: Sequence[int], trials: int, variant: Variant) -> dict[str, dict[int, list[float]]]:
    """Return and print the regrets by search and number of trials."""
    found: dict[str, dict[int, list[float]]] = {}
    for seed in seeds:
        new = new_landscape(seed, variant, fits)
        for name, suggester in suggesters(seed, variant, new, trials).items():
            told = followed(new, suggester, trials, seed)
            for look in (look for look in LOOKS if look <= trials):
                regret = new.regret(suggester.recommended(told[:look]))
                found.setdefault(name, {}).setdefault(look, []).append(regret)
    for name, by_look in found.items():
        cells = [f"{look}: {np.mean(regrets):5.1f} ({max(regrets):5.1f})" for look, regrets in by_look.items()]
        print(f"{fits:9} {name:18} {' | '.join(cells)}", flush=True)
    return found


@pytest.mark.benchmark
def test_an_earlier_study_that_fits_saves_trials() -> None:
    found = measure("same", SEEDS[:2], 20, Variant())
    assert np.mean(found["recipe and trials"][20]) < 0.7 * np.mean(found["alone"][20])


def main() -> None:
    """Print rows."""
    reader = argparse.ArgumentParser(description="Measure what an earlier study saves or costs.")
    reader.add_argument("--seeds", type=int, default=len(SEEDS))
    reader.add_argument("--first", type=int, default=SEEDS[0])
    reader.add_argument("--trials", type=int, default=100)
    reader.add_argument("--noise", type=float, default=0.02)
    reader.add_argument("--fits", choices=FITS, action="append")
    given = reader.parse_args()
    for fits in given.fits or FITS:
        measure(fits, range(given.first, given.first + given.seeds), given.trials, Variant(noise=given.noise))


if __name__ == "__main__":
    main()

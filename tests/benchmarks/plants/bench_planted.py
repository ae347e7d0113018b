"""How much of the way from the best FLAT mix to a planted recipe searches go, on rendered pictures of the sample world.

By hand: ``python -m tests.benchmarks.plants.bench_planted FOLDER [--pair NAME] [--plants N] [--method NAME]... [--seed
N]... [--trials N]...``, or with ``make bench``, which takes one plant of the pair that ships, and one of the second
pair where its training is at hand (``second_pair.py``). ``--nothing`` takes looks of FLAT mixes instead of plants,
where a study should say that nothing was found.

All methods are given the same: calibration, FLAT mixes and line, the standard errors of their trials, our model of
these as the one that recommends, and a proof of two finalists on 24 other pictures, of which the better counts. FOLDER
keeps the features of all pictures, every trial, and a line for each outcome in ``outcomes.jsonl``: what is there is not
done again, unless ``--again`` has the search of today choose among the trials of before. ``planted_table.py`` makes
tables of it.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest

from search.finalists import choose, posterior_means
from search.history import Point, TrialRecord
from search.plan import SURROGATE, SearchPlan
from studies.sample.world import WORLD
from tests.benchmarks.plants.planted import PAIRS, RIVALS, SHIPPED, SPACE, Pair, Planted, World, one_thread, unit
from tests.benchmarks.plants.planted_runs import METHODS, OURS, Run, plan_of
from tests.benchmarks.plants.second_pair import lacking, second_pair, training_folder

FINALISTS = 2
NOTHING = RIVALS[2:]
"""FLAT mixes whose looks are wanted where there is nothing to find: those that a proof compares with."""
OUTCOMES = "outcomes.jsonl"
optuna.logging.disable_default_handler()
Outcome = Mapping[str, Any]


def answer_of(planted: Planted, told: Sequence[TrialRecord], plan: SearchPlan) -> tuple[Point, dict[str, Any]]:
    """Return the answer of a search, the best of its finalists in the proof, and how the search came to it."""
    chosen = [one.point for one in choose(SPACE, told, FINALISTS, plan)]
    answer = max(chosen, key=planted.proved)
    mine, theirs = posterior_means(SPACE, told, [answer, SPACE.flat(planted.rival)], plan)
    parts = [planted.part_on_trial(trial.point) for trial in told] if planted.findable else [math.nan]
    return answer, {
        "promised": mine - theirs,
        "place": chosen.index(answer),
        "best_tried": max(parts),
        "recommended": planted.part_on_trial(chosen[0]) if planted.findable else math.nan,
    }


def outcome_of(planted: Planted, answer: Point) -> dict[str, Any]:
    """Return what an answer comes to on the held-out pictures."""
    found = planted.found(answer)
    return {
        "part": found.part, "part_error": found.part_error, "score": found.score,
        "lead": found.lead.mean, "lead_error": found.lead.standard_error, "won": found.lead.won,
        "reported": found.reported.mean, "reported_error": found.reported.standard_error, "claimed": found.claimed,
        "away": float(np.abs(unit(answer) - unit(planted.target)).mean()), "point": dict(answer),
    }  # fmt: skip


def line_of(one: Outcome) -> str:
    """Return an outcome as a line of text."""
    luck = (one["reported"] - one["lead"]) / math.hypot(one["lead_error"], one["reported_error"])
    return (
        f"{one['pair']} {one['plant']}  {one['method']:12s} seed {one['seed']} {one['trials']:3d} trials  "
        f"part {one['part']:+.2f} +- {one['part_error']:.2f}  score {one['score']:+.2f}  "
        f"lead {one['lead']:+.2f} +- {one['lead_error']:.2f}  reported {one['reported']:+.2f} ({luck:+.1f} standard "
        f"errors), {'claimed' if one['claimed'] else 'no winner'}, promised {one['promised']:+.2f}; best tried "
        f"{one['best_tried']:+.2f}, recommended {one['recommended']:+.2f}  ({one['seconds']:.0f} s)"
    )


def same(one: Outcome, other: Outcome) -> bool:
    """Whether two outcomes are of the same run."""
    return all(one[key] == other[key] for key in ("pair", "plant", "method", "version", "seed", "trials"))


class Outcomes:
    """The outcomes of a folder, one line each."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / OUTCOMES
        kept = self._path.read_text(encoding="utf-8").splitlines() if self._path.exists() else []
        self.known: list[Outcome] = [json.loads(line) for line in kept]

    def add(self, one: Outcome) -> None:
        """Keep an outcome; an earlier one of the same run goes."""
        self.known = [*(other for other in self.known if not same(one, other)), one]
        self._path.write_text("".join(json.dumps(one) + "\n" for one in self.known), encoding="utf-8")


def measured(folder: Path, planted: Planted, method: str, seed: int, trials: int, version: str) -> dict[str, Any]:
    """Run a search, or go on with it, and judge its answer."""
    began = time.process_time()
    plant = f"{planted.pair.name}-{planted.name}"
    run = Run(folder=folder, plant=plant, tell=planted.tell, method=method, seed=seed, version=version)
    answer, how = answer_of(planted, run.trials(trials), plan_of(method, trials))
    return {**how, **outcome_of(planted, answer), "seconds": time.process_time() - began}


def compare(
    folder: Path, plants: Iterable[Planted], methods: Sequence[str], seeds: Sequence[int], counts: Sequence[int],
    *, version: str = "", again: bool = False,
) -> Iterator[Outcome]:  # fmt: skip
    """Run all that is not known yet, print a line for each, and return all of them."""
    outcomes, looks = Outcomes(folder), list(plants)
    for trials, seed, method, planted in itertools.product(counts, seeds, methods, looks):
        own = version if METHODS[method] == SURROGATE else ""
        wanted = {
            "pair": planted.pair.name, "plant": planted.name, "method": method, "version": own, "seed": seed,
            "trials": trials,
        }  # fmt: skip
        one = next((one for one in outcomes.known if same(one, wanted)), None)
        if one is None or again:
            one = {**wanted, **measured(folder, planted, method, seed, trials, own)}
            outcomes.add(one)
            print(line_of(one), flush=True)
        yield one


@pytest.fixture(params=["pair that ships", "second pair"])
def packed(request: pytest.FixtureRequest) -> Path:
    """The folder of a packed pair."""
    if request.param == "pair that ships":
        return WORLD
    folder = training_folder()
    why = lacking(folder)
    if folder is None or why:
        pytest.skip(why)
    return second_pair(folder)


@pytest.mark.benchmark
def test_our_search_leaves_every_flat_behind(packed: Path, tmp_path: Path) -> None:
    """One plant, and TPE beside it, which is not told from ours by so little; all by hand."""
    one_thread()
    ours, _ = compare(tmp_path, World(tmp_path, packed).plants(1), [OURS, "TPE"], [1], [45])
    assert ours["part"] > 3 * ours["part_error"]
    assert ours["lead"] > 2 * ours["lead_error"]


def main() -> None:
    """Read the command line and measure."""
    reader = argparse.ArgumentParser(description="Measure searches on planted recipes of the sample world.")
    reader.add_argument("folder", type=Path)
    reader.add_argument("--pair", choices=list(PAIRS), default=SHIPPED.name)
    reader.add_argument("--second", type=Path, help="the second pair, of the training in this folder")
    reader.add_argument("--plants", type=int, default=8)
    reader.add_argument("--nothing", action="store_true", help="looks of FLAT mixes instead of plants")
    reader.add_argument("--method", action="append", choices=list(METHODS))
    reader.add_argument("--seed", type=int, action="append")
    reader.add_argument("--trials", type=int, action="append")
    reader.add_argument("--version", default="", help="a name for the state of our search, for runs of ours")
    reader.add_argument("--again", action="store_true", help="choose and judge again, from the trials that are kept")
    given = reader.parse_args()
    if given.second and (why := lacking(given.second)):
        reader.error(why)
    one_thread()
    pair = Pair(name="second") if given.second else PAIRS[given.pair]
    world = World(given.folder, second_pair(given.second) if given.second else WORLD, pair)
    plants = (world.flat_look(ratio) for ratio in NOTHING) if given.nothing else world.plants(given.plants)
    methods, seeds, counts = given.method or [OURS], given.seed or [1], given.trials or [45]
    for _ in compare(given.folder, plants, methods, seeds, counts, version=given.version, again=given.again):
        pass


if __name__ == "__main__":
    main()

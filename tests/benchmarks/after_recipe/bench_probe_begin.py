"""Whether a search that begins with its probe goes further for its pictures, on planted recipes of the sample world.

By hand: ``python -m tests.benchmarks.after_recipe.bench_probe_begin FOLDER [--plants N] [--seed N]...``; FOLDER is one
of ``bench_planted.py``, which keeps the features of all pictures and every trial. A probe moves all knobs of the
search, by either design, with few shots of the search's own; its pictures are those of so many trials of 16 pictures.
Compared are, plant by plant with equal seeds:

- the search alone with as many pictures as the others have with their probe;
- the searches that begin with a probe;
- with ``--fewer``, the search alone without these further pictures: a probe that was made in any case costs nothing.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from search.history import Point, TrialRecord
from search.plan import EarlierStudy, InitialRecipe, SearchPlan
from search.space.space import Space
from search.suggester import Suggester
from studies.after_recipe.probe.designs.design import HIGH, DesignedRecipe, ProbeDesign, one_at_a_time, screening
from tests.benchmarks.plants.bench_planted import Outcomes, answer_of, line_of, outcome_of, same
from tests.benchmarks.plants.planted import SEARCHED, SPACE, Planted, World, one_thread
from tests.benchmarks.plants.planted_runs import OURS, Run, plan_of

TRIALS = 29
"""Trials of the search that begins with the probe."""
PROBE_SHOTS = 4
"""Shots of every recipe of the probe."""
DesignMaker = Callable[[Sequence[str]], ProbeDesign]
"""Makes a design of some knobs."""
PROBES: Mapping[str, DesignMaker] = {"screening": screening, "one by one": one_at_a_time}
"""The probes that a search can begin with."""


def probe_points(make: DesignMaker, space: Space = SPACE) -> list[Point]:
    """Return FLAT_50, and the other recipes of a design with all knobs of a search."""
    middle = space.flat(0.5)

    def point(recipe: DesignedRecipe) -> Point:
        knobs = {knob.name: knob for knob in space.free}
        ends = {name: knobs[name].high if level == HIGH else knobs[name].low for name, level in recipe.levels.items()}
        return {**middle, **ends}

    design = make([knob.name for knob in space.free])
    return [middle, *(point(one) for one in design.recipes if one.levels)]


def probe_trials(planted: Planted, make: DesignMaker, shots: int) -> tuple[TrialRecord, ...]:
    """Return a probe's recipes with their objective against FLAT_50's, as a study takes them over."""
    points = probe_points(make)
    base = planted.features(points[0], SEARCHED[:shots])
    differences = [planted.panel.compare(planted.features(point, SEARCHED[:shots]), base) for point in points[1:]]
    usual = float(np.median([one.standard_error for one in differences]))
    first = TrialRecord(number=0, stage="flat", point=points[0], value=0.0, standard_error=usual)
    others = (
        TrialRecord(number=n, stage="blocks", point=point, value=one.mean, standard_error=one.standard_error)
        for n, (point, one) in enumerate(zip(points[1:], differences, strict=True), start=1)
    )
    return (first, *others)


def begun_with(trials: Sequence[TrialRecord], seed: int, plan: SearchPlan, space: Space = SPACE) -> SearchPlan:
    """Return a plan that begins with a probe."""
    best = Suggester(space=space, plan=SearchPlan(), seed=seed).recommended(trials)
    recipe = InitialRecipe(label="best of the probe", point=best)
    return replace(plan, earlier=EarlierStudy(label="the probe", trials=tuple(trials)), beginnings=(recipe,))


def ways(
    folder: Path, planted: Planted, seed: int, given: argparse.Namespace
) -> Iterator[tuple[str, int, Run, SearchPlan]]:
    """Yield the searches that are compared: name, trials, run and plan."""
    probes: Mapping[str, DesignMaker] = {name: PROBES[name] for name in given.probe}
    more = max(round(len(probe_points(make)) * PROBE_SHOTS / len(SEARCHED)) for make in PROBES.values())
    run = Run(
        folder=folder, plant=f"{planted.pair.name}-{planted.name}", tell=planted.tell, method=OURS, seed=seed,
        version=given.version,
    )  # fmt: skip
    yield "alone", TRIALS + more, run, plan_of(OURS, TRIALS + more)
    for name, make in probes.items():
        begin = partial(begun_with, probe_trials(planted, make, PROBE_SHOTS), seed)
        version = f"{given.version}-{name}-{PROBE_SHOTS}"
        yield name, TRIALS, replace(run, version=version, begun=begin), begin(plan_of(OURS, TRIALS))
    if given.fewer:
        yield "alone, fewer", TRIALS, run, plan_of(OURS, TRIALS)


def compare(world: World, given: argparse.Namespace) -> list[Mapping[str, Any]]:
    """Run what is not known yet, print a line for each outcome, and return all."""
    outcomes, found = Outcomes(given.folder), list[Mapping[str, Any]]()
    for planted in world.plants(given.plants):
        for seed in given.seed or [1]:
            for name, trials, run, plan in ways(given.folder, planted, seed, given):
                wanted = {
                    "pair": planted.pair.name, "plant": planted.name, "method": OURS, "version": run.version,
                    "seed": seed, "trials": trials,
                }  # fmt: skip
                one = next((one for one in outcomes.known if same(one, wanted)), None)
                if one is None:
                    began = time.process_time()
                    answer, how = answer_of(planted, run.trials(trials), plan)
                    seconds = time.process_time() - began
                    one = {**wanted, **how, **outcome_of(planted, answer), "seconds": seconds}
                    outcomes.add(one)
                print(f"{name:12} {line_of(one)}", flush=True)
                found.append({**one, "way": name})
    return found


def summary(found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return a line for each search: the mean part of the way, and by how much that is more than alone."""
    parts: dict[str, dict[tuple[str, int], float]] = {}
    for one in found:
        parts.setdefault(one["way"], {})[one["plant"], one["seed"]] = one["part"]
    lines: list[str] = []
    for way, by_run in parts.items():
        apart = np.array([part - parts["alone"][key] for key, part in by_run.items()])
        error = apart.std(ddof=1) / np.sqrt(len(apart)) if len(apart) > 1 else np.nan
        mean = np.mean([*by_run.values()])
        lines.append(f"{way}: part {mean:.3f}, against alone {apart.mean():+.3f} +- {error:.3f} ({len(apart)} runs)")
    return lines


def main() -> None:
    """Read the command line and measure."""
    reader = argparse.ArgumentParser(description="Measure whether a search that begins with its probe goes further.")
    reader.add_argument("folder", type=Path)
    reader.add_argument("--plants", type=int, default=5)
    reader.add_argument("--seed", type=int, action="append")
    reader.add_argument("--probe", action="append", choices=list(PROBES), help="what a search begins with; all")
    reader.add_argument("--fewer", action="store_true", help="the search alone without the probe's pictures as well")
    reader.add_argument("--version", default="", help="a name for the state of our search; its runs are gone on with")
    given = reader.parse_args()
    given.probe = given.probe or list(PROBES)
    one_thread()
    print("\n".join(summary(compare(World(given.folder), given))))


if __name__ == "__main__":
    main()

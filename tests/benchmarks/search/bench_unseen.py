"""How close searches come to hidden recipes of landscapes that nothing is tuned on: ours beside baselines made fair.

`python -m tests.benchmarks.search.bench_unseen FOLDER [--method ...] [--kind ...] [--knobs N] [--noise PART] [--trials
N]` makes searches and keeps them in FOLDER/searches.jsonl, one line each, so a run that was stopped goes on; with
`--table` it prints what all of them came to. `make bench` runs a small part.

All methods begin with the same eight FLAT mixes, get the same noise for the same trial number, and are told how large
it is. Infeasible trials have no value; the baselines count them as the worst one. Our model of their trials recommends.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import optuna
import pytest

from tests.benchmarks.search.unseen import KINDS, NOISES, SEEDS, UNSEEN_SPACES, UnseenVariant
from tests.benchmarks.search.unseen_runs import METHODS, STAGED, Regrets, RunFile, SearchKey, SearchRun, regrets

CHECKS = (60, 100, 300)
"""Numbers of trials that are compared."""
BASELINES = ("GP", "CMA-ES", "TPE", "random")
optuna.logging.disable_default_handler()


class JudgedRuns:
    """Searches with their regrets, which are kept in a file beside them: each takes a fit of the model."""

    def __init__(self, folder: Path, rule: str) -> None:
        """Read both files.

        Args:
            folder: of the searches.
            rule: a name for the recommendation rule of today; regrets by another rule are worked out anew.
        """
        self.runs = RunFile(folder / "searches.jsonl").runs
        self._path = folder / f"regrets-{rule}.jsonl"
        lines = self._path.read_text().splitlines() if self._path.exists() else []
        held = [json.loads(line) for line in lines]
        self._known = {(one["name"], one["count"]): Regrets(**one["regrets"]) for one in held}

    def of(self, key: SearchKey, count: int) -> Regrets | None:
        """Return the regrets of the first trials of a search; None: there is no search so long."""
        run = self.runs.get(key)
        if run is None or len(run.trials) < count:
            return None
        name = f"{key.method}|{key.variant}|{key.seed}|{len(run.trials) if key.method == STAGED else ''}"
        if (name, count) not in self._known:
            self._known[name, count] = found = regrets(run, count)
            with self._path.open("a") as file:
                file.write(json.dumps({"name": name, "count": count, "regrets": asdict(found)}) + "\n")
        return self._known[name, count]

    def of_seeds(self, method: str, variant: UnseenVariant, count: int) -> dict[int, Regrets]:
        """Return the regrets of a method by seed."""
        seeds = [key.seed for key in self.runs if (key.method, key.variant) == (method, variant)]
        found = {seed: self.of(SearchKey(method=method, variant=variant, seed=seed), count) for seed in sorted(seeds)}
        return {seed: one for seed, one in found.items() if one is not None}


def table(judged: JudgedRuns, knobs: int, noise: float, count: int) -> Iterator[str]:
    """Yield the lines of a table: a row for every kind of landscape, a column for every method."""
    methods = [name for name in METHODS if any(key.method == name for key in judged.runs)]
    yield f"{knobs} knobs, {100 * noise:g} % noise, {count} trials: regret in percent, mean ± standard error (worst)"
    yield ""
    columns = ["kind", *methods, "ours - best other", "best FLAT", "ten best", "best trial", "worse than", "broken"]
    yield f"| {' | '.join(columns)} |"
    yield "|---" * len(columns) + "|"
    for kind in KINDS:
        variant = UnseenVariant(kind=kind, knobs=knobs, noise=noise)
        found = {method: judged.of_seeds(method, variant, count) for method in methods}
        if any(found.values()):
            yield row(kind, found)


def row(kind: str, found: Mapping[str, Mapping[int, Regrets]]) -> str:
    """Return a row of a table.

    Its last columns are of our search: regrets of the best FLAT mix, of the mean of the ten best trials and of the best
    trial; in how many searches the recommendation is worse than the first and the second; the part of broken trials.
    """
    recommended = {name: {seed: one.recommended for seed, one in runs.items()} for name, runs in found.items()}
    cells = [_mean_and_worst(list(by_seed.values())) for by_seed in recommended.values()]
    cells.append(_difference(recommended))
    ours = list(found.get("ours", {}).values())
    if not ours:
        return f"| {kind} | " + " | ".join([*cells, *[""] * 5]) + " |"
    picked = ("best_flat", "ten_best", "best_trial")
    cells += [f"{np.mean([getattr(one, name) for one in ours]):.1f}" for name in picked]
    cells.append(f"{_worse(ours, 'best_flat')}, {_worse(ours, 'ten_best')}")
    cells.append(f"{100 * np.mean([one.broken for one in ours]):.0f} %")
    return f"| {kind} | " + " | ".join(cells) + " |"


def _worse(runs: Sequence[Regrets], than: str) -> int:
    """In how many searches the recommendation is worse, by more than a percent."""
    return sum(one.recommended > getattr(one, than) + 1 for one in runs)


def _mean_and_worst(values: Sequence[float]) -> str:
    if not values:
        return ""
    few = f", {len(values)} seeds" if len(values) < len(SEEDS) else ""
    return f"{np.mean(values):.1f} ± {_standard_error(values):.1f} ({max(values):.1f}{few})"


def _difference(recommended: Mapping[str, Mapping[int, float]]) -> str:
    """Ours minus the best other on the seeds that both have; that is chosen afterwards, which flatters it."""
    ours, others = recommended.get("ours", {}), {}
    for name in BASELINES:
        seeds = [seed for seed in recommended.get(name, {}) if seed in ours]
        if len(seeds) > 2:
            others[name] = [ours[seed] - recommended[name][seed] for seed in seeds]
    if not others:
        return ""
    best = max(others, key=lambda name: float(np.mean(others[name])))
    return f"{np.mean(others[best]):+.1f} ± {_standard_error(others[best]):.1f} ({best})"


def _standard_error(values: Sequence[float]) -> float:
    return float(np.std(values, ddof=1) / np.sqrt(len(values))) if len(values) > 1 else 0.0


@pytest.mark.benchmark
def test_ours_is_closer_than_random_where_a_block_breaks_pictures(tmp_path: Path) -> None:
    """A small part: one landscape, which is none of the final ones."""
    file = RunFile(tmp_path / "searches.jsonl")
    keys = [SearchKey(method=name, variant=UnseenVariant(kind="cliff"), seed=1) for name in ("ours", "random")]
    file.make(keys, 60, after=_print)
    ours, others = (regrets(file.runs[key], 60).recommended for key in keys)
    assert ours < others


def _print(run: SearchRun) -> None:
    key = run.key
    print(f"{key.method}, {key.variant}, {key.seed}: {len(run.trials)} trials, {run.seconds:.1f} s", flush=True)


def main() -> None:
    """Make searches, or print tables."""
    reader = argparse.ArgumentParser(description="Measure searches on made-up landscapes that nothing is tuned on.")
    reader.add_argument("folder", type=Path)
    reader.add_argument("--method", choices=list(METHODS), action="append")
    reader.add_argument("--kind", choices=KINDS, action="append")
    reader.add_argument("--knobs", type=int, choices=list(UNSEEN_SPACES), action="append")
    reader.add_argument("--noise", type=float, action="append", help="as a part of the range")
    reader.add_argument("--trials", type=int, default=100)
    reader.add_argument("--seeds", type=int, default=len(SEEDS), help="how many of them")
    reader.add_argument("--table", metavar="RULE", help="print tables; RULE names today's recommendation rule")
    given = reader.parse_args()
    knobs, noises = given.knobs or [26], given.noise or [NOISES[0]]
    if given.table:
        judged = JudgedRuns(given.folder, given.table)
        for each, noise, count in itertools.product(knobs, noises, CHECKS):
            if count <= given.trials:
                print(*table(judged, each, noise, count), "", sep="\n", flush=True)
        return
    asked = itertools.product(knobs, noises, given.kind or KINDS, given.method or METHODS, SEEDS[: given.seeds])
    keys = [
        SearchKey(method=method, variant=UnseenVariant(kind=kind, knobs=each, noise=noise), seed=seed)
        for each, noise, kind, method, seed in asked
    ]
    RunFile(given.folder / "searches.jsonl").make((key for key in keys if key.variant.exists), given.trials, _print)


if __name__ == "__main__":
    main()

"""Tables of what ``bench_planted.py`` measured: ``python -m tests.benchmarks.plants.planted_table FOLDER``.

Means are over plants, each of them the mean of its seeds; errors are standard errors over plants. Methods are compared
on the plants and seeds that both had.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from tests.benchmarks.plants.bench_planted import Outcome, Outcomes
from tests.benchmarks.plants.planted_runs import OURS

COLUMNS = ("part", "score", "lead", "best_tried", "recommended")
"""What is averaged."""


def by_plant(outcomes: Sequence[Outcome], column: str) -> dict[tuple[str, str], float]:
    """Return the mean over seeds, by pair and plant."""
    plants = {(one["pair"], one["plant"]) for one in outcomes}
    return {
        plant: float(np.mean([one[column] for one in outcomes if (one["pair"], one["plant"]) == plant]))
        for plant in sorted(plants)
    }


def mean_and_error(values: Sequence[float]) -> tuple[float, float]:
    """Return the mean and its standard error; NaN where there is but one value."""
    error = np.std(values, ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    return float(np.mean(values)), float(error)


def paired(ours: Sequence[Outcome], theirs: Sequence[Outcome], column: str) -> tuple[float, float, int]:
    """Return by how much one method is ahead on the plants and seeds that both had, its error, and how many plants."""
    known = {(one["pair"], one["plant"], one["seed"]): one[column] for one in theirs}
    apart = [
        {**one, column: one[column] - known[key]}
        for one in ours
        if (key := (one["pair"], one["plant"], one["seed"])) in known
    ]
    values = list(by_plant(apart, column).values())
    return (*mean_and_error(values), len(values)) if values else (np.nan, np.nan, 0)


def optimism(outcomes: Sequence[Outcome], told: str) -> tuple[float, float]:
    """Return what was told of a lead less the lead on the held-out pictures: mean, and standard error over runs."""
    return mean_and_error([one[told] - one["lead"] for one in outcomes])


def rows(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """Return a row of Markdown for every method, version and number of trials."""
    yield (
        "| search | trials | plants, runs | "
        + " | ".join(COLUMNS)
        + " | ahead of it: ours, part | reported, promised |"
    )
    yield "|---" * (5 + len(COLUMNS)) + "|"
    runs = sorted({(one["trials"], one["method"], one["version"]) for one in outcomes})
    for trials, method, version in runs:
        chosen = [
            one for one in outcomes if (one["trials"], one["method"], one["version"]) == (trials, method, version)
        ]
        ours = [one for one in outcomes if one["trials"] == trials and one["method"] == OURS]
        newest = max((one["version"] for one in ours), default="")
        ahead, error, count = paired([one for one in ours if one["version"] == newest], chosen, "part")
        cells = [f"{mean:.2f} +- {se:.2f}" for mean, se in (
            mean_and_error([*by_plant(chosen, column).values()]) for column in COLUMNS
        )]  # fmt: skip
        luck = ", ".join(f"{mean:+.2f} +- {se:.2f}" for mean, se in (
            optimism(chosen, told) for told in ("reported", "promised")
        ))  # fmt: skip
        yield (
            f"| {method} {version} | {trials} | {len(by_plant(chosen, 'part'))}, {len(chosen)} | {' | '.join(cells)} | "
            f"{ahead:+.2f} +- {error:.2f} ({count}) | {luck} |"
        )


def main() -> None:
    """Read the command line and print."""
    reader = argparse.ArgumentParser(description="Tables of searches on planted recipes.")
    reader.add_argument("folder", type=Path)
    known = Outcomes(reader.parse_args().folder).known
    print("\n".join(rows([one for one in known if not one["plant"].startswith("FLAT")])))
    for one in (one for one in known if one["plant"].startswith("FLAT")):
        told = f"reported {one['reported']:+.2f} +- {one['reported_error']:.2f}, held-out {one['lead']:+.2f}"
        said = "a winner is claimed" if one["claimed"] else "no winner"
        print(f"{one['plant']}, {one['method']} {one['version']}, {one['trials']} trials: {said}; {told}")


if __name__ == "__main__":
    main()

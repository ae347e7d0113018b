"""What a proof in rounds spares, and whether what it reports of its winner is honest, on pictures that are numbers.

By hand: `python -m tests.benchmarks.search.bench_proof [--proofs N]`, or with `make bench`. A, B, three FLAT mixes and
four finalists; every picture has noise of its own shot, which all recipes share, and of its own. The finalists share
most of what chance makes of them, as recipes near one optimum do. The pictures of a proof are equal in both ways to
make it.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np
import pytest

from studies.night.proving.proof_rounds import BEYOND_DOUBT, ProofGroups, ProofRounds, drawing_order
from tests.studies.night.number_panel import NumberPanel, features_of

GROUPS = ProofGroups(
    parents=("A", "B"), flats=("FLAT_25", "FLAT_50", "FLAT_75"), finalists=tuple(f"finalist {n}" for n in range(1, 5))
)
ALIKE = 0.8
"""The part of the variance of a finalist's pictures that all finalists share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is true of a study's recipes, in standard deviations of a picture's difference."""

    name: str
    worth: dict[str, float]


def case(name: str, lead: float, apart: float) -> Case:
    """Return a case: by how much the finalists lead the best FLAT mix, and how far the last is behind the first."""
    flats = dict(zip(GROUPS.flats, (0.0, -0.3, -0.8), strict=True))
    finalists = {label: lead - apart * n / 3 for n, label in enumerate(GROUPS.finalists)}
    return Case(name=name, worth={"A": -1.0, "B": -2.0, **flats, **finalists})


CASES = (case("nothing to find", 0.0, 0.0), case("a lead of 0.5", 0.5, 0.5), case("a lead of 1.5", 1.5, 1.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Proved:
    """One proof: its pictures, and the lead that it reports of its winner, in its standard errors off the true one."""

    pictures: int
    off: float
    recommends: bool
    lost: float
    """By how much the first finalist is truly worse than the best one."""


def proved(truth: Case, shots: int, seed: int, *, in_rounds: bool) -> Proved:
    """Make one proof."""
    draw = np.random.default_rng([shots, seed])
    common, shared = draw.normal(size=shots), draw.normal(size=shots)
    numbers = {label: worth + common + draw.normal(size=shots) / np.sqrt(2) for label, worth in truth.worth.items()}
    for label in GROUPS.finalists:
        own = np.sqrt(ALIKE) * shared + np.sqrt(1 - ALIKE) * draw.normal(size=shots)
        numbers[label] = truth.worth[label] + common + own / np.sqrt(2)
    panel, order = NumberPanel(), drawing_order([f"{n}" for n in range(shots)])
    rounds = ProofRounds(panel=panel, groups=GROUPS, shots=[None] * shots, order=order)  # pyright: ignore[reportArgumentType]
    if not in_rounds:
        rounds.given_up = lambda _: frozenset()  # pyright: ignore[reportAttributeAccessIssue]
    rounds.run(lambda label, places: features_of(numbers[label], places))
    values = rounds.values()
    first = max(filter(rounds.is_whole, GROUPS.finalists), key=lambda one: values[one] or 0.0)
    flat = max(filter(rounds.is_whole, GROUPS.flats), key=lambda one: values[one] or 0.0)
    found = panel.compare(rounds.features[first], rounds.features[flat])
    lows = [found.low] + [
        panel.compare(
            rounds.features[first], rounds.features[one], confidence=0.95 if rounds.is_whole(one) else BEYOND_DOUBT
        ).low
        for one in GROUPS.parents
    ]
    return Proved(
        pictures=sum(map(len, rounds.drawn.values())),
        off=(found.mean - truth.worth[first] + truth.worth[flat]) / found.standard_error,
        recommends=min(lows) > 0,
        lost=max(truth.worth[one] for one in GROUPS.finalists) - truth.worth[first],
    )


def row(truth: Case, shots: int, proofs: int, *, in_rounds: bool) -> tuple[float, float, float]:
    """Print and return the mean pictures, the mean of what is reported too much, and how often one is recommended."""
    found = [proved(truth, shots, seed, in_rounds=in_rounds) for seed in range(proofs)]
    pictures, off, lost = (
        float(np.mean([getattr(one, what) for one in found])) for what in ("pictures", "off", "lost")
    )
    recommends = sum(one.recommends for one in found) / proofs
    kind = "in rounds" if in_rounds else "all      "
    print(
        f"{truth.name:16} {shots} shots, {kind}: {pictures:4.0f} pictures, reported {off:+.2f} standard errors "
        f"too much, recommends {recommends:.1%}, finalist {lost:.3f} worse than the best",
        flush=True,
    )
    return pictures, off, recommends


@pytest.mark.benchmark
def test_rounds_spare_pictures_and_stay_honest() -> None:
    pictures, off, recommends = row(CASES[0], 24, 400, in_rounds=True)
    assert pictures < 0.9 * 24 * 9
    assert abs(off) < 1
    assert recommends < 0.06


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--proofs", type=int, default=1000)
    options = parser.parse_args()
    for shots in (24, 64):
        for truth in CASES:
            for in_rounds in (False, True):
                row(truth, shots, options.proofs, in_rounds=in_rounds)


if __name__ == "__main__":
    main()

"""How close searches come for their pictures, on made-up landscapes where what chance adds to a picture is smooth.

By hand: `python -m tests.benchmarks.search.bench_pictures [--noise PART] [--smooth PART] [--seeds N] [--way NAME]...`,
or with `make bench`, a small part. A shot makes of every recipe what it makes of it by chance: as smooth as the
objective, so that a set of shots has an optimum of its own, beside noise of the picture. All searches may draw equally
many pictures.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pytest

from search.history import Point, Slots, TrialRecord
from search.shots import ShotRotation
from search.suggester import Suggester
from search.surrogate.gaussian_process import model_of
from search.trials import SearchTrials
from tests.benchmarks.search.bench_search import plan_of
from tests.benchmarks.search.landscape import Landscape, Variant

Array = npt.NDArray[np.float64]
PICTURES = 16
"""Pictures of a whole trial, whose noise is the variant's."""
POOL = 64
"""Shots that a study has."""
BUDGETS = (480, 960, 1600)
WAVES = 64
"""Random cosines that an effect of a shot is made of (Rahimi and Recht, Random features, 2007)."""


@dataclass
class Pictures:
    """The pictures of one search, as differences from those of FLAT_50."""

    landscape: Landscape
    run: int
    smooth: float
    """The part of the variance between pictures that is smooth."""
    effects: Array = field(init=False)

    def __post_init__(self) -> None:
        landscape, draw = self.landscape, np.random.default_rng([self.landscape.seed, self.run, 8])
        root = np.linalg.cholesky(landscape.energy)
        probe = draw.uniform(size=(2000, len(root))) - 0.5
        self.root = root / np.sqrt(np.square(probe @ root).sum(1).mean())
        self.turns, self.starts = draw.normal(size=(len(root), WAVES)), draw.uniform(0, 2 * np.pi, WAVES)
        size = landscape.variant.noise * np.sqrt(PICTURES)
        self.effects = draw.normal(size=(POOL, WAVES)) * size * np.sqrt(self.smooth * 2 / WAVES)
        self.white = size * np.sqrt(1 - self.smooth)
        self.base = draw.normal(size=POOL) * self.white
        self.middle = self._waves(landscape.space.flat(0.5))

    def _waves(self, point: Point) -> Array:
        landscape = self.landscape
        units = (np.array([point[knob.name] for knob in landscape.space.free]) - landscape.low) / landscape.width
        return np.cos((units @ self.root) @ self.turns + self.starts)

    def of(self, point: Point, number: int, slots: Slots) -> Array:
        """Return the values of a trial's pictures."""
        draw = np.random.default_rng([self.landscape.seed, self.run, number, 5])
        own = draw.normal(size=len(slots)) * self.white - self.base[list(slots)]
        by_chance = self.effects[list(slots)] @ (self._waves(point) - self.middle)
        return self.landscape.true(point) + by_chance + own


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """How a search spends its pictures."""

    rotation: ShotRotation


WAYS: dict[str, Way] = {
    "16": Way(rotation=ShotRotation(shots=POOL, per_trial=16)),
    "16 moving": Way(rotation=ShotRotation(shots=POOL, per_trial=16, moving=True)),
    "8": Way(rotation=ShotRotation(shots=POOL, per_trial=8)),
    "8 moving": Way(rotation=ShotRotation(shots=POOL, per_trial=8, moving=True)),
    "4 moving": Way(rotation=ShotRotation(shots=POOL, per_trial=4, moving=True)),
    "4 to 16": Way(rotation=ShotRotation(shots=POOL, per_trial=16, moving=True, fewest=4)),
    "8 to 16": Way(rotation=ShotRotation(shots=POOL, per_trial=16, moving=True, fewest=8)),
    "64": Way(rotation=ShotRotation(shots=POOL, per_trial=64)),
    "all 16": Way(rotation=ShotRotation(shots=16, per_trial=16)),
    "8 of 16": Way(rotation=ShotRotation(shots=16, per_trial=8, moving=True)),
    "4 of 16": Way(rotation=ShotRotation(shots=16, per_trial=4, moving=True)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a search came to, by pictures: regret in percent, and by how much its model promised too much."""

    regret: dict[int, float]
    promised: dict[int, float]
    off: dict[int, float]
    """What is promised too much, in the model's own standard deviations of the lead over FLAT_50."""
    trials: int
    seconds: float


def search(landscape: Landscape, run: int, way: Way, smooth: float) -> Run:
    """Search until the pictures of the largest budget are drawn."""
    began = time.process_time()
    pictures, told = Pictures(landscape, run, smooth), list[TrialRecord]()
    suggester = Suggester(
        space=landscape.space, plan=plan_of(2000, landscape.variant.knobs), seed=run, rotation=way.rotation
    )
    drawn = 0
    regret, promised, off = dict[int, float](), dict[int, float](), dict[int, float]()
    while drawn < BUDGETS[-1] and (proposal := suggester.next(told)) is not None:
        slots = proposal.slots or tuple(range(way.rotation.shots))
        values = pictures.of(proposal.point, len(told), slots)
        told.append(
            TrialRecord(
                number=len(told), stage=proposal.stage, point=proposal.point, value=float(values.mean()),
                standard_error=float(values.std(ddof=1)) / np.sqrt(len(slots)), slots=proposal.slots,
            )
        )  # fmt: skip
        drawn += len(slots)
        for budget in BUDGETS:
            if budget not in regret and drawn >= budget:
                best, flat = suggester.recommended(told), landscape.space.flat(0.5)
                regret[budget] = landscape.regret(best)
                mean, deviation = lead_of(suggester, told, best, flat)
                too_much = mean - landscape.true(best) + landscape.true(flat)
                promised[budget], off[budget] = 100 * too_much, too_much / deviation
    return Run(regret=regret, promised=promised, off=off, trials=len(told), seconds=time.process_time() - began)


def lead_of(suggester: Suggester, told: Sequence[TrialRecord], best: Point, flat: Point) -> tuple[float, float]:
    """Return the lead of one recipe over another that the model expects, and its posterior standard deviation."""
    trials = SearchTrials(suggester.space, suggester.plan, told)
    observations = trials.observations()
    assert observations is not None
    model = model_of(observations)
    rows = np.array([trials.encoding.row(trials.space.checked(point)) for point in (best, flat)])
    mine, theirs = model.posterior_mean(rows)
    spread = model.posterior_covariance(rows, model.factor())
    return float(mine - theirs), float(np.sqrt(spread[0, 0] + spread[1, 1] - 2 * spread[0, 1]))


def row(name: str, variant: Variant, seeds: Sequence[int], smooth: float) -> dict[int, float]:
    """Print and return the mean regrets of a search."""
    runs = [search(Landscape(seed, variant), seed, WAYS[name], smooth) for seed in seeds]
    means = {budget: float(np.mean([run.regret[budget] for run in runs])) for budget in BUDGETS}
    promised = {budget: float(np.mean([run.promised[budget] for run in runs])) for budget in BUDGETS}
    off = {budget: float(np.mean([run.off[budget] for run in runs])) for budget in BUDGETS}
    cells = " | ".join(
        f"{budget}: {means[budget]:5.1f} ({promised[budget]:+5.1f}, {off[budget]:+.1f} sd)" for budget in BUDGETS
    )
    trials, seconds = (np.mean([getattr(run, what) for run in runs]) for what in ("trials", "seconds"))
    print(f"{name:8} {variant} smooth {smooth:g} | {cells} | {trials:.0f} trials, {seconds:.0f} s", flush=True)
    return means


@pytest.mark.benchmark
def test_shots_that_move_are_better_where_chance_is_smooth() -> None:
    seeds = range(200, 204)
    same, moving = (row(name, Variant(noise=0.2), seeds, 0.7) for name in ("16", "8 to 16"))
    assert moving[1600] < same[1600]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--noise", type=float, nargs="*", default=[0.1])
    parser.add_argument("--smooth", type=float, nargs="*", default=[0.7])
    parser.add_argument("--knobs", type=int, default=26)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--way", nargs="*", default=list(WAYS))
    options = parser.parse_args()
    for noise in options.noise:
        for smooth in options.smooth:
            for name in options.way:
                row(name, Variant(noise=noise, knobs=options.knobs), range(200, 200 + options.seeds), smooth)


if __name__ == "__main__":
    main()

"""How close a search comes to a hidden recipe, against random search and TPE with the same number of trials.

By hand: `python -m tests.benchmarks.bench_search [--seeds N] [--trials 75|200]`, or with `make bench`; it takes under
3 minutes on an idle machine.

The landscape is made up: 25 blocks (BASE rests), two multipliers, three Adjust values. The hidden recipe is flat in six
stretches of the UNet (not the stretches that the search groups) with single blocks far off, weights are log-normal,
three tenths of the energy lie in a random rank-4 interaction, the hill is a cone with a rounded top. 1 is the optimum,
0 the mean of random block recipes; every recipe carries its own fixed error of standard deviation 0.02, as renders with
fixed seeds do. Regret is 100 (1 - true value). Real landscapes are rougher.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import optuna
import pytest

from engine.blocks import UNET_BLOCKS
from search.history import Point, Told, mean_point, top
from search.layout import build_space
from search.samplers import distributions
from search.space import Space
from search.stages import Plan, start
from search.suggester import Suggester

SPACE = build_space(sites=("OUT05:attn1", "OUT08:attn1"), adjust=("CONT", "BRI", "COL1"))
PLANS = {75: Plan(), 200: Plan(groups=40, blocks=125, self_mode=15, adjust=15)}
NOISE = 0.02
ROUNDING = 0.02
EXTRAS = 0.1


class Landscape:
    """A hidden recipe and what it is worth to be near it."""

    def __init__(self, seed: int, space: Space) -> None:
        draw = np.random.default_rng(seed)
        self.space = space
        self.low = np.array([knob.low for knob in space.free])
        self.width = np.array([knob.high for knob in space.free]) - self.low
        self.hidden = np.concatenate([_hidden_blocks(draw), draw.uniform(0.2, 0.8, len(space.free) - len(UNET_BLOCKS))])
        self.energy = _energy(draw, len(space.free))
        probe = draw.uniform(size=(4000, len(space.free)))
        probe[:, len(UNET_BLOCKS) :] = 0.5
        self.scale = float(np.mean([self._height(row) for row in probe]))

    def _height(self, unit: np.ndarray) -> float:
        away = unit - self.hidden
        return float(np.sqrt(away @ self.energy @ away + ROUNDING**2) - ROUNDING)

    def true(self, point: Point) -> float:
        """Return the value without error."""
        return (
            1
            - self._height((np.array([point[knob.name] for knob in self.space.free]) - self.low) / self.width)
            / self.scale
        )

    def observe(self, point: Point) -> float:
        """Return the value with the recipe's own error."""
        draw = np.random.default_rng(int(self.space.decode(point).key[:16], 16))
        return self.true(point) + NOISE * float(draw.normal())


def _hidden_blocks(draw: np.random.Generator) -> np.ndarray:
    cuts = np.sort(draw.choice(np.arange(1, len(UNET_BLOCKS)), 5, replace=False))
    stretch = np.searchsorted(cuts, np.arange(len(UNET_BLOCKS)), side="right")
    blocks = draw.uniform(0.1, 0.6, 6)[stretch] + draw.normal(0, 0.04, len(UNET_BLOCKS))
    blocks[draw.choice(len(UNET_BLOCKS), 3, replace=False)] = draw.uniform(0, 0.9, 3)
    return np.clip(blocks, 0, 1)


def _energy(draw: np.random.Generator, size: int) -> np.ndarray:
    weights = np.exp(draw.normal(0, 1, size))
    blocks = np.arange(size) < len(UNET_BLOCKS)
    weights[blocks] *= (1 - EXTRAS) / weights[blocks].sum()
    weights[~blocks] *= EXTRAS / weights[~blocks].sum()
    mixed = np.linalg.qr(draw.normal(size=(size, 4)))[0]
    root = np.sqrt(weights)
    return 0.7 * np.diag(weights) + 0.3 * (size / 4) * root[:, None] * (mixed @ mixed.T) * root


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Regrets of what one search would recommend, in percent."""

    best: float
    mean_of_ten: float
    settled: float
    """Of the staged mean, which says nothing about a search without stages."""
    seconds: float


def staged(landscape: Landscape, trials: int, seed: int) -> list[Told]:
    """Search as the studies do."""
    suggester, told = Suggester(space=landscape.space, plan=PLANS[trials], seed=seed), list[Told]()
    while (proposal := suggester.next(told)) is not None:
        value = landscape.observe(proposal.point)
        told.append(Told(number=len(told), stage=proposal.stage, point=proposal.point, value=value))
    return told


def _with(sampler: optuna.samplers.BaseSampler, landscape: Landscape, trials: int) -> list[Told]:
    optuna.logging.disable_default_handler()
    study, box = optuna.create_study(direction="maximize", sampler=sampler), distributions(landscape.space)
    for _ in range(trials):
        trial = study.ask(box)
        study.tell(trial, landscape.observe(trial.params))
    return [Told(number=t.number, stage="blocks", point=t.params, value=t.value) for t in study.trials]


def by_tpe(landscape: Landscape, trials: int, seed: int) -> list[Told]:
    """Search all knobs at once with Optuna's default sampler."""
    return _with(optuna.samplers.TPESampler(seed=seed), landscape, trials)


def at_random(landscape: Landscape, trials: int, seed: int) -> list[Told]:
    """Search all knobs at once without looking."""
    return _with(optuna.samplers.RandomSampler(seed=seed), landscape, trials)


METHODS: dict[str, Callable[[Landscape, int, int], list[Told]]] = {"random": at_random, "TPE": by_tpe, "staged": staged}


def measure(method: str, trials: int, seed: int) -> Outcome:
    """Run one search and return its regrets."""
    landscape, began = Landscape(seed, SPACE), time.perf_counter()
    told = METHODS[method](landscape, trials, seed)
    seconds = (time.perf_counter() - began) / len(told)
    answers = (
        top(told, 1)[0].point,
        mean_point([one.point for one in top(told, 10)]),
        start(None, SPACE, Plan(), told),
    )
    best, ten, settled = (100 * (1 - landscape.true(point)) for point in answers)
    return Outcome(best=best, mean_of_ten=ten, settled=settled, seconds=seconds)


def table(trials: int, seeds: int) -> dict[str, Outcome]:
    """Print and return the mean outcome of every method."""
    print(f"\n{trials} trials, {seeds} landscapes: regret in % (0 the hidden recipe, 100 a random one)")
    print(f"{'method':8} {'best':>6} {'mean of ten':>12} {'settled':>8} {'s a trial':>10}")
    means: dict[str, Outcome] = {}
    for method in METHODS:
        runs = [measure(method, trials, seed) for seed in range(seeds)]
        fields = {name: float(np.mean([getattr(run, name) for run in runs])) for name in Outcome.__slots__}
        means[method] = mean = Outcome(**fields)
        print(f"{method:8} {mean.best:6.1f} {mean.mean_of_ten:12.1f} {mean.settled:8.1f} {mean.seconds:10.3f}")
    return means


@pytest.mark.benchmark
@pytest.mark.parametrize(("trials", "seeds"), [(75, 2), (200, 1)])
def test_staged_search_beats_random_and_tpe(trials: int, seeds: int) -> None:
    means = table(trials, seeds)
    assert means["staged"].settled < means["TPE"].mean_of_ten
    assert means["staged"].settled < means["random"].mean_of_ten


if __name__ == "__main__":
    reader = argparse.ArgumentParser(description="Measure the search on a made-up landscape.")
    reader.add_argument("--seeds", type=int, default=2)
    reader.add_argument("--trials", type=int, choices=sorted(PLANS), action="append")
    given = reader.parse_args()
    for wanted in given.trials or sorted(PLANS):
        table(wanted, given.seeds if wanted == min(PLANS) else max(1, given.seeds // 2))

"""Feasibility: one knob beyond a threshold is found among dozens, and nothing changes while nothing broke."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.recipes.blocks import BLOCKS
from search.space.build import build_space
from search.surrogate.axes import single
from search.surrogate.covariance import Array
from search.surrogate.encoding import PointEncoding
from search.surrogate.feasibility import LIKELY, NEWEST, SPREAD, Feasibility, feasibility_of, likely
from search.surrogate.gaussian_process import model_of
from search.surrogate.observations import Observations
from search.surrogate.optimum import optimum, worth_at, worths
from search.surrogate.proposals import step_proposal
from search.surrogate.subspace import Location, Subspace

SPACE = build_space(bounds=dict.fromkeys(BLOCKS, (0.0, 1.0)))
COLUMNS = len(SPACE.free)
SUBSPACE = Subspace(axes=single(SPACE.free), fixed=tuple(SPACE.flat(0.5).items()), encoding=PointEncoding.of(SPACE))
KNOB, THRESHOLD = 11, 0.55
BEST = 0.6
"""Of every knob: that of `KNOB` lies beyond its threshold."""


def steps(count: int, seed: int = 3, *, size: float = 0.08) -> Array:
    """Rows round the middle."""
    return np.clip(0.5 + size * np.random.default_rng(seed).normal(size=(count, COLUMNS)), 0, 1)


def observed(rows: Array, *, threshold: float = THRESHOLD) -> Observations:
    """Trials, of which those beyond the threshold of one knob are broken."""
    whole = rows[:, KNOB] <= threshold
    values = -np.square(rows[whole] - BEST).sum(1)
    return Observations(
        rows=tuple(map(tuple, rows[whole].tolist())),
        values=tuple(values.tolist()),
        shot_sets=(0,) * len(values),
        centre=(0.5,) * COLUMNS,
        standard_error=0.01,
        broken=tuple(map(tuple, rows[~whole].tolist())),
    )


def model_and_trials(count: int) -> tuple[Feasibility, Observations]:
    observations = observed(steps(count))
    model = feasibility_of(observations)
    assert model is not None
    return model, observations


def test_one_knob_beyond_a_threshold_is_found_among_dozens() -> None:
    model, trials = model_and_trials(60)
    assert 10 < len(trials.broken) < 25
    others = steps(400, seed=9)
    chances = np.exp(model.log_probability(others))
    whole = others[:, KNOB] <= THRESHOLD
    assert np.mean((chances > 0.5) == whole) > 0.85
    slices = np.full((2, COLUMNS), 0.5)
    slices[:, KNOB] = 0.45, 0.75
    inside, beyond = np.exp(model.log_probability(slices))
    assert inside > 0.9
    assert beyond < 0.02
    elsewhere = np.full((COLUMNS, COLUMNS), 0.5) + 0.2 * np.eye(COLUMNS)
    assert np.exp(model.log_probability(np.delete(elsewhere, KNOB, 0))).min() > 0.5


def test_the_gradient_is_that_of_the_logarithm_of_the_probability() -> None:
    model, trials = model_and_trials(60)
    for row in np.array([*trials.broken[:5], *trials.rows[:3]]):
        value, gradient = model.log_probability_gradient(row)
        moved = row + 1e-6 * np.eye(COLUMNS)
        assert value == pytest.approx(model.log_probability(row[None])[0])
        assert gradient[KNOB] <= 0
        assert gradient == pytest.approx((model.log_probability(moved) - value) / 1e-6, abs=1e-3)


def test_while_nothing_broke_there_is_no_model_and_worth_is_the_mean() -> None:
    observations = observed(steps(30), threshold=1.0)
    assert feasibility_of(observations) is None
    rows = steps(5, seed=8)
    assert worths(observations, rows).tolist() == model_of(observations).posterior_mean(rows).tolist()
    location = Location(position=(0.9,) * COLUMNS)
    assert likely(observations, SUBSPACE, iter([location]).__next__) == location


def test_the_optimum_stays_where_pictures_are_whole() -> None:
    _, trials = model_and_trials(80)
    for within in (True, False):
        safe, blind = (optimum(one, SUBSPACE, within=within) for one in (trials, replace(trials, broken=())))
        assert safe.position[KNOB] < THRESHOLD + 0.01
        assert worth_at(trials, SUBSPACE, safe) > worth_at(trials, SUBSPACE, blind)
    assert blind.position[KNOB] > THRESHOLD
    assert np.delete(safe.position, KNOB) == pytest.approx(np.delete(blind.position, KNOB), abs=0.1)


def test_steps_from_the_optimum_seldom_break_pictures() -> None:
    _, trials = model_and_trials(80)
    found = [step_proposal(trials, SUBSPACE, (1, seed), 0.07) for seed in range(40)]
    assert sum(one.position[KNOB] > THRESHOLD for one in found) <= 4
    blind = [step_proposal(replace(trials, broken=()), SUBSPACE, (1, seed), 0.07) for seed in range(40)]
    assert sum(one.position[KNOB] > THRESHOLD for one in blind) >= 20


def test_where_no_proposal_is_likely_the_likeliest_is_tried() -> None:
    model, trials = model_and_trials(60)
    places = iter([0.95, 0.8, *[0.99] * 100])

    def propose() -> Location:
        position = [0.5] * COLUMNS
        position[KNOB] = next(places)
        return Location(position=tuple(position))

    found = likely(trials, SUBSPACE, propose)
    assert found.position[KNOB] == 0.8
    assert model.log_probability(SUBSPACE.rows(np.array([found.position])))[0] < np.log(LIKELY)


def test_thousands_of_trials_cost_no_more_than_hundreds() -> None:
    rows = steps(5000)
    whole = rows[:, KNOB] <= THRESHOLD
    few = {"feasible": rows[whole], "broken": rows[~whole]}
    kept = NEWEST + SPREAD
    observations = observed(rows)
    assert all(len(one) > kept for one in few.values())
    model = feasibility_of(observations)
    assert model is not None
    assert model.trials == 2 * kept
    probes = steps(200, seed=5)
    assert np.mean((model.log_probability(probes) > np.log(0.5)) == (probes[:, KNOB] <= THRESHOLD)) > 0.97

"""Levels and walks against the WebUI's arithmetic in float32: the first bit for bit, the second within a table."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from engine.sampling.schedules import levels_for, sigmas_for
from engine.sampling.sigmas import sd1_levels
from engine.shots.samplers import SAMPLERS, SCHEDULES
from tests.engine.sampling import float32_levels
from tests.engine.sampling.float32_walks import LIMITS, difference, ours, schedules_of, theirs

RESULTS = Path(__file__).parents[2] / "benchmarks" / "RESULTS.md"
COUNTS = (1, 2, 3, 5, 8, 10, 11, 12, 20, 21, 28, 30, 31, 50, 77, 150)


def test_trained_levels_are_the_webuis_bit_for_bit():
    assert torch.equal(sd1_levels().sigmas, float32_levels.trained())
    assert torch.equal(sd1_levels().log_sigmas, float32_levels.trained().log())
    assert torch.equal(levels_for("LCM", sd1_levels()).sigmas, float32_levels.trained(50))


@pytest.mark.parametrize("schedule", SCHEDULES[1:])
def test_the_levels_of_every_schedule_are_the_webuis_bit_for_bit(schedule: str):
    sigmas = float32_levels.trained()
    for steps in COUNTS:
        expected = float32_levels.BY_SCHEDULE[schedule](sigmas, steps)
        assert list(sigmas_for("Euler", schedule, steps, sd1_levels())) == expected, steps


@pytest.mark.parametrize("schedule", SCHEDULES[1:])
def test_a_chosen_range_is_followed_by_the_schedules_that_choose_theirs(schedule: str):
    """The WebUI hands ``sigma_min`` and ``sigma_max`` to all; most of those in time look at the model alone."""
    chosen = replace(sd1_levels(), low=0.1, high=10.0)
    found, usual = (sigmas_for("Euler", schedule, 12, levels) for levels in (chosen, sd1_levels()))
    if schedule in {"Uniform", "Simple", "DDIM", "Align Your Steps"}:
        assert found == usual
        return
    assert found[0] == pytest.approx(10, rel=1e-5)
    lowest = found[-1] if schedule == "KL Optimal" else found[-2]
    if schedule == "SGM Uniform":
        assert sd1_levels().time_of(found[0]) - sd1_levels().time_of(found[1]) == pytest.approx(
            sd1_levels().time_of(lowest) - sd1_levels().time_of(0.1), abs=0.01
        )
    else:
        assert lowest == pytest.approx(0.1, rel=1e-5)
    assert sigmas_for("DPM fast", schedule, 3, chosen)[::3] == (sd1_levels().highest, sd1_levels().lowest)


@pytest.mark.parametrize(("schedule", "rho"), [("Karras", 3.0), ("Polyexponential", 2.0)])
def test_a_chosen_exponent_is_followed_by_the_schedules_that_have_one(schedule: str, rho: float):
    levels, steps = sd1_levels(), 12
    found = np.array(sigmas_for("Euler", schedule, steps, replace(levels, rho=rho))[:-1])
    falling = np.linspace(1, 0, steps)
    high, low = levels.highest, levels.lowest
    if schedule == "Karras":
        expected = (low ** (1 / rho) + falling * (high ** (1 / rho) - low ** (1 / rho))) ** rho
    else:
        expected = np.exp(falling**rho * math.log(high / low)) * low
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    assert sigmas_for("Euler", "Exponential", steps, replace(levels, rho=rho)) == sigmas_for(
        "Euler", "Exponential", steps, levels
    )


def test_times_of_levels_are_the_webuis_bit_for_bit():
    sigmas = float32_levels.trained()
    for sigma in np.geomspace(0.02, 16, 500, dtype=np.float32):
        assert sd1_levels().time_of(float(sigma)) == float(float32_levels.time_of(torch.tensor(sigma), sigmas))


@pytest.mark.parametrize(("sampler", "schedule"), [*product(SAMPLERS, SCHEDULES)])
def test_walks_end_where_those_in_float32_end(sampler: str, schedule: str):
    if schedule in schedules_of(sampler):
        assert difference(sampler, schedule) < LIMITS[sampler][1]


def test_the_last_digit_of_the_levels_would_show():
    """Brownian paths are read to six decimals: levels that are a millionth higher give other noise."""
    found, expected = ours("DPM++ 2M SDE", "Karras")[0, 0], theirs("DPM++ 2M SDE", "Exponential")
    assert float((found - expected).norm()) > 0.1


def test_the_table_of_the_results_is_that_of_the_limits():
    text = RESULTS.read_text()
    assert set(LIMITS) == set(SAMPLERS)
    for sampler, (measured, limit) in LIMITS.items():
        assert f"| {sampler} | {measured:.1e} | {limit:.0e} |" in text

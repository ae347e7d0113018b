"""Levels and walks against the WebUI's arithmetic in float32: the first bit for bit, the second within a table."""

from __future__ import annotations

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

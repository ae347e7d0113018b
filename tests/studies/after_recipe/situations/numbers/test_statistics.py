"""Intervals of many situations: they hold together, also of skewed numbers with heavy tails, and find real losses."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats
from scipy.special import polygamma

from studies.after_recipe.situations.numbers.statistics import (
    IntervalLevel,
    Sample,
    estimates,
    fit_prior,
    inverse_trigamma,
    mean_over,
    t_quantile,
    unskewed,
)

Drawing = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]
RUNS = 200
"""Simulated examinations of a kind: with a rate of 5 %, fewer than 19 of them are false in 99.5 of 100 tests."""

SHAPES: dict[str, Drawing] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "heavy": lambda rng, shape: rng.standard_t(3, shape),
    "catastrophes": lambda rng, shape: rng.standard_normal(shape) * np.where(rng.random(shape) < 0.1, 5, 1),
    "skewed": lambda rng, shape: rng.exponential(1, shape) - 1,
}
SCATTER: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "equal": lambda rng, count: np.ones(count),
    "unequal": lambda rng, count: np.sqrt(6 / rng.chisquare(6, count)),
    "some far larger": lambda rng, count: np.where(rng.random(count) < 0.1, 4.0, 1.0),
}


def samples_of(rows: np.ndarray) -> dict[str, Sample]:
    return {str(number): row for number, row in enumerate(rows)}


def level(situations: int, looks: int = 1) -> IntervalLevel:
    return IntervalLevel(confidence=0.95, comparisons=situations, looks=looks)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scatter", SCATTER)
@pytest.mark.parametrize(("situations", "pictures"), [(6, 4), (24, 4), (24, 12)])
def test_all_intervals_hold_together(shape: str, scatter: str, situations: int, pictures: int) -> None:
    rng, missed = np.random.default_rng(7), 0
    for _ in range(RUNS):
        rows = SHAPES[shape](rng, (situations, pictures)) * SCATTER[scatter](rng, situations)[:, None]
        found = estimates(samples_of(rows), level(2 * situations))  # half of the comparisons: those with one parent
        missed += any(one.low > 0 or one.high < 0 for one in found.values())
    assert missed < 19


def test_without_the_skewness_skewed_numbers_would_be_accused() -> None:
    """So the test above says something of ``unskewed``: Student's t alone fails it."""
    rng, accused = np.random.default_rng(7), 0
    for _ in range(RUNS):
        rows = rng.exponential(1, (24, 12)) - 1
        t = t_quantile(level(48).tail, 24 * 11)
        accused += bool((rows.mean(1) + t * rows.std(1, ddof=1) / math.sqrt(12) < 0).any())
    assert accused > 20


@pytest.mark.parametrize(("pictures", "loss", "found"), [(4, 3.0, 0.8), (8, 2.0, 0.8), (16, 1.5, 0.8)])
def test_a_loss_is_found(pictures: int, loss: float, found: float) -> None:
    rng, hits = np.random.default_rng(3), 0
    for _ in range(60):
        rows = rng.standard_normal((24, pictures))
        rows[5] -= loss
        hits += estimates(samples_of(rows), level(24 * 3))["5"].high < 0
    assert hits / 60 >= found


def test_one_situation_alone_has_the_textbooks_interval() -> None:
    sample = np.array([0.5, 1.5, 1.0, 2.0, 0.0])
    one = estimates({"a": sample}, level(1))["a"]
    low, high = stats.t.interval(0.95, 4, sample.mean(), sample.std(ddof=1) / math.sqrt(5))
    assert (one.low, one.high) == pytest.approx((low, high))
    assert (one.pictures, one.freedom) == (5, 4)


def test_equal_pictures_have_no_doubt_and_a_single_one_has_no_interval() -> None:
    found = estimates({"same": np.zeros(4), "few": np.ones(1)}, level(2))
    assert (found["same"].low, found["same"].high) == (0, 0)
    assert "few" not in found


def test_the_prior_is_that_of_the_numbers() -> None:
    rng = np.random.default_rng(0)
    true = 2.0 * 8 / rng.chisquare(8, 4000)
    measured = true * rng.chisquare(5, 4000) / 5
    prior = fit_prior([*map(float, measured)], [5] * 4000)
    assert (prior.variance, prior.freedom) == (pytest.approx(2.0, rel=0.1), pytest.approx(8, rel=0.2))
    assert fit_prior([1.0, 1.0, 1.0, 1.0], [3] * 4).freedom == math.inf
    assert fit_prior([1.0, 2.0, 0.0, 0.0], [3] * 4).freedom == 0


@pytest.mark.parametrize("value", [1e-4, 0.1, 1.0, 50.0])
def test_the_trigamma_is_inverted(value: float) -> None:
    assert float(polygamma(1, inverse_trigamma(value))) == pytest.approx(value)


def test_quantiles_of_skewed_numbers() -> None:
    assert unskewed(3.0, 0.0, 8) == 3.0
    assert unskewed(-3.0, 1.0, 8) < -3.0 < unskewed(-3.0, -1.0, 8)
    assert unskewed(-3.0, 1.0, 4) == pytest.approx(-3.0 - 19 / 12)
    assert unskewed(-3.0, 1.0, 10**9) == pytest.approx(-3.0, abs=1e-3)


def test_comparisons_and_looks_share_the_error() -> None:
    assert level(10).tail == pytest.approx(0.0025)
    assert level(10, 3).tail == pytest.approx(level(30).tail)


def test_the_mean_over_situations() -> None:
    expected = stats.t.interval(0.95, 2, 2, 1 / math.sqrt(3))
    assert mean_over([1.0, 2.0, 3.0], 0.95) == pytest.approx((2.0, *expected))
    assert mean_over([1.0], 0.95) == (1.0, -math.inf, math.inf)

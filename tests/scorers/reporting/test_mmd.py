"""Discrepancies of sets: exact, 0 on average for equal distributions, and larger the farther apart two sets are."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from scorers.reporting.mmd import SIGMA, cmmd, polynomial_mmd

Measure = Callable[[np.ndarray, np.ndarray], float]


def draw(rng: np.random.Generator, count: int, shift: float = 0.0) -> np.ndarray:
    rows = rng.normal(size=(count, 16)) + np.r_[3.0, shift, np.zeros(14)]
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def gaussian(x: np.ndarray, y: np.ndarray) -> float:
    return float(np.exp(-np.square(x - y).sum() / (2 * SIGMA**2)))


def kid(x: np.ndarray, y: np.ndarray) -> float:
    """With features of length sqrt(d), as those of unit variance have."""
    d = len(x)
    return float(((np.sqrt(d) * x) @ (np.sqrt(d) * y) / d + 1) ** 3)


@pytest.mark.parametrize(("measure", "scale", "kernel"), [(cmmd, 1000, gaussian), (polynomial_mmd, 1, kid)])
def test_by_brute_force(measure: Measure, scale: float, kernel: Callable[[np.ndarray, np.ndarray], float]) -> None:
    rng = np.random.default_rng(0)
    a, b = draw(rng, 5), draw(rng, 4, 1.0)
    within_a = np.mean([kernel(a[i], a[j]) for i in range(5) for j in range(5) if i != j])
    within_b = np.mean([kernel(b[i], b[j]) for i in range(4) for j in range(4) if i != j])
    across = np.mean([kernel(x, y) for x in a for y in b])
    assert measure(a, b) == pytest.approx(scale * (within_a + within_b - 2 * across), rel=1e-6)


@pytest.mark.parametrize("measure", [cmmd, polynomial_mmd])
def test_is_0_on_average_for_equal_distributions(measure: Measure) -> None:
    rng = np.random.default_rng(1)
    values = [measure(draw(rng, 8), draw(rng, 12)) for _ in range(400)]
    noise = np.std(values) / np.sqrt(len(values))
    assert abs(np.mean(values)) < 3 * noise


@pytest.mark.parametrize("measure", [cmmd, polynomial_mmd])
def test_grows_with_the_shift(measure: Measure) -> None:
    rng = np.random.default_rng(2)
    values = [measure(draw(rng, 200), draw(rng, 200, shift)) for shift in (0.0, 0.5, 1.0, 2.0)]
    assert values == sorted(values)
    assert values[1] > 5 * abs(values[0])

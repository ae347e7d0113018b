"""Standard errors against leaving every picture out by hand, and Student's quantiles against tables."""

from __future__ import annotations

import numpy as np
import pytest

from scorers.panel.verdict import degrees_of_freedom, influence, jackknife, paired_difference, shares


def test_influence_of_a_mean_and_of_pairs_is_leaving_one_out() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(7, 3))

    def pairs(x: np.ndarray) -> np.ndarray:
        return np.array([np.mean([x[i] @ x[j] for j in range(len(x)) if j != i]) for i in range(len(x))])

    for degree, contributions_of in ((1, lambda x: x[:, 0]), (2, pairs)):
        whole = contributions_of(points)
        left_out = [contributions_of(np.delete(points, i, axis=0)).mean() for i in range(7)]
        np.testing.assert_allclose(influence(whole, degree), whole.mean() - np.array(left_out), atol=1e-12)


def test_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(1).normal(size=12)
    assert jackknife(influence(values, 1)) == pytest.approx(values.std(ddof=1) / np.sqrt(12))


def test_numbers_that_are_missing_have_no_influence() -> None:
    values = np.array([1.0, np.nan, 3.0, 5.0])
    np.testing.assert_allclose(influence(values, 1), [-1, 0, 0, 1])
    assert jackknife(influence(np.array([1.0, 2.0]), 2)) is None


@pytest.mark.parametrize(
    ("pictures", "table"),
    [(2, 12.7062), (3, 4.30265), (4, 3.18245), (6, 2.57058), (12, 2.20099), (31, 2.04227), (10**6 + 1, 1.95997)],
)
def test_an_interval_is_as_wide_as_students_tables_say(pictures: int, table: float) -> None:
    found = paired_difference(5.0, 2.0, pictures - 1)
    assert (found.mean, found.standard_error) == (5.0, 2.0)
    np.testing.assert_allclose([(found.high - 5) / 2, (5 - found.low) / 2], table, atol=1e-5)


def weighted_pairs(x: np.ndarray, w: np.ndarray) -> np.ndarray:
    """The weighted mean of every row's products with the other rows."""
    others = [[j for j in range(len(x)) if j != i] for i in range(len(x))]
    return np.array([np.average(x[rest] @ x[i], weights=w[rest]) for i, rest in enumerate(others)])


def mean_over_pairs(x: np.ndarray, w: np.ndarray) -> float:
    products = w[:, None] * w * (x @ x.T)
    return float((products.sum() - np.trace(products)) / (w.sum() ** 2 - np.square(w).sum()))


def test_influence_with_weights_is_leaving_one_out() -> None:
    rng = np.random.default_rng(0)
    points, weights = rng.normal(size=(7, 3)), np.array([1.0, 1, 2, 2, 5, 0.5, 3])
    for degree, contributions_of, value_of in (
        (1, lambda x, w: x[:, 0], lambda x, w: np.average(x[:, 0], weights=w)),
        (2, weighted_pairs, mean_over_pairs),
    ):
        whole, value = contributions_of(points, weights), value_of(points, weights)
        assert np.average(whole, weights=shares(weights, degree)) == pytest.approx(value)
        left_out = [value_of(np.delete(points, i, axis=0), np.delete(weights, i)) for i in range(7)]
        np.testing.assert_allclose(influence(whole, degree, weights), value - np.array(left_out), atol=1e-12)
        alike = influence(whole, degree, np.full(7, 2.0))
        np.testing.assert_allclose(alike, influence(whole, degree), atol=1e-12)


def test_missing_numbers_have_no_weight() -> None:
    values, weights = np.array([1.0, np.nan, 3.0, 5.0]), np.array([1.0, 50, 2, 1])
    known = influence(np.delete(values, 1), 1, np.delete(weights, 1))
    np.testing.assert_allclose(influence(values, 1, weights), np.insert(known, 1, 0.0))


def test_intervals_of_weighted_means_hold_what_they_promise() -> None:
    rng = np.random.default_rng(5)
    weights = np.array([8.0] * 3 + [1.0] * 9)
    freedom, covered = degrees_of_freedom(12, weights), list[bool]()
    assert freedom == pytest.approx(33**2 / 201 - 1)
    assert degrees_of_freedom(12, np.full(12, 3.0)) == pytest.approx(degrees_of_freedom(12)) == 11
    for _ in range(2000):
        values = rng.normal(size=12)
        error = jackknife(influence(values, 1, weights))
        assert error is not None
        found = paired_difference(float(np.average(values, weights=weights)), error, freedom)
        covered.append(found.low <= 0 <= found.high)
    assert 0.93 <= np.mean(covered) <= 0.96

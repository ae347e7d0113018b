"""Standard errors against leaving every picture out by hand, and Student's quantiles against tables."""

from __future__ import annotations

import numpy as np
import pytest

from scorers.panel.verdict import influence, jackknife, paired_difference


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
    found = paired_difference(5.0, 2.0, pictures)
    assert (found.mean, found.standard_error) == (5.0, 2.0)
    np.testing.assert_allclose([(found.high - 5) / 2, (5 - found.low) / 2], table, atol=1e-5)

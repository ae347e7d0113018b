"""Trials that were given up early: their values count less."""

from __future__ import annotations

import numpy as np
import pytest

from search.surrogate.covariance import noise_factors
from search.surrogate.gaussian_process import model_of
from search.surrogate.hyperparameters import HyperparameterDensity
from search.surrogate.observations import Observations


def observations(shares: tuple[float, ...], count: int = 30) -> Observations:
    draw = np.random.default_rng(3)
    rows = draw.uniform(size=(count, 3))
    values = -np.square(rows - 0.4).sum(1) + 0.05 * draw.normal(size=count)
    values[7] += 1.0  # by chance
    return Observations(
        rows=tuple(map(tuple, rows.tolist())),
        values=tuple(values.tolist()),
        shot_sets=(0,) * count,
        centre=(0.5, 0.5, 0.5),
        standard_error=0.05,
        shares=shares,
    )


def test_the_variance_is_that_of_the_control_variate() -> None:
    """By chance: the mean of 4 of 16 pictures, less the best one's mean of these, plus its mean of all."""
    draw = np.random.default_rng(0)
    candidate, best = draw.normal(size=(2, 100_000, 16))
    value = candidate[:, :4].mean(1) - best[:, :4].mean(1) + best.mean(1)
    assert value.var() / candidate.mean(1).var() == pytest.approx(noise_factors([4 / 16])[0], rel=0.03)
    assert noise_factors([1.0])[0] == 1


def test_a_trial_that_was_given_up_pulls_the_mean_less() -> None:
    whole, part = observations((1.0,) * 30), observations(tuple(0.25 if n == 7 else 1.0 for n in range(30)))
    assert model_of(part).own_means[7] < model_of(whole).own_means[7] - 0.02


def test_shares_of_1_change_no_bit() -> None:
    one, other = model_of(observations(())), model_of(observations((1.0,) * 30))
    assert np.array_equal(one.own_means, other.own_means)


def test_the_gradient_of_the_density_is_that_of_its_differences() -> None:
    shares = tuple(np.random.default_rng(1).choice([0.25, 0.5, 1.0], 30).tolist())
    density, theta = HyperparameterDensity(observations(shares)), np.full(6, 0.2)
    _, gradient = density.negative_log(theta)
    steps = np.eye(6) * 1e-5
    differences = [(density.negative_log(theta + e)[0] - density.negative_log(theta - e)[0]) / 2e-5 for e in steps]
    assert gradient == pytest.approx(differences, abs=1e-5)

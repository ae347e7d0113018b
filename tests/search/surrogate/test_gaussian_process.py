"""The surrogate: its gradients, its predictions, its random effects of sets of shots."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from search.surrogate.covariance import Array
from search.surrogate.gaussian_process import GaussianProcess, model_of
from search.surrogate.hyperparameters import HyperparameterDensity, hyperparameters
from search.surrogate.observations import Observations, fitted_to


def generator() -> np.random.Generator:
    return np.random.default_rng(3)


def observations_of(count: int = 30, columns: int = 6, *, noise: float = 0.03, top: float = 0.3) -> Observations:
    rng = generator()
    rows = rng.uniform(size=(count, columns))
    values = -np.square(rows - top).sum(1) + noise * rng.normal(size=count)
    return Observations(
        rows=tuple(map(tuple, rows.tolist())),
        values=tuple(values.tolist()),
        shot_sets=(0,) * count,
        centre=(0.4,) * columns,
    )


@pytest.mark.parametrize("given", [{}, {"shot_sets": (0, 1) * 15, "standard_error": 0.3}])
def test_the_gradients_are_those_of_the_functions(given: dict[str, Any]) -> None:
    data = replace(observations_of(), **given)
    density, theta = HyperparameterDensity(data), 0.3 * generator().normal(size=9)
    numeric = approx_fprime(theta, lambda t: density.negative_log(t)[0])
    assert density.negative_log(theta)[1] == pytest.approx(numeric, abs=1e-3)
    model, row = model_of(data), generator().uniform(size=6)
    value, gradient = model.posterior_mean_gradient(row)
    assert value == pytest.approx(model.posterior_mean(row[None])[0])
    assert gradient == pytest.approx(approx_fprime(row, lambda r: model.posterior_mean_gradient(r)[0]), abs=1e-4)


def waves(rng: np.random.Generator, columns: int, size: float) -> Callable[[Array], Array]:
    """A smooth random landscape of a given standard deviation: cosines, as many as make it nearly Gaussian."""
    turns, starts = rng.normal(size=(200, columns)) * 1.5, rng.uniform(0, 2 * np.pi, 200)
    return lambda rows: size * np.sqrt(2 / 200) * np.cos(rows @ turns.T + starts).sum(1)


def promised_too_much(given: bool, sets: int) -> list[float]:
    """By how much the best of many places is worse than expected, where chance is as large as recipes are different."""
    found = list[float]()
    for number in range(40):
        rng = np.random.default_rng(number)
        truth, effects = waves(rng, 4, 1.0), [waves(rng, 4, 0.7) for _ in range(sets)]
        rows = rng.uniform(size=(60, 4))
        owners = tuple(n * sets // 60 for n in range(60))
        values = truth(rows) + np.array([effects[s](row[None])[0] for s, row in zip(owners, rows, strict=True)])
        data = Observations(
            rows=tuple(map(tuple, rows.tolist())), values=tuple(values.tolist()), shot_sets=owners, centre=(0.5,) * 4,
            standard_error=0.7 if given else None,
        )  # fmt: skip
        probe = rng.uniform(size=(400, 4))
        expected = model_of(data).posterior_mean(probe)
        best = int(np.argmax(expected))
        real = truth(probe)
        found.append(float(expected[best] - expected.mean() - real[best] + real.mean()))
    return found


def test_a_random_effect_of_shots_is_not_promised() -> None:
    alone, naive = promised_too_much(True, 1), promised_too_much(False, 1)
    assert np.mean(naive) > 0.5
    assert np.mean(alone) < 0.7 * np.mean(naive)
    honest = promised_too_much(True, 3)
    assert abs(np.mean(honest)) < 2 * np.std(honest, ddof=1) / np.sqrt(len(honest))
    assert np.mean(promised_too_much(False, 3)) > 0.3


def test_leave_one_out_residuals_are_what_the_others_predict() -> None:
    data = observations_of(20)
    theta = hyperparameters(data)
    off = GaussianProcess(data, theta).leave_one_out_residuals
    whole = GaussianProcess(data, theta)
    for n in (0, 7, 19):
        kept = [m for m in range(20) if m != n]
        rest = Observations(
            rows=tuple(data.rows[m] for m in kept),
            values=tuple(data.values[m] for m in kept),
            shot_sets=(0,) * 19,
            centre=data.centre,
        )
        without = GaussianProcess(rest, theta)
        # The same prior for both: hyperparameters are in units of the spread, which the left-out value changes.
        without.mean, without.scale = whole.mean, whole.scale
        without.values = (np.array(rest.values) - whole.mean) / whole.scale
        from scipy.linalg import cho_solve

        without.weights = cho_solve((without.factor(), True), without.values)
        assert off[n] == pytest.approx(
            data.values[n] - without.posterior_mean(np.array(data.rows[n : n + 1]))[0], abs=1e-6
        )


def test_the_noise_is_found_between_none_and_all() -> None:
    assert model_of(observations_of(60, noise=0.2)).noise == pytest.approx(0.2, rel=0.5)
    assert model_of(observations_of(60, noise=0.001)).noise < 0.05


def test_values_on_other_shots_may_be_shifted() -> None:
    data = observations_of(40)
    shifted = Observations(
        rows=data.rows,
        values=tuple(value + 3.0 * (n % 2) for n, value in enumerate(data.values)),
        shot_sets=tuple(n % 2 for n in range(40)),
        centre=data.centre,
    )
    mixed = Observations(rows=data.rows, values=shifted.values, shot_sets=(0,) * 40, centre=data.centre)
    probe = generator().uniform(0.2, 0.6, size=(50, 6))
    truth = -np.square(probe - 0.3).sum(1)

    def error(given: Observations) -> float:
        off = model_of(given).posterior_mean(probe) - truth
        return float(np.std(off))

    assert error(shifted) < 0.1
    assert error(shifted) < 0.5 * error(mixed)


def test_hyperparameters_are_fitted_now_and_then() -> None:
    counts = (5, 10, 19, 20, 199, 212, 399, 400, 455, 519, 520, 1000, 1020)
    fitted = [5, 10, 10, 20, 190, 200, 375, 400, 400, 400, 500, 900, 1000]
    assert [fitted_to(n) for n in counts] == fitted


def test_a_model_keeps_no_number_for_every_pair_of_trials() -> None:
    model = model_of(observations_of(200))
    kept = {name: value.size for name, value in vars(model).items() if isinstance(value, np.ndarray)}
    assert max(kept.values()) == model.rows.size, kept

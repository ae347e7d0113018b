"""The model: its gradients, its predictions, and that it finds a planted top."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from search.space.build import build_space
from search.surrogate.axes import single
from search.surrogate.columns import Columns
from search.surrogate.gaussian_process import Array, Data, Hill, _Prior, fitted_to, hyperparameters, model_of
from search.surrogate.optimum import summit
from search.surrogate.subspace import Subspace


def draw() -> np.random.Generator:
    return np.random.default_rng(3)


def data_of(count: int = 30, columns: int = 6, *, noise: float = 0.03, top: float = 0.3) -> Data:
    drawn = draw()
    rows = drawn.uniform(size=(count, columns))
    values = -np.square(rows - top).sum(1) + noise * drawn.normal(size=count)
    return Data(
        rows=tuple(map(tuple, rows.tolist())),
        values=tuple(values.tolist()),
        sets=(0,) * count,
        centre=(0.4,) * columns,
    )


@pytest.mark.parametrize("told", [{}, {"sets": (0, 1) * 15, "noise": 0.3}])
def test_the_gradients_are_those_of_the_functions(told: dict[str, Any]) -> None:
    data = replace(data_of(), **told)
    prior, theta = _Prior(data), 0.3 * draw().normal(size=9)
    assert prior.surprise(theta)[1] == pytest.approx(approx_fprime(theta, lambda t: prior.surprise(t)[0]), abs=1e-3)
    hill, row = model_of(data), draw().uniform(size=6)
    value, gradient = hill.slope(row)
    assert value == pytest.approx(hill.expected(row[None])[0])
    assert gradient == pytest.approx(approx_fprime(row, lambda r: hill.slope(r)[0]), abs=1e-4)


def waves(drawn: np.random.Generator, columns: int, size: float) -> Callable[[Array], Array]:
    """A smooth random landscape of a given standard deviation: cosines, as many as make it nearly Gaussian."""
    turns, starts = drawn.normal(size=(200, columns)) * 1.5, drawn.uniform(0, 2 * np.pi, 200)
    return lambda rows: size * np.sqrt(2 / 200) * np.cos(rows @ turns.T + starts).sum(1)


def promised_too_much(told: bool, sets: int) -> list[float]:
    """By how much the best of many places is worse than expected, where shots are as lucky as recipes are different."""
    found = list[float]()
    for number in range(40):
        drawn = np.random.default_rng(number)
        truth, lucks = waves(drawn, 4, 1.0), [waves(drawn, 4, 0.7) for _ in range(sets)]
        rows = drawn.uniform(size=(60, 4))
        owners = tuple(n * sets // 60 for n in range(60))
        values = truth(rows) + np.array([lucks[s](row[None])[0] for s, row in zip(owners, rows, strict=True)])
        data = Data(
            rows=tuple(map(tuple, rows.tolist())), values=tuple(values.tolist()), sets=owners, centre=(0.5,) * 4,
            noise=0.7 if told else None,
        )  # fmt: skip
        probe = drawn.uniform(size=(400, 4))
        expected = model_of(data).expected(probe)
        best = int(np.argmax(expected))
        real = truth(probe)
        found.append(float(expected[best] - expected.mean() - real[best] + real.mean()))
    return found


def test_what_shots_make_of_a_recipe_by_chance_is_not_promised() -> None:
    alone, naive = promised_too_much(True, 1), promised_too_much(False, 1)
    assert np.mean(naive) > 0.5
    assert np.mean(alone) < 0.7 * np.mean(naive)
    honest = promised_too_much(True, 3)
    assert abs(np.mean(honest)) < 2 * np.std(honest, ddof=1) / np.sqrt(len(honest))
    assert np.mean(promised_too_much(False, 3)) > 0.3


def test_left_out_values_are_what_the_others_predict() -> None:
    data = data_of(20)
    theta = hyperparameters(data)
    off = Hill(data, theta).left_out()
    whole = Hill(data, theta)
    for n in (0, 7, 19):
        kept = [m for m in range(20) if m != n]
        rest = Data(
            rows=tuple(data.rows[m] for m in kept),
            values=tuple(data.values[m] for m in kept),
            sets=(0,) * 19,
            centre=data.centre,
        )
        without = Hill(rest, theta)
        # The same prior for both: hyperparameters are in units of the spread, which the left-out value changes.
        without.middle, without.spread = whole.middle, whole.spread
        without.values = (np.array(rest.values) - whole.middle) / whole.spread
        from scipy.linalg import cho_solve

        without.weights = cho_solve((without.factor, True), without.values)
        assert off[n] == pytest.approx(data.values[n] - without.expected(np.array(data.rows[n : n + 1]))[0], abs=1e-6)


def test_the_noise_is_found_between_none_and_all() -> None:
    assert model_of(data_of(60, noise=0.2)).noise == pytest.approx(0.2, rel=0.5)
    assert model_of(data_of(60, noise=0.001)).noise < 0.05


def test_values_on_other_shots_may_be_shifted() -> None:
    data = data_of(40)
    shifted = Data(
        rows=data.rows,
        values=tuple(value + 3.0 * (n % 2) for n, value in enumerate(data.values)),
        sets=tuple(n % 2 for n in range(40)),
        centre=data.centre,
    )
    mixed = Data(rows=data.rows, values=shifted.values, sets=(0,) * 40, centre=data.centre)
    probe = draw().uniform(0.2, 0.6, size=(50, 6))
    truth = -np.square(probe - 0.3).sum(1)

    def error(given: Data) -> float:
        off = model_of(given).expected(probe) - truth
        return float(np.std(off))

    assert error(shifted) < 0.1
    assert error(shifted) < 0.5 * error(mixed)


def test_hyperparameters_are_fitted_now_and_then() -> None:
    assert [fitted_to(n) for n in (5, 10, 19, 20, 199, 212, 399, 455, 1000)] == [
        5,
        10,
        10,
        20,
        190,
        200,
        375,
        400,
        1000,
    ]


def test_a_planted_top_is_climbed_and_recommendations_stay_among_the_best_trials() -> None:
    space = build_space(freeze={f"{side}{n:02d}": 0.3 for side in ("IN", "OUT") for n in range(9)})
    columns, axes = Columns.of(space), single(space.free)
    rows = draw().uniform(0.2, 0.9, size=(80, len(axes)))
    data = Data(
        rows=tuple(map(tuple, rows.tolist())),
        values=tuple((-np.square(rows - 0.1).sum(1)).tolist()),
        sets=(0,) * 80,
        centre=(0.5,) * len(axes),
    )
    where = Subspace(axes=axes, fixed=tuple(space.flat(0.5).items()), columns=columns)
    beyond, _ = summit(data, where, within=False)
    within, _ = summit(data, where)
    assert np.array(beyond) == pytest.approx(0.1, abs=0.08)
    best = rows[np.argsort(-np.array(data.values))[:20]]
    assert (np.array(within) >= rows.min(0) - 1e-9).all()
    assert (np.array(within) <= best.max(0) + 0.1).all()
    assert max(within) < 0.35

"""The optimum of the surrogate: a planted one is found, and recommendations stay among the best trials."""

from __future__ import annotations

import numpy as np
import pytest

from search.space.build import build_space
from search.surrogate.axes import single
from search.surrogate.covariance import Array
from search.surrogate.encoding import PointEncoding
from search.surrogate.observations import Observations
from search.surrogate.optimum import effects, optimum, worth_at
from search.surrogate.subspace import Subspace

SPACE = build_space(freeze={f"{side}{n:02d}": 0.3 for side in ("IN", "OUT") for n in range(9)})
ROWS = np.random.default_rng(3).uniform(0.2, 0.9, size=(80, len(SPACE.free)))
SUBSPACE = Subspace(axes=single(SPACE.free), fixed=tuple(SPACE.flat(0.5).items()), encoding=PointEncoding.of(SPACE))


def observed(values: Array) -> Observations:
    rows = tuple(map(tuple, ROWS.tolist()))
    return Observations(
        rows=rows, values=tuple(values.tolist()), shot_sets=(0,) * 80, centre=(0.5,) * ROWS.shape[1]
    )  # fmt: skip


def test_a_planted_optimum_is_found_and_recommendations_stay_among_the_best_trials() -> None:
    observations = observed(-np.square(ROWS - 0.1).sum(1))
    beyond, within = optimum(observations, SUBSPACE, within=False), optimum(observations, SUBSPACE)
    assert np.array(beyond.position) == pytest.approx(0.1, abs=0.08)
    best = ROWS[np.argsort(-np.array(observations.values))[:20]]
    assert (np.array(within.position) >= ROWS.min(0) - 1e-9).all()
    assert (np.array(within.position) <= best.max(0) + 0.1).all()
    assert max(within.position) < 0.35
    assert worth_at(observations, SUBSPACE, beyond) > worth_at(observations, SUBSPACE, within)


def test_only_axes_that_change_the_objective_have_an_effect() -> None:
    observations = observed(-np.square(ROWS[:, 0] - 0.1))
    first, *others = effects(observations, SUBSPACE)
    assert first > 10 * max(others)

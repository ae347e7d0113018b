"""The reported read-outs: the projection is 0 at the recipes and 1 at the references, the margin is CSLS."""

from __future__ import annotations

import numpy as np
import pytest

from scorers.base import Calibration
from scorers.errors import ScorerError
from scorers.scoring.readouts import CROWD, NEAREST, Margin, Projection
from tests.scorers.plain_features import features_of

DIRECTION = np.array([1.0, 0, 0, 0, 0, 0, 0, 0])


def world(references: int, away: float, seed: int = 0) -> Calibration:
    """Recipes along the first axis from -1 to 1, references at ``away``; contents scatter along all others."""
    rng = np.random.default_rng(seed)
    contents = rng.normal(size=(12, 8)) * (1 - DIRECTION)

    def recipe(at: float) -> np.ndarray:
        return contents + at * DIRECTION + 0.05 * rng.normal(size=(12, 8))

    around = rng.normal(size=(references, 8)) * (1 - DIRECTION) + away * DIRECTION
    return Calibration(
        recipes={label: features_of(recipe(at)) for label, at in (("A", -1.0), ("FLAT_50", 0.0), ("B", 1.0))},
        references=features_of(around + 0.05 * rng.normal(size=(references, 8))),
    )


def test_projection_is_0_at_the_recipes_mean_and_1_at_the_references_on_average() -> None:
    """Also with few references, whose scatter makes their mean look farther away than it is."""
    at_references = []
    for seed in range(40):
        calibration = world(6, 1.0, seed)
        along = Projection("clip")
        along.fit(calibration)
        values = [along(features).mean() for features in calibration.recipes.values()]
        assert np.mean(values) == pytest.approx(0, abs=1e-6)
        assert values == sorted(values)
        at_references.append(along(features_of(DIRECTION[None] + 0 * DIRECTION)).mean())
    assert np.mean(at_references) == pytest.approx(1, abs=0.1)


def test_margin_by_brute_force() -> None:
    calibration = world(5, 1.0)
    margin = Margin("clip")
    margin.fit(calibration)
    recipe = calibration.recipes["B"]
    x, r = recipe.embedding("clip").astype(float), calibration.references.embedding("clip").astype(float)
    crowds = [f.embedding("clip").astype(float) for f in calibration.recipes.values()]
    hub = np.sort(r @ np.concatenate(crowds).T, axis=1)[:, -CROWD:].mean(1)
    for i, value in enumerate(margin(recipe)):
        near = np.mean(sorted(2 * (x[i] @ r.T) - hub)[-NEAREST:])
        others = np.concatenate([np.delete(crowd, i, axis=0) for crowd in crowds])
        assert value == pytest.approx(near - np.mean(sorted(others @ x[i])[-CROWD:]), rel=1e-5)


def test_one_reference_is_enough_for_the_margin() -> None:
    calibration = world(1, 2.0)
    margin = Margin("clip")
    margin.fit(calibration)
    values = [margin(features).mean() for features in calibration.recipes.values()]
    assert values == sorted(values)


@pytest.mark.parametrize("scorer", [Projection("clip"), Margin("clip")])
def test_what_is_not_fitted_says_so(scorer: Projection | Margin) -> None:
    with pytest.raises(ScorerError, match=f"{scorer.name}: not fitted"):
        scorer(features_of(np.ones((3, 4))))


def test_references_amidst_the_recipes_give_no_direction() -> None:
    same = features_of(np.eye(4))
    with pytest.raises(ScorerError, match="there is no direction"):
        Projection("clip").fit(Calibration(recipes={"A": same, "B": same}, references=same))

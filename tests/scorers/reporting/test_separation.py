"""Whether references are separable from renders: .5 where nothing separates them, 1 where everything does."""

from __future__ import annotations

import numpy as np
import pytest

from scorers.base import Calibration
from scorers.reporting.separation import Separation, separation
from tests.scorers.plain_features import features_of


def world(away: float, seed: int, dimensions: int = 24) -> Calibration:
    """Recipes A and B at -1 and 1 along an axis, references at ``away`` along it; as many pictures as dimensions."""
    rng = np.random.default_rng(seed)
    axis = np.eye(dimensions)[0]
    recipes = {label: features_of(rng.normal(size=(12, dimensions)) + at * axis) for label, at in (("A", -1), ("B", 1))}
    return Calibration(recipes=recipes, references=features_of(rng.normal(size=(10, dimensions)) + away * axis))


def test_the_direction_is_not_fitted_to_what_it_is_tried_on() -> None:
    """References like B's pictures come out at chance; scored in sample they would be separable."""
    areas = [separation(world(1.0, seed), "clip").areas["B"] for seed in range(30)]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.06)


def test_far_references_are_separable() -> None:
    found = separation(world(6.0, 0), "clip")
    assert min(found.areas.values()) > 0.95
    assert found.defines_direction
    assert found.text.startswith("references: separable from the calibration renders")


def test_references_between_the_recipes_separate_better_from_the_far_one() -> None:
    areas = [separation(world(0.8, seed), "clip").areas for seed in range(20)]
    assert np.mean([area["A"] for area in areas]) > np.mean([area["B"] for area in areas]) + 0.1


def test_references_that_separate_from_none_give_a_remark() -> None:
    found = Separation(areas={"A": 0.7, "FLAT_50": 0.48, "B": 0.66})
    assert not found.defines_direction
    assert "do not define a direction" in found.text
    assert "AUC 0.70 against A, 0.48 against FLAT_50" in found.text


def test_equal_areas_are_named_once() -> None:
    assert "(AUC 1.00 against each of them)" in Separation(areas={"A": 1.0, "B": 1.0}).text

"""Designs: orthogonal columns, effects that come out as they were planted, clear of interactions of two knobs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from studies.after_recipe.probe.designs.design import HIGH, LOW, ProbeDesign, one_at_a_time, screening
from studies.after_recipe.probe.designs.hadamard import hadamard, order_for
from studies.results.probe import SCREEN

KNOBS = tuple(f"K{number}" for number in range(26))


@pytest.mark.parametrize("order", [4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 56, 60, 72, 112])
def test_hadamard_matrices_are_orthogonal(order: int) -> None:
    matrix = hadamard(order).astype(int)
    assert set(np.unique(matrix)) == {-1, 1}
    assert (matrix[:, 0] == 1).all()
    assert (matrix.T @ matrix == order * np.eye(order, dtype=int)).all()


def test_an_order_that_is_not_constructed_is_passed_over() -> None:
    assert [order_for(columns) for columns in (1, 5, 27, 28, 29, 49, 50)] == [4, 8, 28, 28, 32, 56, 56]
    with pytest.raises(ValueError, match="52"):
        hadamard(52)


def test_26_knobs_take_54_recipes_one_at_a_time_and_56_by_screening() -> None:
    assert len(one_at_a_time(KNOBS).recipes) == 54
    assert len(screening(KNOBS).recipes) == 56


def test_one_knob_moves_at_a_time() -> None:
    design = one_at_a_time(("IN00", "OUT05"))
    assert [dict(recipe.levels) for recipe in design.recipes] == [
        {}, {}, {"IN00": LOW}, {"IN00": HIGH}, {"OUT05": LOW}, {"OUT05": HIGH}
    ]  # fmt: skip
    assert [recipe.nudged for recipe in design.recipes] == [False, True, False, False, False, False]


def answers(design: ProbeDesign, slopes: np.ndarray, products: dict[tuple[int, int], float]) -> np.ndarray:
    """What recipes would measure with these slopes and interactions of two knobs."""
    levels = np.array([[recipe.levels.get(knob, 0) for knob in design.knobs] for recipe in design.recipes], float)
    mixed = sum(size * levels[:, one] * levels[:, other] for (one, other), size in products.items())
    return 10 + levels @ slopes + mixed


@pytest.mark.parametrize("design", [one_at_a_time(KNOBS), screening(KNOBS)], ids=["one", "screening"])
def test_effects_are_those_that_were_planted_whatever_pairs_do_together(design: ProbeDesign) -> None:
    slopes = np.random.default_rng(1).normal(size=26)
    measured = answers(design, slopes, {(0, 1): 3.0, (4, 9): -2.0, (7, 25): 5.0})
    readings = design.readings()
    assert np.allclose(readings.effect @ measured, 2 * slopes)
    assert np.allclose(readings.high @ measured, slopes)
    assert np.allclose(readings.low @ measured, -slopes)


def test_without_the_opposite_recipes_interactions_pass_for_effects() -> None:
    design = screening(KNOBS)
    half = design.readings(range(28)).effect
    whole = replace(design, recipes=design.recipes[:28], unused=()).readings().effect
    assert np.isnan(half).all()
    assert np.allclose(whole @ answers(design, np.zeros(26), {})[:28], 0)
    assert np.abs(whole @ answers(design, np.zeros(26), {(0, 1): 3.0})[:28]).max() > 0.5


def test_a_screening_is_as_precise_as_many_times_the_pictures() -> None:
    one, screen = one_at_a_time(KNOBS).readings().effect, screening(KNOBS).readings().effect
    assert np.allclose(np.square(one).sum(1), 2)
    assert np.allclose(np.square(screen).sum(1), 4 / 56)


def test_unused_columns_say_nothing_of_knobs_and_have_the_same_scale() -> None:
    for count in (1, 2, 3, 26, 27, 28, 47, 48):
        assert len(screening([f"K{number}" for number in range(count)]).unused) >= 2
    design = screening(KNOBS)
    floor = design.readings().floor
    assert len(floor) == 2
    assert np.allclose(floor @ answers(design, np.ones(26), {}), 0)
    assert np.allclose(np.square(floor).sum(1), 4 / 56)


def test_recipes_that_gave_no_picture_are_left_out() -> None:
    one = one_at_a_time(("IN00", "OUT05"))
    readings = one.readings([0, 1, 2, 4, 5])
    assert np.isnan(readings.effect[0]).all()
    assert np.isfinite(readings.effect[1]).all()
    assert np.isfinite(readings.low[0]).all()
    screen = screening(KNOBS)
    slopes, made = np.arange(26.0), [place for place in range(56) if place not in (3, 20, 41)]
    assert np.allclose(screen.readings(made).effect @ answers(screen, slopes, {})[made], 2 * slopes)
    assert np.isnan(screen.readings(range(10)).effect).all()


def test_knobs_that_go_a_part_of_the_way_are_scaled_back() -> None:
    design = screening(KNOBS, {"K3": 0.2, "K7": 0.5})
    assert {abs(recipe.levels["K3"]) for recipe in design.recipes} == {0.2}
    slopes = np.arange(26.0)
    readings = design.readings()
    assert np.allclose(readings.effect @ answers(design, slopes, {(0, 3): 2.0}), 2 * slopes)
    assert readings.reach.tolist() == [0.2 if knob == "K3" else 0.5 if knob == "K7" else 1.0 for knob in KNOBS]


def test_every_effect_is_a_difference() -> None:
    for design in (one_at_a_time(KNOBS), screening(KNOBS)):
        readings = design.readings()
        for rows in (readings.effect, readings.low, readings.high, readings.floor):
            assert np.allclose(rows.sum(1), 0)
    assert screening(KNOBS).method == SCREEN

"""What the benchmark of probes computes of effects that are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from engine.recipes.recipe import Recipe
from search.plan import SearchPlan
from studies.after_recipe.probe.designs.design import one_at_a_time, screening
from studies.results.probe import ONE, SCREEN
from tests.benchmarks.after_recipe.bench_probe import BruteEffects, area, coverage, rank_correlations, wrong_signs
from tests.benchmarks.after_recipe.bench_probe_begin import begun_with, probe_points, summary
from tests.benchmarks.after_recipe.brute_force import every_recipe, knob_ends
from tests.benchmarks.plants.planted import SPACE
from tests.studies.after_recipe.probe.made_up import made_up


def test_every_knob_of_the_demo_has_two_ends_and_no_recipe_comes_twice() -> None:
    ends = knob_ends()
    recipes = every_recipe(ends)
    assert [one.name for one in ends][:2] == ["BASE", "IN00"]
    assert {one.name for one in ends[26:]} == {"self:OUT09:attn1", "self:OUT09:attn2", "adjust:CONT", "adjust:COL1"}
    assert len(recipes) == len(set(recipes.values())) == 2 * 30  # BASE low is the middle
    assert recipes["middle"] == Recipe.flat(0.5)


def test_the_area_is_one_where_all_come_first_and_a_half_for_ties() -> None:
    is_one = np.array([True, True, False, False])
    assert area(np.array([4.0, 3, 2, 1]), is_one) == 1
    assert area(np.array([1.0, 2, 3, 4]), is_one) == 0
    assert area(np.ones(4), is_one) == 0.5


def test_intervals_of_independent_shots_hold_what_they_promise_and_those_of_sets_that_vary_do_not() -> None:
    draw = np.random.default_rng(3)
    fair = coverage([draw.normal(1, 2, 80) for _ in range(300)], 8)
    assert fair.held == pytest.approx(0.95, abs=0.015)
    assert fair.ratio == pytest.approx(1, abs=0.05)
    order = np.random.default_rng(1).permutation(80)
    shifted = [np.empty(80) for _ in range(300)]
    for one in shifted:
        one[order] = draw.normal(size=80) + np.repeat(draw.normal(0, 2, 10), 8)
    assert coverage(shifted, 8).held < 0.7


def test_ranks_and_signs_are_held_against_brute_force() -> None:
    result = made_up()
    truth = {(one.knob, one.column): np.full(4, one.effect) for one in result.effects if one.method == ONE}
    brute = BruteEffects(by_shot=truth)
    assert rank_correlations(result, brute, "detail") == pytest.approx({ONE: 1, SCREEN: 1})
    assert wrong_signs(result, brute, ONE)[1] == 0
    turned = BruteEffects(by_shot={key: -value for key, value in truth.items()})
    count, wrong = wrong_signs(result, turned, SCREEN)
    assert count == wrong > 10


def test_a_search_begins_with_the_recipes_of_a_probe() -> None:
    assert len(probe_points(one_at_a_time)) == 2 * len(SPACE.free) + 1
    assert len(probe_points(screening)) == 2 * 32 + 1
    points = probe_points(one_at_a_time)
    trials = [
        replace(one, number=n, point=points[n], value=points[n]["OUT05"] - 0.5)
        for n, one in enumerate([_trial()] * len(points))
    ]
    plan = begun_with(trials, 1, SearchPlan())
    assert plan.earlier is not None
    assert plan.beginnings[0].point["OUT05"] > 0.8


def _trial():
    from search.history import TrialRecord

    return TrialRecord(number=0, stage="blocks", point={}, value=0.0, standard_error=0.05)


def test_the_summary_compares_with_the_search_alone() -> None:
    found = [
        {"way": way, "plant": str(plant), "seed": 1, "part": part + 0.1 * plant}
        for way, part in (("alone", 0.5), ("screening", 0.6))
        for plant in range(3)
    ]
    assert summary(found) == [
        "alone: part 0.600, against alone +0.000 +- 0.000 (3 runs)",
        "screening: part 0.700, against alone +0.100 +- 0.000 (3 runs)",
    ]

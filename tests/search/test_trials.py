"""The trials of a search: which were tried, which are FLAT mixes, and what a stage is allowed to see of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from search.errors import SearchError
from search.history import TrialRecord
from search.plan import InitialRecipe, SearchPlan
from search.space.build import build_space
from search.trials import SearchTrials, stage_of

SPACE = build_space(adjust=("CONT",))
HALF = SPACE.flat(0.5)
MIXED = {**HALF, "OUT05": 0.75}


def trial(number: int, stage: str, point: dict[str, float], value: float | None, **more: object) -> TrialRecord:
    return replace(TrialRecord(number=number, stage=stage, point=point, value=value), **more)


def trials_of(*history: TrialRecord, plan: SearchPlan | None = None) -> SearchTrials:
    return SearchTrials(SPACE, plan or SearchPlan(), history)


def test_trials_are_in_order_and_counted_by_stage_with_those_that_failed() -> None:
    trials = trials_of(trial(2, "groups", MIXED, None), trial(0, "flat", HALF, 1.0), trial(1, "flat", MIXED, None))
    assert [record.number for record in trials.records] == [0, 1, 2]
    assert (len(trials), trials.count("flat"), trials.count("groups"), trials.count("blocks")) == (3, 2, 1, 0)


def test_a_point_of_another_space_is_refused() -> None:
    with pytest.raises(SearchError, match="adjust:CONT"):
        trials_of(trial(0, "flat", {name: 0.5 for name in HALF if name != "adjust:CONT"}, 1.0))


def test_a_recipe_is_tried_on_the_shots_it_was_tried_on() -> None:
    trials = trials_of(trial(0, "blocks", MIXED, None, slots=(1, 2)))
    assert trials.is_tried(dict(MIXED), (1, 2))
    assert not trials.is_tried(MIXED, (0, 2))
    assert not trials.is_tried(HALF, (1, 2))


def test_flat_mixes_are_those_of_one_ratio_and_what_the_plan_begins_with() -> None:
    history = [
        trial(0, "flat", HALF, 1.0),
        trial(1, "flat", MIXED, 2.0),
        trial(2, "flat", {**HALF, "IN04": 0.1}, 3.0),
        trial(3, "groups", SPACE.flat(0.25), 4.0),
    ]
    begun = SearchPlan(beginnings=(InitialRecipe(label="mine", point=MIXED),))
    assert [one.number for one in trials_of(*history).flat_mixes] == [0]
    assert [one.number for one in trials_of(*history, plan=begun).flat_mixes] == [0, 1]


def test_a_stage_sees_neither_later_stages_nor_more_of_its_own_than_asked() -> None:
    stages = ("flat", "groups", "groups", "blocks", "refine")
    trials = trials_of(*(trial(n, stage, SPACE.flat(n / 8), float(n)) for n, stage in enumerate(stages)))
    seen = [trials.observed("groups", 1), trials.observed("groups"), trials.observed()]
    assert [[one.number for one, _ in observed] for observed in seen] == [[0, 1], [0, 1, 2], [0, 1, 2, 3, 4]]


def test_moved_knobs_are_those_that_the_stages_between_did_not_leave_in_one_place() -> None:
    trials = trials_of(
        trial(0, "flat", SPACE.flat(0.0), 1.0),
        trial(1, "blocks", HALF, 1.0),
        trial(2, "blocks", MIXED, 1.0),
        trial(3, "adjust", {**HALF, "adjust:CONT": 1.0}, None),
        trial(4, "refine", {**HALF, "IN04": 0.1}, 1.0),
    )
    assert trials.moved == {"OUT05"}


def test_the_noise_is_a_part_of_what_the_values_of_stage_flat_differ_by() -> None:
    flat = [trial(n, "flat", SPACE.flat(n / 4), 2.0 * n, standard_error=error) for n, error in enumerate((0.1, 0.5, 9))]
    assert trials_of(*flat, trial(7, "groups", MIXED, 9.0, standard_error=5.0)).relative_noise == 0.5 / 2.0
    assert trials_of(*(replace(one, standard_error=None) for one in flat)).relative_noise == 0.0


def test_three_flat_mixes_of_one_value_are_constant() -> None:
    same = [trial(n, "flat", SPACE.flat(n / 4), 1.5) for n in range(3)]
    assert trials_of(*same).is_constant
    assert not trials_of(*same[:2]).is_constant
    assert not trials_of(*same[:2], trial(2, "flat", SPACE.flat(0.5), 1.51)).is_constant


def test_a_stage_that_this_version_does_not_know_counts_as_the_last() -> None:
    assert stage_of(trial(0, "blocks", HALF, 1.0)) == "blocks"
    assert stage_of(trial(0, "polish", HALF, 1.0)) == "refine"

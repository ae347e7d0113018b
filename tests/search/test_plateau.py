"""Plateaus: trials go wide where the FLAT line tells nothing, and near what stands out."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from search.history import Point, TrialRecord
from search.plan import STAGES, SearchPlan
from search.plateau import first_outstanding, noise_of_level
from search.space.build import DEFAULT_GROUPS, build_space
from search.state import SearchState
from search.suggester import Suggester
from search.surrogate.axes import axes_of
from search.surrogate.encoding import PointEncoding
from search.surrogate.wide import trials_by_group, wide_by_group

SPACE = build_space()
ERROR = 0.02
PLAN = SearchPlan(self_mode=0, adjust=0)
HIDDEN = {
    block: level
    for blocks, level in zip(DEFAULT_GROUPS.values(), (0.9, 0.1, 0.1, 0.9, 0.9, 0.1), strict=True)
    for block in blocks
}


def needle(point: Point) -> float:
    """1 at a recipe that takes its groups from one parent each, 0 wherever groups lie 0.35 from it on the average."""
    away = sum((point[block] - level) ** 2 for block, level in HIDDEN.items()) / len(HIDDEN)
    return max(0.0, 1 - away**0.5 / 0.35)


def history_of(
    value: Callable[[Point], float], most: int, plan: SearchPlan = PLAN, error: float | None = ERROR
) -> list[TrialRecord]:
    """A search that knows the standard error of its trials."""
    suggester, history = Suggester(space=SPACE, plan=plan, seed=1), list[TrialRecord]()
    while len(history) < most and (proposal := suggester.next(history)) is not None:
        noisy = value(proposal.point) + random.Random(len(history)).gauss(0, ERROR)
        trial = TrialRecord(number=len(history), stage=proposal.stage, point=proposal.point, value=noisy)
        history.append(replace(trial, standard_error=error))
    return history


@pytest.mark.parametrize("error", [ERROR, None])
def test_a_recipe_far_from_a_level_line_is_found(error: float | None) -> None:
    assert max(needle(SPACE.flat(ratio)) for ratio in np.linspace(0, 1, 21)) == 0
    history = history_of(needle, 70, error=error)
    found = Suggester(space=SPACE, plan=PLAN, seed=1).recommended(history)
    assert needle(found) > 0.8


def test_near_trials_begin_where_something_stands_out_and_the_plan_keeps_its_length() -> None:
    suggester, history = Suggester(space=SPACE, plan=PLAN, seed=1), history_of(needle, 60)
    state = SearchState(SPACE, PLAN, history)
    place = state.trials.outstanding
    assert place is not None
    assert history[place].stage == "groups"
    centre = state.trials.observations()
    assert centre is not None
    assert centre.centre == PointEncoding.of(SPACE).row(history[place].point)
    groups = [one.point for one in history if one.stage == "groups"]
    assert len(groups) == 10 + groups.index(history[place].point) + 1
    planned = {stage: state.planned(stage) for stage in STAGES}
    assert planned == suggester.planned(history)
    assert sum(planned.values()) == suggester.total
    held = replace(suggester, lends=False)
    assert held.planned(history) == {stage: suggester.trials(stage) for stage in STAGES}
    assert [one.is_open for one in held.statuses(history[:22])][1] is False, "ten trials of groups were made"
    near = history[place + 1 : place + 5]
    assert all(max(abs(one.point[name] - history[place].point[name]) for name in HIDDEN) < 0.5 for one in near)


def test_without_anything_to_find_trials_go_wide_and_stages_end_without_effect() -> None:
    suggester, whole = Suggester(space=SPACE, plan=PLAN, seed=1), list[TrialRecord]()
    while (proposal := suggester.next(whole)) is not None:
        number, noise = len(whole), random.Random(len(whole)).gauss(0, ERROR)
        trial = TrialRecord(number=number, stage=proposal.stage, point=proposal.point, value=noise)
        whole.append(replace(trial, standard_error=ERROR))
    status = {one.stage: one.status for one in suggester.statuses(whole)}
    assert status["groups"] == status["blocks"] == "no effect"
    assert status["refine"] == "skipped"
    spread = np.array([[one.point[block] for block in HIDDEN] for one in whole if one.stage == "groups"])
    assert spread.std(0).min() > 0.2


def test_a_slope_along_the_line_is_no_plateau_and_nothing_goes_wide() -> None:
    history = history_of(lambda point: -((point["OUT05"] - 0.4) ** 2), 24)
    assert SearchState(SPACE, PLAN, history).trials.noise_of_plateau is None
    moved = [abs(one.point["OUT05"] - 0.4) for one in history if one.stage == "groups"]
    assert max(moved) < 0.4


def test_every_assignment_of_parents_to_seven_groups_is_near_a_wide_trial() -> None:
    axes = axes_of("groups", build_space(bounds={"BASE": (0, 1)}))
    assert len(axes) == 7
    assert trials_by_group(7) == 28
    alone = np.array([wide_by_group(axes, number, (1, 2)).position for number in range(14, 28)])
    assert set(alone.ravel()) == {0.0, 1.0}
    corners = np.array([[n >> bit & 1 for bit in range(7)] for n in range(1, 127)])
    wrong = np.abs(corners[:, None] - np.vstack([alone, np.zeros(7), np.ones(7)])).sum(2).min(1)
    assert wrong.max() == 1


def test_wide_trials_stay_within_narrow_bounds() -> None:
    axes = axes_of("groups", build_space(ratios=(0.3, 0.6)))
    positions = [wide_by_group(axes, number, (1, 2)).position for number in range(28)]
    assert {round(place, 3) for position in positions for place in position} == {0.0, 1.0}


def test_values_are_level_as_far_as_their_error_explains() -> None:
    line = [(0.0, 0.1), (0.25, -0.1), (0.5, 0.2), (0.75, 0.0), (1.0, -0.1), (0.6, 0.1)]
    assert noise_of_level(line, 0.15) == 0.15
    assert noise_of_level(line, 0.02) is None
    assert noise_of_level(line, None) == pytest.approx(np.std([value for _, value in line], ddof=1))
    curved = [(place, value - 4 * (place - 0.4) ** 2) for place, value in line]
    assert noise_of_level(curved, None) is None
    assert noise_of_level(line[:3], 0.15) is None
    assert noise_of_level(line[:5], None) is None


def test_a_trial_stands_out_of_the_level_of_its_own_shots() -> None:
    def trial(number: int, value: float, *slots: int) -> TrialRecord:
        return TrialRecord(number=number, stage="flat", point=SPACE.flat(0.5), value=value, slots=slots)

    flat = [trial(n, 0.1 * (-1) ** n, 0, 1) for n in range(6)]
    shifted = [trial(6 + n, 1.0 + 0.1 * (-1) ** n, 2, 3) for n in range(5)]
    assert first_outstanding([*flat, *shifted], flat, 0.1) is None
    assert first_outstanding([*flat, *shifted, trial(11, 1.5, 2, 3)], flat, 0.1) == 11
    assert first_outstanding([*flat, trial(6, 0.4, 0, 1)], flat, 0.1) == 6
    assert first_outstanding([*flat, trial(6, 0.6, 9)], flat, 0.1) is None, "shots of which nothing is known"

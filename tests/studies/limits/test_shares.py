"""How the time of a night is shared out among the stages."""

from __future__ import annotations

from math import inf

import pytest

from search.plan import STAGES, Stage
from studies.limits.shares import Room, shortened

WHOLE: dict[Stage, int] = {"flat": 8, "groups": 10, "blocks": 60, "self": 16, "adjust": 16, "refine": 20}
NONE: dict[Stage, int] = dict.fromkeys(STAGES, 0)
SHOTS: dict[Stage, int] = {**dict.fromkeys(STAGES, 8), "refine": 16}


def test_without_a_limit_every_stage_has_all_its_trials() -> None:
    assert shortened(WHOLE, NONE, NONE, SHOTS, Room()) == WHOLE
    assert shortened(WHOLE, NONE, NONE, SHOTS, Room(trials=130, pictures=inf)) == WHOLE


@pytest.mark.parametrize("trials", range(20, 130, 7))
def test_stages_are_shortened_in_one_proportion_and_fill_the_night(trials: int) -> None:
    planned = shortened(WHOLE, NONE, NONE, SHOTS, Room(trials=trials))
    assert sum(planned.values()) == trials
    assert planned["flat"] == WHOLE["flat"]
    others: dict[Stage, int] = {stage: planned[stage] for stage in STAGES[1:] if planned[stage]}
    part = (trials - 8) / sum(WHOLE[stage] for stage in others)
    assert all(abs(count - part * WHOLE[stage]) < 1 for stage, count in others.items())
    assert all(count >= 4 for count in others.values())


def test_pictures_count_where_stages_draw_different_numbers() -> None:
    planned = shortened(WHOLE, NONE, NONE, SHOTS, Room(pictures=600))
    assert 600 - 16 < sum(planned[stage] * SHOTS[stage] for stage in STAGES) <= 600
    assert planned["refine"] * 3 == pytest.approx(planned["blocks"], abs=3)


def test_a_stage_that_would_have_a_trial_or_two_is_left_out() -> None:
    planned = shortened(WHOLE, NONE, NONE, SHOTS, Room(trials=24))
    assert planned == {"flat": 8, "groups": 0, "blocks": 12, "self": 0, "adjust": 0, "refine": 4}
    small: dict[Stage, int] = {**NONE, "flat": 5, "groups": 2, "blocks": 60}
    assert shortened(small, NONE, NONE, SHOTS, Room(trials=40))["groups"] == 0, "a part of two is one at most"
    assert shortened(small, NONE, NONE, SHOTS, Room(trials=67))["groups"] == 2


def test_the_last_stage_takes_what_is_left_however_little() -> None:
    planned = shortened(WHOLE, NONE, NONE, SHOTS, Room(trials=10))
    assert planned == {**NONE, "flat": 8, "blocks": 2}


def test_a_night_whose_speed_stays_keeps_its_plan_to_the_end() -> None:
    """What was planned first is what comes out: no stage takes more when it is asked again after every trial."""
    now: dict[Stage, int] = {**NONE}
    first = shortened(WHOLE, NONE, now, SHOTS, Room(trials=70))
    for left in range(70, 0, -1):
        planned = shortened(WHOLE, NONE, now, SHOTS, Room(trials=left))
        assert planned == first
        stage: Stage = next(stage for stage in STAGES if now[stage] < planned[stage])
        now[stage] += 1
    assert now == first


def test_a_night_never_goes_back_to_an_earlier_stage() -> None:
    now: dict[Stage, int] = {**NONE, "flat": 8, "groups": 3, "blocks": 20, "self": 2}
    planned = shortened(WHOLE, NONE, now, SHOTS, Room(trials=100))
    assert (planned["groups"], planned["blocks"]) == (3, 20)
    assert (planned["self"], planned["adjust"], planned["refine"]) == (16, 16, 20)


def test_a_later_night_goes_on_with_the_rest_of_every_stage() -> None:
    before: dict[Stage, int] = {"flat": 8, "groups": 5, "blocks": 30, "self": 8, "adjust": 8, "refine": 10}
    planned = shortened(WHOLE, before, before, SHOTS, Room(trials=30))
    assert sum(planned.values()) - sum(before.values()) == 30
    assert planned["blocks"] == pytest.approx(45, abs=3)
    assert shortened(WHOLE, before, before, SHOTS, Room()) == WHOLE

"""Stages that overlap: one screening for knobs of all kinds, and what it found to matter moves from then on."""

from __future__ import annotations

import random
from dataclasses import replace

import numpy as np
import pytest

from engine.recipes.blocks import UNET_BLOCKS
from search.history import Point, TrialRecord
from search.plan import STAGES, SearchPlan
from search.space.build import build_space, suggested_sites
from search.state import SearchState
from search.suggester import Suggester
from search.surrogate.axes import screening_trials
from tests.search.searching import searched

FREE = ("IN05", "M00", "OUT05", "OUT08")
SPACE = build_space(
    freeze={block: 0.3 for block in UNET_BLOCKS if block not in FREE},
    sites=suggested_sites(),
    adjust=("CONT", "BRI"),
)
KNOBS = [knob.name for knob in SPACE.free]
PLAN = SearchPlan(groups=4, blocks=24, self_mode=16, adjust=16, refine=10, line=0)
ERROR = 0.02
ALL = screening_trials(len(KNOBS))


def value_of(point: Point) -> float:
    """What the blocks and CONT are worth, best far from neutral; the rest does nothing."""
    return -sum((point[block] - 0.4) ** 2 for block in FREE) - 0.1 * (point["adjust:CONT"] - 3) ** 2


def history_of(plan: SearchPlan = PLAN, most: int = 1000) -> list[TrialRecord]:
    history = searched(
        Suggester(space=SPACE, plan=plan, seed=2),
        lambda proposal, number: value_of(proposal.point) + random.Random(number).gauss(0, ERROR),
        most,
    )
    return [replace(one, standard_error=ERROR) for one in history]


def of_stage(history: list[TrialRecord], stage: str) -> list[Point]:
    return [trial.point for trial in history if trial.stage == stage]


def test_the_first_stage_of_single_knobs_screens_those_of_all_kinds_and_tells_them_apart() -> None:
    screened = of_stage(history_of(), "blocks")[1:ALL]
    moved = np.array([[point[name] - SPACE.neutral[name] for name in KNOBS[len(FREE) :]] for point in screened])
    assert np.abs(moved).min() > 0
    assert len({tuple(row > 0) for row in moved}) == len(screened), "no two kinds go up and down together"


def test_what_matters_of_other_kinds_moves_on_and_what_does_nothing_rests() -> None:
    history = history_of()
    blocks, refined = of_stage(history, "blocks")[ALL:], of_stage(history, "refine")
    assert len({point["adjust:CONT"] for point in blocks}) > len(blocks) / 2
    state = SearchState(SPACE, PLAN, history)
    assert state.status("self").status == "no effect"
    assert len(of_stage(history, "self")) == 8, "the screening counts as evidence"
    assert refined
    assert {point[name] for point in refined for name in KNOBS if name.startswith("self")} == {1.0}
    found = Suggester(space=SPACE, plan=PLAN, seed=2).recommended(history)
    assert {found[name] for name in KNOBS if name.startswith("self")} == {1.0}
    assert found["adjust:CONT"] == pytest.approx(3, abs=0.5)


def test_the_numbers_of_trials_of_a_plan_stay_and_a_count_of_0_leaves_a_kind_out() -> None:
    plan = replace(PLAN, adjust=0, patience=0)
    history = history_of(plan)
    counts = {stage: len(of_stage(history, stage)) for stage in STAGES}
    assert counts == {"flat": 5, "groups": 4, "blocks": 24, "self": 16, "adjust": 0, "refine": 10}
    assert all(one.point["adjust:CONT"] == 0.0 for one in history if one.stage in ("blocks", "self"))
    alone = Suggester(space=SPACE, plan=PLAN.just({"blocks"}), seed=2)
    later = [one.point for one in searched(alone, lambda proposal, _: value_of(proposal.point), 30)]
    assert {(point["self:OUT05:attn1"], point["adjust:CONT"]) for point in later} == {(1.0, 0.0)}


def test_a_search_begun_before_stages_overlapped_screens_what_never_moved() -> None:
    """Stage `blocks` is over and moved blocks alone, as it once did: Self has its own screening and its own knobs."""
    before = history_of(PLAN.just({"blocks"}))
    later = searched_on(before, 30)
    own = [one.point for one in later if one.stage == "self"]
    assert len(own) >= 8
    assert all(point["adjust:CONT"] == 0.0 for point in own)
    assert len({tuple(point[name] > 1 for name in KNOBS if name.startswith("self")) for point in own[1:6]}) == 5


def searched_on(history: list[TrialRecord], most: int) -> list[TrialRecord]:
    """The trials that follow a history, the whole plan allowed."""
    suggester, whole = Suggester(space=SPACE, plan=replace(PLAN, groups=4), seed=2), list(history)
    while len(whole) < len(history) + most and (proposal := suggester.next(whole)) is not None:
        value = value_of(proposal.point) + random.Random(len(whole)).gauss(0, ERROR)
        whole.append(
            TrialRecord(
                number=len(whole), stage=proposal.stage, point=proposal.point, value=value, standard_error=ERROR
            )
        )
    return whole[len(history) :]

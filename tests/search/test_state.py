"""How stages end: on evidence, with the right sentence, and with no winner where there is nothing to win."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest

from engine.recipes.blocks import UNET_BLOCKS
from search.history import Point, TrialRecord
from search.plan import STAGES, SearchPlan
from search.space.build import build_space
from search.space.frame import RecipeFrame
from search.state import SearchState
from search.suggester import Proposal, Suggester
from tests.search.searching import recorded, searched

FEW = {block: 0.3 for block in UNET_BLOCKS if block not in ("IN05", "M00", "OUT05", "OUT08")}
SPACE = build_space(freeze=FEW, adjust=("CONT", "BRI"))
PLAN = SearchPlan(groups=4, blocks=60, self_mode=20, adjust=40, refine=20)


def history_of(value: Callable[[Point, int], float], plan: SearchPlan = PLAN) -> list[TrialRecord]:
    suggester = Suggester(space=SPACE, plan=plan, seed=1)
    return searched(suggester, lambda proposal, number: value(proposal.point, number))


def statuses(history: list[TrialRecord], plan: SearchPlan = PLAN) -> dict[str, str]:
    state = SearchState(SPACE, plan, history)
    return {stage: state.status(stage).status for stage in STAGES}


@pytest.mark.parametrize("seed", range(3))
def test_pure_noise_ends_early_and_says_so(seed: int) -> None:
    history = history_of(lambda point, number: random.Random(f"{seed}:{number}").gauss(0, 1))
    status = statuses(history)
    assert status["blocks"] == status["adjust"] == "no effect"
    assert status["refine"] == "skipped"
    assert len(history) < 8 + 4 + 40 + 32
    suggester = Suggester(space=SPACE, plan=PLAN, seed=1)
    assert "no effect that stands out from the noise" in str(suggester.statuses(history)[2])
    recommended = suggester.recommended(history)
    assert (recommended["adjust:CONT"], recommended["adjust:BRI"]) == (0.0, 0.0)


def test_knobs_that_do_nothing_rest_while_others_are_found() -> None:
    def value(point: Point, number: int) -> float:
        noise = random.Random(number).gauss(0, 0.02)
        return noise - (point["OUT05"] - 0.6) ** 2 - (point["IN05"] - 0.2) ** 2

    history = history_of(value)
    assert statuses(history)["adjust"] == "no effect"
    found = Suggester(space=SPACE, plan=PLAN, seed=1).recommended(history)
    assert found["adjust:CONT"] == found["adjust:BRI"] == 0.0
    assert abs(found["OUT05"] - 0.6) < 0.12
    assert abs(found["IN05"] - 0.2) < 0.12
    moved = {axis.name for axis in SearchState(SPACE, PLAN, history).axes("refine")}
    assert {"OUT05", "IN05"} <= moved <= {"OUT05", "IN05", "M00", "OUT08"}


def test_identical_parents_leave_only_what_is_not_a_ratio() -> None:
    history = history_of(lambda point, number: 1.5)
    status = statuses(history)
    assert status["groups"] == status["blocks"] == "constant"
    assert {one.stage for one in history} == {"flat", "adjust"}
    assert status["adjust"] == "no effect"
    assert "as if both models were one" in str(SearchState(SPACE, PLAN, history).status("blocks"))
    assert Suggester(space=SPACE, plan=PLAN).recommended(history) == SPACE.flat(0.0)
    contrast = history_of(lambda point, number: 1.5 - (point["adjust:CONT"] - 2) ** 2)
    assert {one.stage for one in contrast} == {"flat", "adjust", "refine"}
    assert abs(Suggester(space=SPACE, plan=PLAN).recommended(contrast)["adjust:CONT"] - 2) < 0.2


def test_a_stage_ends_when_it_no_longer_gains_and_goes_on_without_patience() -> None:
    def value(point: Point, number: int) -> float:
        noise = random.Random(number).gauss(0, 0.05)
        return noise - sum((point[name] - 0.4) ** 2 for name in ("IN05", "M00", "OUT05", "OUT08"))

    only = SearchPlan(blocks=200).just({"blocks"})
    history = history_of(value, plan=only)
    assert statuses(history, plan=only)["blocks"] == "converged"
    blocks = [one for one in history if one.stage == "blocks"]
    assert 28 <= len(blocks) < 150
    found = Suggester(space=SPACE, plan=only, seed=1).recommended(history)
    assert value(found, 0) - value(found | {"IN05": 0.4, "M00": 0.4, "OUT05": 0.4, "OUT08": 0.4}, 0) > -0.03
    patient = SearchPlan(groups=0, blocks=200, self_mode=0, adjust=0, refine=0, patience=0)
    assert Suggester(space=SPACE, plan=patient, seed=1).next(history) is not None


def test_failed_trials_say_nothing_and_infeasible_ones_only_where_pictures_break() -> None:
    points = [SPACE.flat(ratio) for ratio in (0.0, 0.25, 0.5, 0.75)]
    history = [
        TrialRecord(number=0, stage="flat", point=points[0], value=-4.0),
        TrialRecord(number=1, stage="flat", point=points[1], value=None),
        TrialRecord(number=2, stage="flat", point=points[2], value=None, infeasible=True),
        TrialRecord(number=3, stage="flat", point=points[3], value=2.0, standard_error=0.3),
    ]
    observations = SearchState(SPACE, PLAN, history).trials.observations()
    assert observations is not None
    assert observations.values == (-4.0, 2.0)
    assert [row[0] for row in observations.rows] == [0.0, 0.75]
    assert [row[0] for row in observations.broken] == [0.5]
    assert observations.standard_error == 0.3
    assert SearchState(SPACE, PLAN, history[1:3]).trials.observations() is None


def test_a_study_of_nothing_but_broken_pictures_goes_on_to_its_end() -> None:
    plan = replace(PLAN, blocks=12, self_mode=0, adjust=6, refine=4)
    suggester, history = Suggester(space=SPACE, plan=plan, seed=1), list[TrialRecord]()
    while (proposal := suggester.next(history)) is not None:
        history.append(replace(recorded(proposal, len(history), None), infeasible=True))
    assert len(history) == suggester.total - plan.line, "there is no best ratio to stay near"
    assert len({SPACE.mark(one.point) for one in history}) == len(history)
    assert suggester.recommended(history) == SPACE.flat(0.5)
    assert [status.status for status in suggester.statuses(history)[1:]] == [
        "used up", "used up", "skipped", "used up", "used up"
    ]  # fmt: skip


def test_broken_pictures_are_no_evidence_that_a_stage_is_over() -> None:
    """Half of the trials are broken by one knob: eight values that differ by noise do not prove 16 trials' worth."""
    plan, rng = PLAN.just({"blocks"}), random.Random(3)
    flat = [SPACE.flat(ratio) for ratio in (0.0, 0.25, 0.5, 0.75, 1.0)]
    history = [TrialRecord(number=n, stage="flat", point=point, value=rng.gauss(0, 1)) for n, point in enumerate(flat)]
    for number in range(5, 21):
        point = SPACE.flat(0.5) | {name: rng.uniform(0.4, 0.6) for name in ("IN05", "M00", "OUT05", "OUT08")}
        value = None if number % 2 else rng.gauss(0, 1)
        infeasible = value is None
        history.append(TrialRecord(number=number, stage="blocks", point=point, value=value, infeasible=infeasible))
    assert statuses(history, plan)["blocks"] == "open"
    failed = [replace(one, infeasible=False) for one in history]
    assert statuses(failed, plan)["blocks"] == "no effect"


def test_a_stage_is_not_over_because_its_last_trials_broke() -> None:
    plan = replace(PLAN.just({"blocks"}), patience=8)

    def value(proposal: Proposal, number: int) -> float:
        noise = random.Random(number).gauss(0, 0.05)
        return noise - sum((proposal.point[name] - 0.4) ** 2 for name in ("IN05", "M00", "OUT05", "OUT08"))

    suggester = Suggester(space=SPACE, plan=plan, seed=1)
    history = searched(suggester, value)
    blocks = [one for one in history if one.stage == "blocks"]
    assert (len(blocks), statuses(history, plan)["blocks"]) == (len(blocks) // 8 * 8, "converged")
    last = {one.number for one in blocks[-8:]}
    broken = [replace(one, value=None, infeasible=True) if one.number in last else one for one in history]
    assert statuses(broken, plan)["blocks"] == "open"
    failed = [replace(one, value=None) if one.number in last else one for one in history]
    assert statuses(failed, plan)["blocks"] == "converged"


def test_the_start_of_a_stage_stands_still_while_trials_come_in() -> None:
    """Whatever their standard errors: else the start would be another recipe every time, and tried again and again."""
    plan = SearchPlan(groups=6, blocks=60, self_mode=0, adjust=0, refine=0)
    suggester, history, labels = Suggester(space=SPACE, plan=plan, seed=1), list[TrialRecord](), list[str]()
    starts: list[dict[str, float]] = []
    while (proposal := suggester.next(history)) is not None:
        rng = random.Random(len(history))
        value = rng.gauss(0, 0.05) - sum((proposal.point[name] - 0.4) ** 2 for name in ("IN05", "M00", "OUT05"))
        error = rng.uniform(0.02, 0.5)
        history.append(replace(recorded(proposal, len(history), value), standard_error=error))
        labels.append(proposal.label)
        if proposal.stage == "blocks":
            starts.append(SearchState(SPACE, plan, history).start("blocks"))
    assert len(starts) > 20
    assert all(start == starts[0] for start in starts)
    assert labels.count("start of blocks") == 1


def test_a_stage_with_nothing_but_words_ends_by_evidence_too() -> None:
    space = build_space(freeze=dict.fromkeys(UNET_BLOCKS, 0.3), choices={"vae": ("a", "b", "c")}, adjust=("CONT",))
    points = [space.neutral | {"vae": float(n % 3), "adjust:CONT": 0.1 * n} for n in range(24)]
    plan, trial = SearchPlan(groups=40), partial(TrialRecord, stage="groups")
    noise = [trial(number=n, point=point, value=random.Random(n).gauss()) for n, point in enumerate(points)]
    assert SearchState(space, plan, noise).status("groups").status == "no effect"
    better = [trial(number=n, point=point, value=point["vae"] + 0.01 * n % 0.02) for n, point in enumerate(points)]
    assert SearchState(space, plan, better).status("groups").status != "no effect"


def test_twins_end_no_stage_that_moves_a_third_model() -> None:
    space = build_space(frame=RecipeFrame(models=("A", "B", "C"), mode="Triple sum"), seconds=(0, 0.5))
    plan = SearchPlan(groups=8, blocks=0, refine=0)
    history = searched(Suggester(space=space, plan=plan, seed=1), lambda proposal, _: proposal.point["beta:IN00"])
    assert [one.stage for one in history].count("groups") == 8

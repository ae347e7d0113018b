"""The suggester: stages in order, no repeats, and the same proposals after any interruption."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from statistics import stdev
from typing import Any

import numpy as np
import pytest

from engine.recipes.blocks import UNET_BLOCKS
from search.errors import SearchError
from search.finalists import choose, posterior_means
from search.history import Point, TrialRecord
from search.importance import importance
from search.plan import SAMPLERS, STAGES, SURROGATE, InitialRecipe, SearchPlan
from search.samplers import optuna_samplers as samplers
from search.space.build import build_space
from search.suggester import Proposal, Suggester
from search.surrogate import proposals
from search.surrogate.observations import Observations
from search.surrogate.proposals import LONGEST_STEP, SMALL_NOISE, STEP_SIZES, step_proposal
from search.surrogate.subspace import Location, Subspace
from tests.search.searching import recorded, searched

ROOT = Path(__file__).parents[2]
SPACE = build_space(sites=("OUT05:attn1",), adjust=("CONT", "BRI"), freeze={"BASE": 0.0, "IN00": 0.2})
SMALL = SearchPlan(groups=6, blocks=18, self_mode=5, adjust=6, refine=3, calibration=1, line=2)


def plan_of(**fields: Any) -> SearchPlan:
    """A plan without any stage after `flat` but those asked for."""
    none: dict[str, Any] = {"groups": 0, "blocks": 0, "self_mode": 0, "adjust": 0, "refine": 0}
    return SearchPlan(**none | fields)


def value_of(point: Point) -> float:
    """Best with the blocks at 0.3 (IN) and 0.6 (OUT), the multiplier at 0.9 and CONT at 2."""
    best = {block: 0.6 if block.startswith("OUT") else 0.3 for block in UNET_BLOCKS}
    best |= {"self:OUT05:attn1": 0.9, "adjust:CONT": 2.0, "adjust:BRI": 0.0}
    return -sum((point[name] - best.get(name, 0.0)) ** 2 for name in point)


def answer(number: int, proposal: Proposal) -> TrialRecord:
    """Trial 1 fails, trials 2 and 9 are infeasible, all others have a value."""
    value = None if number in (1, 2, 9) else value_of(proposal.point)
    return TrialRecord(
        number=number,
        stage=proposal.stage,
        point=proposal.point,
        value=value,
        infeasible=value is None and number != 1,
        slots=proposal.slots,
    )


def run(suggester: Suggester, most: int = 1000) -> list[TrialRecord]:
    history = list[TrialRecord]()
    while len(history) < most and (proposal := suggester.next(history)) is not None:
        history.append(answer(len(history), proposal))
    return history


@pytest.fixture(scope="module")
def night() -> list[TrialRecord]:
    """A whole search."""
    return run(Suggester(space=SPACE, plan=SMALL, seed=3))


def test_a_search_without_a_free_knob_tries_its_one_recipe() -> None:
    space = build_space(freeze=dict.fromkeys(("BASE", *UNET_BLOCKS), 0.5))
    suggester = Suggester(space=space, plan=SMALL, seed=3)
    history = run(suggester)
    assert [(one.stage, one.point) for one in history] == [("flat", {})]
    history = [replace(one, value=2.0) for one in history]
    assert suggester.next(history) is None
    assert suggester.recommended(history) == {}
    assert [one.point for one in choose(space, history, 3, SMALL)] == [{}]
    assert posterior_means(space, history, [{}], SMALL) == pytest.approx([2.0])
    assert importance(space, history, SMALL) is None


def test_stages_come_in_order_with_their_numbers_of_trials(night: list[TrialRecord]) -> None:
    counts = {stage: [trial.stage for trial in night].count(stage) for stage in STAGES}
    assert counts == {"flat": 8, "groups": 6, "blocks": 18, "self": 5, "adjust": 6, "refine": 3}
    assert [trial.stage for trial in night] == [stage for stage in STAGES for _ in range(counts[stage])]
    suggester = Suggester(space=SPACE, plan=SMALL, seed=3)
    assert len(night) == suggester.total
    assert {status.status for status in suggester.statuses(night)} == {"used up"}


def test_every_trial_carries_the_full_vector_inside_the_bounds(night: list[TrialRecord]) -> None:
    box = samplers.distributions(SPACE)
    for trial in night:
        assert list(trial.point) == list(box)
        assert all(box[name]._contains(box[name].to_internal_repr(number)) for name, number in trial.point.items())


def test_no_recipe_comes_twice_and_all_numbers_lie_on_their_grids(night: list[TrialRecord]) -> None:
    keys = [SPACE.decode(trial.point).key for trial in night]
    assert len(set(keys)) == len(keys)
    for trial in night:
        assert all(abs(knob.tidy(trial.point[knob.name]) - trial.point[knob.name]) < 1e-9 for knob in SPACE.free)


def test_a_search_goes_on_where_it_stopped(night: list[TrialRecord]) -> None:
    for length in range(len(night)):
        proposal = Suggester(space=SPACE, plan=SMALL, seed=3).next(night[:length][::-1])
        assert proposal is not None
        assert (proposal.stage, proposal.point) == (night[length].stage, night[length].point)
    assert Suggester(space=SPACE, plan=SMALL, seed=3).next(night) is None


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != SURROGATE])
def test_every_sampler_goes_on_where_it_stopped(sampler: str) -> None:
    options = {"population_size": 6} if sampler in ("cmaes", "nsga2") else {}
    blocks = 3 if sampler == "gp" else 12  # which is slow
    plan = plan_of(blocks=blocks, groups=3, line=0, sampler=sampler, options=options)
    free = {"IN05", "M00", "OUT05", "OUT08"}
    space = build_space(freeze={block: 0.3 for block in UNET_BLOCKS if block not in free})
    whole = run(Suggester(space=space, plan=plan, seed=5))
    assert len({space.mark(trial.point) for trial in whole}) == len(whole) == 8 + blocks
    for length in range(5, len(whole), 3):
        proposal = Suggester(space=space, plan=plan, seed=5).next(whole[:length])
        assert proposal is not None
        assert proposal.point == whole[length].point
    other = Suggester(space=space, plan=plan, seed=6).next(whole[:10])
    assert sampler == "gp" or (other is not None and other.point != whole[10].point)


def test_another_process_proposes_the_same(night: list[TrialRecord]) -> None:
    script = """
import json, sys
from search.history import TrialRecord
from search.plan import SearchPlan
from search.space.build import build_space
from search.suggester import Suggester
space = build_space(sites=("OUT05:attn1",), adjust=("CONT", "BRI"), freeze={"BASE": 0.0, "IN00": 0.2})
plan = SearchPlan(groups=6, blocks=18, self_mode=5, adjust=6, refine=3, calibration=1, line=2)
history = [TrialRecord(**row) for row in json.load(sys.stdin)]
print(json.dumps(Suggester(space=space, plan=plan, seed=3).next(history).point))
"""
    names = ("number", "stage", "point", "value", "infeasible")
    rows = json.dumps([{name: getattr(trial, name) for name in names} for trial in night[:32]])
    command = [sys.executable, "-W", "error::FutureWarning", "-c", script]
    done = subprocess.run(command, cwd=ROOT, input=rows, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == night[32].point
    assert done.stderr == ""


def test_another_seed_proposes_something_else(night: list[TrialRecord]) -> None:
    other = Suggester(space=SPACE, plan=SMALL, seed=4).next(night[:20])
    assert other is not None
    assert other.point != night[20].point


def test_knobs_that_the_plan_leaves_out_rest() -> None:
    plan, rest = plan_of(blocks=12, adjust=6), SPACE.neutral
    for trial in run(Suggester(space=SPACE, plan=plan, seed=3))[len(SMALL.flat) :]:
        assert trial.point["self:OUT05:attn1"] == rest["self:OUT05:attn1"]


def test_group_trials_move_whole_groups(night: list[TrialRecord]) -> None:
    for trial in night:
        if trial.stage == "groups":
            assert all(len({trial.point[knob.name] for knob in knobs}) == 1 for knobs in SPACE.groups.values())


def test_a_search_comes_closer_and_never_recommends_the_luckiest_trial(night: list[TrialRecord]) -> None:
    suggester = Suggester(space=SPACE, plan=SMALL, seed=3)
    flats = max(value_of(SPACE.flat(ratio)) for ratio in (0.0, 0.25, 0.3, 0.4, 0.45, 0.5, 0.6, 0.75, 1.0))
    assert value_of(suggester.recommended(night)) > 0.6 * flats
    lucky = TrialRecord(number=len(night), stage="refine", point=SPACE.flat(0.0), value=5.0)
    assert suggester.recommended([*night, lucky]) != lucky.point


def test_a_stage_without_free_knobs_is_skipped() -> None:
    suggester = Suggester(space=build_space(freeze=dict.fromkeys(UNET_BLOCKS, 0.3), adjust=("CONT",)), plan=SMALL)
    assert [suggester.trials(stage) for stage in STAGES] == [2, 0, 0, 0, 6, 3], "FLAT_30 and a calibration recipe"
    assert [trial.stage for trial in run(suggester)] == ["flat"] * 2 + ["adjust"] * 6 + ["refine"] * 3


def test_one_stage_alone_from_a_recipe() -> None:
    start = SPACE.flat(0.4) | {"OUT05": 0.123, "adjust:CONT": 1.5}
    plan = SearchPlan(adjust=5, start=InitialRecipe(label="start", point=start)).just({"adjust"})
    suggester = Suggester(space=SPACE, plan=plan, seed=1)
    history = run(suggester)
    assert [one.stage for one in history].count("adjust") == len([one for one in history if one.stage != "flat"]) == 5
    assert dict(start) in [one.point for one in history if one.stage == "flat"]
    for one in history:
        if one.stage == "adjust":
            assert {name: one.point[name] for name in UNET_BLOCKS if name != "IN00"} == {
                name: start[name] for name in UNET_BLOCKS if name != "IN00"
            }


def test_presets_are_tried_first_and_the_best_begins() -> None:
    preset = {knob.name: 0.6 if knob.name.startswith("OUT") else 0.3 for knob in SPACE.of_kind("block")}
    begun = InitialRecipe(label="GRAD_V", point=SPACE.neutral | preset)
    suggester = Suggester(space=SPACE, plan=plan_of(blocks=3, line=0, beginnings=(begun,)))
    history = run(suggester)
    assert dict(begun.point) in [one.point for one in history if one.stage == "flat"]
    blocks = [one.point for one in history if one.stage == "blocks"]
    assert all(abs(point["OUT05"] - 0.6) < 0.2 and abs(point["IN05"] - 0.3) < 0.2 for point in blocks)


def test_words_are_searched_and_the_better_one_is_found() -> None:
    space = build_space(choices={"calculation": ("normal", "cosineA"), "vae": ("own", "baked", "other")})
    suggester = Suggester(space=space, plan=plan_of(groups=24, line=1, patience=0), seed=2)

    def value(proposal: Proposal, number: int) -> float:
        words = space.words(proposal.point)
        gain = (words["calculation"] == "cosineA") + 0.5 * (words["vae"] == "baked")
        return gain - sum((proposal.point[block] - 0.4) ** 2 for block in UNET_BLOCKS)

    history = searched(suggester, value)
    assert len({tuple(space.words(one.point).values()) for one in history}) >= 4
    assert space.words(suggester.recommended(history)) == {"calculation": "cosineA", "vae": "baked"}


@pytest.mark.parametrize(("error", "longer"), [(None, 1.0), (0.001, 1.0), (0.1, 1.5), (5.0, 2.0)])
def test_steps_grow_with_the_standard_errors_of_the_trials(
    error: float | None, longer: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = list[float]()

    def noted(observations: Observations, subspace: Subspace, seed: tuple[int, ...], size: float) -> Location:
        sizes.append(size)
        return step_proposal(observations, subspace, seed, size)

    monkeypatch.setattr(proposals, "step_proposal", noted)
    suggester, history = Suggester(space=SPACE, plan=plan_of(adjust=10, line=0), seed=3), list[TrialRecord]()
    while (proposal := suggester.next(history)) is not None:
        trial = recorded(proposal, len(history), value_of(proposal.point))
        history.append(replace(trial, standard_error=error))
    assert len(sizes) > 3
    flats = [trial.value for trial in history if trial.stage == "flat" and trial.value is not None]
    expected = longer if longer != 1.5 else (0.1 / stdev(flats) / SMALL_NOISE) ** 0.5
    assert 1.0 <= expected <= LONGEST_STEP
    assert np.array(sizes) == pytest.approx(STEP_SIZES["adjust"] * expected)


def test_failed_trials_use_up_the_plan_and_a_search_without_any_value_goes_on() -> None:
    suggester = Suggester(space=SPACE, plan=SMALL)
    history = searched(suggester, lambda proposal, number: None)
    assert len(history) == suggester.total - SMALL.line


def test_workers_that_record_what_still_runs_try_different_recipes() -> None:
    suggester = Suggester(space=SPACE, plan=SMALL, seed=3)
    history = run(suggester, most=30)
    for _ in range(4):
        proposal = suggester.next(history)
        assert proposal is not None
        history.append(recorded(proposal, len(history), None))
    assert len({SPACE.mark(one.point) for one in history}) == len(history)


def test_a_history_of_another_space_is_refused() -> None:
    trial = TrialRecord(number=0, stage="flat", point=build_space().flat(0.0), value=0.0)
    with pytest.raises(SearchError, match="adjust:CONT is missing"):
        Suggester(space=SPACE).next([trial])


def test_reading_a_plan_loads_neither_torch_nor_optuna_nor_numpy() -> None:
    code = """
import sys
import search.plan, search.samplers.optuna_samplers, search.shots, search.simplify, search.space.space
print([name for name in ("torch", "optuna", "numpy", "scipy", "cmaes") if name in sys.modules])
import search.finalists, search.suggester
print([name for name in ("torch", "optuna", "cmaes") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "[]"]

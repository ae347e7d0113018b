"""The suggester: stages in order, no repeats, and the same proposals after any interruption."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import stdev
from typing import Any

import numpy as np
import pytest

from engine.recipes.blocks import UNET_BLOCKS
from engine.recipes.recipe import Recipe
from search.errors import SearchError
from search.history import Point, Told
from search.plan import LONGEST, QUIET, SAMPLERS, STAGES, STEP, Beginning, Plan
from search.samplers import optuna_samplers as samplers
from search.shots import Rotation
from search.space.build import build_space
from search.suggester import Proposal, Suggester
from search.surrogate import proposals as explore
from search.surrogate.gaussian_process import Data
from search.surrogate.proposals import step
from search.surrogate.subspace import Position, Subspace

ROOT = Path(__file__).parents[2]
SPACE = build_space(sites=("OUT05:attn1",), adjust=("CONT", "BRI"), freeze={"BASE": 0.0, "IN00": 0.2})
SMALL = Plan(groups=6, blocks=18, self_mode=5, adjust=6, refine=3, calibration=1, line=2)


def plan_of(**fields: Any) -> Plan:
    """A plan without any stage after `flat` but those asked for."""
    none: dict[str, Any] = {"groups": 0, "blocks": 0, "self_mode": 0, "adjust": 0, "refine": 0}
    return Plan(**none | fields)


def value_of(point: Point) -> float:
    """A hill over the blocks at 0.3 (IN) and 0.6 (OUT), the multiplier at 0.9 and CONT at 2."""
    wanted = {block: 0.6 if block.startswith("OUT") else 0.3 for block in UNET_BLOCKS}
    wanted |= {"self:OUT05:attn1": 0.9, "adjust:CONT": 2.0, "adjust:BRI": 0.0}
    return -sum((point[name] - wanted.get(name, 0.0)) ** 2 for name in point)


def answer(number: int, proposal: Proposal) -> Told:
    """Trial 1 fails, trials 2 and 9 are infeasible, all others have a value."""
    value = None if number in (1, 2, 9) else value_of(proposal.point)
    return Told(
        number=number,
        stage=proposal.stage,
        point=proposal.point,
        value=value,
        infeasible=value is None and number != 1,
        slots=proposal.slots,
    )


def run(suggester: Suggester, history: Sequence[Told] = (), most: int = 1000) -> list[Told]:
    told = list(history)
    while len(told) < most and (proposal := suggester.next(told)) is not None:
        told.append(answer(len(told), proposal))
    return told


@pytest.fixture(scope="module")
def night() -> list[Told]:
    """A whole search."""
    return run(Suggester(space=SPACE, plan=SMALL, seed=3))


def test_stages_come_in_order_with_their_numbers_of_trials(night: list[Told]) -> None:
    counts = {stage: [told.stage for told in night].count(stage) for stage in STAGES}
    assert counts == {"flat": 8, "groups": 6, "blocks": 18, "self": 5, "adjust": 6, "refine": 3}
    assert [told.stage for told in night] == [stage for stage in STAGES for _ in range(counts[stage])]
    suggester = Suggester(space=SPACE, plan=SMALL, seed=3)
    assert len(night) == suggester.total
    assert {ending.why for ending in suggester.endings(night)} == {"used up"}


def test_every_trial_carries_the_full_vector_inside_the_bounds(night: list[Told]) -> None:
    box = samplers.distributions(SPACE)
    for told in night:
        assert list(told.point) == list(box)
        assert all(box[name]._contains(box[name].to_internal_repr(number)) for name, number in told.point.items())


def test_no_recipe_comes_twice_and_all_numbers_lie_on_their_grids(night: list[Told]) -> None:
    keys = [SPACE.decode(told.point).key for told in night]
    assert len(set(keys)) == len(keys)
    for told in night:
        assert all(abs(knob.tidy(told.point[knob.name]) - told.point[knob.name]) < 1e-9 for knob in SPACE.free)


def test_a_search_goes_on_where_it_stopped(night: list[Told]) -> None:
    for length in range(len(night)):
        proposal = Suggester(space=SPACE, plan=SMALL, seed=3).next(night[:length][::-1])
        assert proposal is not None
        assert (proposal.stage, proposal.point) == (night[length].stage, night[length].point)
    assert Suggester(space=SPACE, plan=SMALL, seed=3).next(night) is None


@pytest.mark.parametrize("sampler", [name for name in SAMPLERS if name != "hill"])
def test_every_sampler_goes_on_where_it_stopped(sampler: str) -> None:
    options = {"population_size": 6} if sampler in ("cmaes", "nsga2") else {}
    blocks = 3 if sampler == "gp" else 12  # which is slow
    plan = plan_of(blocks=blocks, groups=3, line=0, sampler=sampler, options=options)
    free = {"IN05", "M00", "OUT05", "OUT08"}
    space = build_space(freeze={block: 0.3 for block in UNET_BLOCKS if block not in free})
    whole = run(Suggester(space=space, plan=plan, seed=5))
    assert len({space.mark(told.point) for told in whole}) == len(whole) == 8 + blocks
    for length in range(5, len(whole), 3):
        proposal = Suggester(space=space, plan=plan, seed=5).next(whole[:length])
        assert proposal is not None
        assert proposal.point == whole[length].point
    other = Suggester(space=space, plan=plan, seed=6).next(whole[:10])
    assert sampler == "gp" or (other is not None and other.point != whole[10].point)


def test_another_process_proposes_the_same(night: list[Told]) -> None:
    script = """
import json, sys
from search.history import Told
from search.space.build import build_space
from search.plan import Plan
from search.suggester import Suggester
space = build_space(sites=("OUT05:attn1",), adjust=("CONT", "BRI"), freeze={"BASE": 0.0, "IN00": 0.2})
plan = Plan(groups=6, blocks=18, self_mode=5, adjust=6, refine=3, calibration=1, line=2)
told = [Told(**row) for row in json.load(sys.stdin)]
print(json.dumps(Suggester(space=space, plan=plan, seed=3).next(told).point))
"""
    names = ("number", "stage", "point", "value", "infeasible")
    rows = json.dumps([{name: getattr(told, name) for name in names} for told in night[:32]])
    command = [sys.executable, "-W", "error::FutureWarning", "-c", script]
    done = subprocess.run(command, cwd=ROOT, input=rows, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == night[32].point
    assert done.stderr == ""


def test_another_seed_proposes_something_else(night: list[Told]) -> None:
    other = Suggester(space=SPACE, plan=SMALL, seed=4).next(night[:20])
    assert other is not None
    assert other.point != night[20].point


def test_knobs_of_later_stages_rest(night: list[Told]) -> None:
    rest = SPACE.neutral
    for told in night[len(SMALL.flat) + SMALL.calibration :]:
        moved = {knob.kind for knob in SPACE.free if knob.kind != "block" and told.point[knob.name] != rest[knob.name]}
        assert told.stage == "refine" or moved <= set(STAGES[3 : STAGES.index(told.stage) + 1])
    for stage in ("self", "adjust"):
        mine = [told.point for told in night if told.stage == stage]
        assert len({tuple(point[block] for block in UNET_BLOCKS if block != "IN00") for point in mine}) == 1


def test_group_trials_move_whole_groups(night: list[Told]) -> None:
    for told in night:
        if told.stage == "groups":
            assert all(len({told.point[knob.name] for knob in knobs}) == 1 for knobs in SPACE.groups.values())


def test_a_search_comes_closer_and_never_recommends_the_luckiest_trial(night: list[Told]) -> None:
    suggester = Suggester(space=SPACE, plan=SMALL, seed=3)
    flats = max(value_of(SPACE.flat(ratio)) for ratio in (0.0, 0.25, 0.3, 0.4, 0.45, 0.5, 0.6, 0.75, 1.0))
    assert value_of(suggester.recommended(night)) > 0.6 * flats
    lucky = Told(number=len(night), stage="refine", point=SPACE.flat(0.0), value=5.0)
    assert suggester.recommended([*night, lucky]) != lucky.point


def test_flat_stage_is_the_parents_the_flat_mixes_and_a_line() -> None:
    suggester, told = Suggester(space=build_space(), plan=plan_of()), list[Told]()
    labels: list[str] = []
    while (proposal := suggester.next(told)) is not None:
        labels.append(proposal.label)
        told.append(Told(number=len(told), stage="flat", point=proposal.point, value=-abs(proposal.point["M00"] - 0.4)))
    assert labels == ["A", "B", "FLAT_25", "FLAT_50", "FLAT_75", "line", "line", "line"]
    assert suggester.space.decode(told[0].point) == Recipe.flat(0)
    assert suggester.space.decode(told[1].point) == Recipe.flat(1)
    assert min(abs(one.point["M00"] - 0.4) for one in told[5:]) < 0.08


def test_flat_points_that_bounds_make_equal_come_once() -> None:
    suggester = Suggester(space=build_space(ratios=(0.2, 0.5)), plan=plan_of(line=0))
    assert suggester.trials("flat") == 3
    first = suggester.next([])
    assert first is not None
    assert first.label == "A within bounds"


def test_a_stage_without_free_knobs_is_skipped() -> None:
    suggester = Suggester(space=build_space(freeze=dict.fromkeys(UNET_BLOCKS, 0.3), adjust=("CONT",)), plan=SMALL)
    assert [suggester.trials(stage) for stage in STAGES] == [2, 0, 0, 0, 6, 3], "FLAT_30 and a calibration recipe"
    assert [told.stage for told in run(suggester)] == ["flat"] * 2 + ["adjust"] * 6 + ["refine"] * 3


def test_calibration_moves_every_kind_of_knob() -> None:
    """A scorer that sees only what Adjust does would else seem to see nothing."""
    rest = SPACE.flat(0.5)
    scattered = [one.point for one in Suggester(space=SPACE, plan=SMALL).calibration() if one.label == "random 1"]
    assert [{knob.kind for knob in SPACE.free if point[knob.name] != rest[knob.name]} for point in scattered] == [
        {"block", "self", "adjust"}
    ]
    assert run(Suggester(space=build_space(freeze=dict.fromkeys(UNET_BLOCKS, 0.3)), plan=SMALL))[1:] == []


def test_one_stage_alone_from_a_recipe() -> None:
    start = SPACE.flat(0.4) | {"OUT05": 0.123, "adjust:CONT": 1.5}
    plan = Plan(adjust=5, start=Beginning(label="start", point=start)).just({"adjust"})
    suggester = Suggester(space=SPACE, plan=plan, seed=1)
    told = run(suggester)
    assert [one.stage for one in told].count("adjust") == len([one for one in told if one.stage != "flat"]) == 5
    assert dict(start) in [one.point for one in told if one.stage == "flat"]
    for one in told:
        if one.stage == "adjust":
            assert {name: one.point[name] for name in UNET_BLOCKS if name != "IN00"} == {
                name: start[name] for name in UNET_BLOCKS if name != "IN00"
            }


def test_presets_are_tried_first_and_the_best_begins() -> None:
    preset = {knob.name: 0.6 if knob.name.startswith("OUT") else 0.3 for knob in SPACE.of_kind("block")}
    begun = Beginning(label="GRAD_V", point=SPACE.neutral | preset)
    suggester = Suggester(space=SPACE, plan=plan_of(blocks=3, line=0, beginnings=(begun,)))
    told = run(suggester)
    assert dict(begun.point) in [one.point for one in told if one.stage == "flat"]
    blocks = [one.point for one in told if one.stage == "blocks"]
    assert all(abs(point["OUT05"] - 0.6) < 0.2 and abs(point["IN05"] - 0.3) < 0.2 for point in blocks)


def test_words_are_searched_and_the_better_one_is_found() -> None:
    space = build_space(choices={"calculation": ("normal", "cosineA"), "vae": ("own", "baked", "other")})
    told: list[Told] = []
    suggester = Suggester(space=space, plan=plan_of(groups=24, line=1, patience=0), seed=2)
    while (proposal := suggester.next(told)) is not None:
        words = space.words(proposal.point)
        value = -sum((proposal.point[block] - 0.4) ** 2 for block in UNET_BLOCKS)
        value += (words["calculation"] == "cosineA") + 0.5 * (words["vae"] == "baked")
        told.append(Told(number=len(told), stage=proposal.stage, point=proposal.point, value=value))
    assert len({tuple(space.words(one.point).values()) for one in told}) >= 4
    assert space.words(suggester.recommended(told)) == {"calculation": "cosineA", "vae": "baked"}


def test_other_shots_begin_with_what_ties_them_to_the_earlier_ones() -> None:
    suggester = Suggester(space=SPACE, plan=SMALL, seed=3, rotation=Rotation(shots=12, each=4))
    told = run(suggester, most=22)
    blocks = [one for one in told if one.stage == "blocks"]
    assert {one.slots for one in told[:14]} == {(0, 1, 2, 3)}
    assert {one.slots for one in blocks} == {(4, 5, 6, 7)}
    again = [suggester.next(told[: 14 + n]) for n in range(2)]
    assert [one.label for one in again if one] == ["start of blocks", ""]


@pytest.mark.parametrize(("error", "longer"), [(None, 1.0), (0.001, 1.0), (0.1, 1.5), (5.0, 2.0)])
def test_steps_grow_with_the_noise_that_is_told(
    error: float | None, longer: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = list[float]()

    def noted(data: Data, where: Subspace, seed: tuple[int, ...], size: float) -> tuple[Position, Position]:
        sizes.append(size)
        return step(data, where, seed, size)

    monkeypatch.setattr(explore, "step", noted)
    suggester, told = Suggester(space=SPACE, plan=plan_of(adjust=10, line=0), seed=3), list[Told]()
    while (proposal := suggester.next(told)) is not None:
        one = Told(number=len(told), stage=proposal.stage, point=proposal.point, value=value_of(proposal.point))
        told.append(replace(one, standard_error=error))
    assert len(sizes) > 3
    flats = [one.value for one in told if one.stage == "flat" and one.value is not None]
    wanted = longer if longer != 1.5 else (0.1 / stdev(flats) / QUIET) ** 0.5
    assert 1.0 <= wanted <= LONGEST
    assert np.array(sizes) == pytest.approx(STEP["adjust"] * wanted)


def test_failed_trials_use_up_the_plan_and_a_search_without_any_value_goes_on() -> None:
    told: list[Told] = []
    suggester = Suggester(space=SPACE, plan=SMALL)
    while (proposal := suggester.next(told)) is not None:
        told.append(Told(number=len(told), stage=proposal.stage, point=proposal.point, value=None))
    assert len(told) == suggester.total - SMALL.line


def test_workers_that_tell_what_still_runs_try_different_recipes() -> None:
    suggester, told = (
        Suggester(space=SPACE, plan=SMALL, seed=3),
        run(Suggester(space=SPACE, plan=SMALL, seed=3), most=30),
    )
    for _ in range(4):
        proposal = suggester.next(told)
        assert proposal is not None
        told.append(Told(number=len(told), stage=proposal.stage, point=proposal.point, value=None))
    assert len({SPACE.mark(one.point) for one in told}) == len(told)


def test_a_history_of_another_space_is_refused() -> None:
    told = Told(number=0, stage="flat", point=build_space().flat(0.0), value=0.0)
    with pytest.raises(SearchError, match="adjust:CONT is missing"):
        Suggester(space=SPACE).next([told])


@pytest.mark.parametrize(
    "wrong",
    [
        {"groups": -1},
        {"patience": -1},
        {"gain": -0.5},
        {"flat": (0.5, 1.5)},
        {"sampler": "best"},
        {"options": {"x": 1}},
    ],
)
def test_a_plan_that_cannot_work_is_refused(wrong: Mapping[str, object]) -> None:
    with pytest.raises(SearchError, match="the plan has 1 mistake"):
        Plan(**wrong)  # pyright: ignore[reportArgumentType]


def test_values_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(SearchError, match="tell None instead"):
        Told(number=4, stage="flat", point={}, value=float("nan"))
    with pytest.raises(SearchError, match="no standard error"):
        Told(number=4, stage="flat", point={}, value=0.0, standard_error=float("nan"))
    with pytest.raises(SearchError, match="infeasible, yet"):
        Told(number=4, stage="flat", point={}, value=0.0, infeasible=True)


def test_reading_a_plan_loads_neither_torch_nor_optuna_nor_numpy() -> None:
    code = """
import sys
import search.space.build, search.samplers.optuna_samplers, search.space.space, search.plan
print([name for name in ("torch", "optuna", "numpy", "scipy", "cmaes") if name in sys.modules])
import search.finalists, search.suggester
print([name for name in ("torch", "optuna", "cmaes") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "[]"]

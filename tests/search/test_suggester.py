"""The suggester: stages in order, no repeats, and the same proposals after any interruption."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.blocks import UNET_BLOCKS
from engine.recipe import Recipe
from search import samplers
from search.errors import SearchError
from search.history import Point, Told
from search.layout import build_space
from search.stages import STAGES, Plan, start, subspace
from search.subspace import Axis
from search.suggester import Proposal, Suggester, known

ROOT = Path(__file__).parents[2]
SPACE = build_space(sites=("OUT05:attn1",), adjust=("CONT", "BRI"), freeze={"BASE": 0.0, "IN00": 0.2})
SMALL = Plan(groups=2, blocks=3, self_mode=2, adjust=2, calibration=1)


def value_of(point: Point) -> float:
    """A hill over the blocks at 0.3 (IN) and 0.6 (OUT), the multiplier at 0.9 and CONT at 2."""
    wanted = {block: 0.6 if block.startswith("OUT") else 0.3 for block in UNET_BLOCKS}
    wanted |= {"self:OUT05:attn1": 0.9, "adjust:CONT": 2.0, "adjust:BRI": 0.0}
    return -sum((point[name] - wanted[name]) ** 2 for name in point)


def answer(number: int, proposal: Proposal) -> Told:
    """Trial 1 fails, trials 2 and 9 are infeasible, all others have a value."""
    value = None if number in (1, 2, 9) else value_of(proposal.point)
    return Told(
        number=number, stage=proposal.stage, point=proposal.point, value=value, infeasible=value is None and number != 1
    )


def run(suggester: Suggester, history: Sequence[Told] = ()) -> list[Told]:
    told = list(history)
    while (proposal := suggester.next(told)) is not None:
        told.append(answer(len(told), proposal))
    return told


@pytest.fixture(scope="module")
def night() -> list[Told]:
    """A whole search with the real sampler."""
    return run(Suggester(space=SPACE, plan=SMALL, seed=3))


def test_stages_come_in_order_with_their_numbers_of_trials(night: list[Told]) -> None:
    counts = {stage: [told.stage for told in night].count(stage) for stage in STAGES}
    assert counts == {"flat": 6, "groups": 2, "blocks": 3, "self": 2, "adjust": 2}
    assert [told.stage for told in night] == [stage for stage in STAGES for _ in range(counts[stage])]
    assert len(night) == Suggester(space=SPACE, plan=SMALL).total


def test_every_trial_carries_the_full_vector_inside_the_bounds(night: list[Told]) -> None:
    box = samplers.distributions(SPACE)
    for told in night:
        assert list(told.point) == list(box)
        assert all(box[name]._contains(box[name].to_internal_repr(number)) for name, number in told.point.items())


def test_no_recipe_comes_twice(night: list[Told]) -> None:
    keys = [SPACE.decode(told.point).key for told in night]
    assert len(set(keys)) == len(keys)


def test_a_search_goes_on_where_it_stopped(night: list[Told]) -> None:
    for length in range(len(night)):
        proposal = Suggester(space=SPACE, plan=SMALL, seed=3).next(night[:length][::-1])
        assert proposal is not None
        assert (proposal.stage, proposal.point) == (night[length].stage, night[length].point)
    assert Suggester(space=SPACE, plan=SMALL, seed=3).next(night) is None


def test_another_process_proposes_the_same(night: list[Told]) -> None:
    script = """
import json, sys
from search.history import Told
from search.layout import build_space
from search.stages import Plan
from search.suggester import Suggester
space = build_space(sites=("OUT05:attn1",), adjust=("CONT", "BRI"), freeze={"BASE": 0.0, "IN00": 0.2})
plan = Plan(groups=2, blocks=3, self_mode=2, adjust=2, calibration=1)
told = [Told(**row) for row in json.load(sys.stdin)]
print(json.dumps(Suggester(space=space, plan=plan, seed=3).next(told).point))
"""
    names = ("number", "stage", "point", "value", "infeasible")
    rows = json.dumps([{name: getattr(told, name) for name in names} for told in night[:10]])
    command = [sys.executable, "-W", "error::FutureWarning", "-c", script]
    done = subprocess.run(command, cwd=ROOT, input=rows, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == night[10].point
    assert done.stderr == ""


def test_another_seed_proposes_something_else(night: list[Told]) -> None:
    other = Suggester(space=SPACE, plan=SMALL, seed=4).next(night[:10])
    assert other is not None
    assert other.point != night[10].point


def test_knobs_of_other_stages_stand_still(night: list[Told]) -> None:
    rest = SPACE.neutral
    for told in night[len(SMALL.flat) + SMALL.calibration :]:
        moved = {knob.kind for knob in SPACE.free if knob.kind != "block" and told.point[knob.name] != rest[knob.name]}
        assert moved <= set(STAGES[3 : STAGES.index(told.stage) + 1])
    for stage in ("self", "adjust"):
        blocks = {
            tuple(told.point[block] for block in UNET_BLOCKS if block != "IN00")
            for told in night
            if told.stage == stage
        }
        assert len(blocks) == 1


def test_group_trials_move_whole_groups(night: list[Told]) -> None:
    for told in night:
        if told.stage == "groups":
            assert all(len({told.point[knob.name] for knob in knobs}) == 1 for knobs in SPACE.groups.values())


def test_flat_stage_is_the_parents_and_the_flat_mixes() -> None:
    suggester, told = Suggester(space=build_space(), plan=Plan(groups=0, blocks=0)), list[Told]()
    labels: list[str] = []
    while (proposal := suggester.next(told)) is not None:
        labels.append(proposal.label)
        told.append(answer(len(told), proposal))
    assert labels == ["A", "B", "FLAT_25", "FLAT_50", "FLAT_75"]
    assert suggester.space.decode(told[0].point) == Recipe.flat(0)
    assert suggester.space.decode(told[1].point) == Recipe.flat(1)


def test_flat_points_that_bounds_make_equal_come_once() -> None:
    suggester = Suggester(space=build_space(ratios=(0.2, 0.5)), plan=Plan(groups=0, blocks=0))
    assert suggester.trials("flat") == 3
    first = suggester.next([])
    assert first is not None
    assert first.label == "A within bounds"


def test_a_stage_without_free_knobs_is_skipped() -> None:
    suggester = Suggester(space=build_space(freeze=dict.fromkeys(UNET_BLOCKS, 0.3), adjust=("CONT",)), plan=SMALL)
    assert [suggester.trials(stage) for stage in STAGES] == [2, 0, 0, 0, 2], "FLAT_30 and a calibration recipe"
    assert [told.stage for told in run(suggester)] == ["flat", "flat", "adjust", "adjust"]


def test_calibration_moves_every_kind_of_knob() -> None:
    """A scorer that sees only what Adjust does would else seem to see nothing."""
    rest = SPACE.flat(0.5)
    scattered = [one.point for one in Suggester(space=SPACE, plan=SMALL).calibration() if one.label == "random 1"]
    assert [{knob.kind for knob in SPACE.free if point[knob.name] != rest[knob.name]} for point in scattered] == [
        {"block", "self", "adjust"}
    ]
    assert run(Suggester(space=build_space(freeze=dict.fromkeys(UNET_BLOCKS, 0.3)), plan=SMALL))[1:] == []


@settings(max_examples=10)
@given(st.integers(0, 1000))
def test_a_sampler_that_repeats_itself_is_nudged(seed: int) -> None:
    def stubborn(axes: Sequence[Axis], data: object, *, seed: int, number: int) -> dict[str, float]:
        return {axis.name: (axis.low + axis.high) / 2 for axis in axes}

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samplers, "suggest", stubborn)
        night = run(Suggester(space=SPACE, plan=SMALL, seed=seed))
        again = run(Suggester(space=SPACE, plan=SMALL, seed=seed), night[:8])
    assert night == again
    assert len({SPACE.decode(told.point).key for told in night}) == len(night) == 15


def test_failed_trials_use_up_the_plan_and_infeasible_ones_count_as_the_worst() -> None:
    flat = [SPACE.flat(ratio) for ratio in (0.0, 0.25, 0.5, 0.75)]
    told = [
        Told(number=0, stage="flat", point=flat[0], value=-4.0),
        Told(number=1, stage="flat", point=flat[1], value=None),
        Told(number=2, stage="flat", point=flat[2], value=None, infeasible=True),
        Told(number=3, stage="flat", point=flat[3], value=2.0),
    ]
    where = subspace("groups", SPACE, Plan(), told)
    assert [(place["OUT_LATE"], value) for place, value in known(where, told)] == [
        (0.0, -4.0),
        (0.5, -4.0),
        (0.75, 2.0),
    ]
    assert known(where, told[2:3]) == []


def test_each_kind_of_knob_settles_at_the_mean_of_its_best_trials() -> None:
    base = SPACE.flat(0.4)
    rows = [base] + [base | {"adjust:CONT": x} for x in (1.0, 3.0, 4.0, -1.0)]
    rows += [SPACE.flat(ratio) for ratio in (0.0, 1.0)]
    told = [
        Told(
            number=n,
            stage="flat" if n in (0, 5, 6) else "adjust",
            point=row,
            value=9.0 - abs(row["adjust:CONT"] - 3) / 9,
        )
        if n < 5
        else Told(number=n, stage="flat", point=row, value=0.0)
        for n, row in enumerate(rows)
    ]
    assert start("blocks", SPACE, Plan(), told) == base
    assert start("adjust", SPACE, Plan(), told) == base
    assert start(None, SPACE, Plan(), told) == base | {"adjust:CONT": 3.5}


def test_nothing_but_failures_still_leaves_a_search() -> None:
    told: list[Told] = []
    suggester = Suggester(space=SPACE, plan=SMALL)
    while (proposal := suggester.next(told)) is not None:
        told.append(Told(number=len(told), stage=proposal.stage, point=proposal.point, value=None))
    assert len(told) == suggester.total


def test_a_history_of_another_space_is_refused() -> None:
    told = Told(number=0, stage="flat", point=build_space().flat(0.0), value=0.0)
    with pytest.raises(SearchError, match="adjust:CONT is missing"):
        Suggester(space=SPACE).next([told])


@pytest.mark.parametrize("wrong", [{"groups": -1}, {"window": 0.0}, {"best": 0}, {"flat": (0.5, 1.5)}])
def test_a_plan_that_cannot_work_is_refused(wrong: Mapping[str, object]) -> None:
    with pytest.raises(SearchError, match="the plan has 1 mistake"):
        Plan(**wrong)  # pyright: ignore[reportArgumentType]


def test_values_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(SearchError, match="tell None instead"):
        Told(number=4, stage="flat", point={}, value=float("nan"))
    with pytest.raises(SearchError, match="infeasible, yet"):
        Told(number=4, stage="flat", point={}, value=0.0, infeasible=True)


def test_the_suggester_loads_neither_torch_nor_optuna() -> None:
    code = """
import sys
import search.finalists, search.layout, search.samplers, search.suggester
print([name for name in ("torch", "optuna", "numpy") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

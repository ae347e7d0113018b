"""How stages end: on evidence, with the right sentence, and with no winner where there is nothing to win."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from engine.recipes.blocks import UNET_BLOCKS
from search.history import Point, Told
from search.plan import Plan
from search.space.build import build_space
from search.space.space import Space
from search.state import Course
from search.suggester import Suggester

FEW = {block: 0.3 for block in UNET_BLOCKS if block not in ("IN05", "M00", "OUT05", "OUT08")}
SPACE = build_space(freeze=FEW, adjust=("CONT", "BRI"))
PLAN = Plan(groups=4, blocks=60, self_mode=20, adjust=40, refine=20)


def searched(value: Callable[[Point, int], float], space: Space = SPACE, plan: Plan = PLAN) -> list[Told]:
    suggester, told = Suggester(space=space, plan=plan, seed=1), list[Told]()
    while (proposal := suggester.next(told)) is not None:
        number = value(proposal.point, len(told))
        told.append(Told(number=len(told), stage=proposal.stage, point=proposal.point, value=number))
    return told


def endings(told: list[Told], space: Space = SPACE, plan: Plan = PLAN) -> dict[str, str]:
    return {one.stage: one.why for one in Course(space, plan, told).endings}


@pytest.mark.parametrize("seed", range(3))
def test_pure_noise_ends_early_and_says_so(seed: int) -> None:
    told = searched(lambda point, number: random.Random(f"{seed}:{number}").gauss(0, 1))
    why = endings(told)
    assert why["blocks"] == why["adjust"] == "idle"
    assert why["refine"] == "skipped"
    assert len(told) < 8 + 4 + 40 + 32
    suggester = Suggester(space=SPACE, plan=PLAN, seed=1)
    assert "nothing that can be told from the noise" in str(suggester.endings(told)[2])
    recommended = suggester.recommended(told)
    assert (recommended["adjust:CONT"], recommended["adjust:BRI"]) == (0.0, 0.0)


def test_knobs_that_do_nothing_rest_while_others_are_found() -> None:
    def value(point: Point, number: int) -> float:
        noise = random.Random(number).gauss(0, 0.02)
        return noise - (point["OUT05"] - 0.6) ** 2 - (point["IN05"] - 0.2) ** 2

    told = searched(value)
    assert endings(told)["adjust"] == "idle"
    found = Suggester(space=SPACE, plan=PLAN, seed=1).recommended(told)
    assert found["adjust:CONT"] == found["adjust:BRI"] == 0.0
    assert abs(found["OUT05"] - 0.6) < 0.12
    assert abs(found["IN05"] - 0.2) < 0.12
    moved = {axis.name for axis in Course(SPACE, PLAN, told).axes("refine")}
    assert {"OUT05", "IN05"} <= moved <= {"OUT05", "IN05", "M00", "OUT08"}


def test_identical_parents_leave_only_what_is_not_a_ratio() -> None:
    told = searched(lambda point, number: 1.5)
    why = endings(told)
    assert why["groups"] == why["blocks"] == "level"
    assert {one.stage for one in told} == {"flat", "adjust"}
    assert why["adjust"] == "idle"
    assert "as if both models were one" in str(Course(SPACE, PLAN, told).ending("blocks"))
    assert Suggester(space=SPACE, plan=PLAN).recommended(told) == SPACE.flat(0.0)
    contrast = searched(lambda point, number: 1.5 - (point["adjust:CONT"] - 2) ** 2)
    assert {one.stage for one in contrast} == {"flat", "adjust", "refine"}
    assert abs(Suggester(space=SPACE, plan=PLAN).recommended(contrast)["adjust:CONT"] - 2) < 0.2


def test_a_stage_ends_when_it_no_longer_gains_and_goes_on_without_patience() -> None:
    def value(point: Point, number: int) -> float:
        noise = random.Random(number).gauss(0, 0.05)
        return noise - sum((point[name] - 0.4) ** 2 for name in ("IN05", "M00", "OUT05", "OUT08"))

    only = Plan(blocks=200).just({"blocks"})
    told = searched(value, plan=only)
    assert endings(told, plan=only)["blocks"] == "settled"
    blocks = [one for one in told if one.stage == "blocks"]
    assert 28 <= len(blocks) < 150
    found = Suggester(space=SPACE, plan=only, seed=1).recommended(told)
    assert value(found, 0) - value(found | {"IN05": 0.4, "M00": 0.4, "OUT05": 0.4, "OUT08": 0.4}, 0) > -0.03
    patient = Plan(groups=0, blocks=200, self_mode=0, adjust=0, refine=0, patience=0)
    assert Suggester(space=SPACE, plan=patient, seed=1).next(told) is not None


def test_failed_trials_are_no_data_and_infeasible_ones_are_as_bad_as_the_worst() -> None:
    points = [SPACE.flat(ratio) for ratio in (0.0, 0.25, 0.5, 0.75)]
    told = [
        Told(number=0, stage="flat", point=points[0], value=-4.0),
        Told(number=1, stage="flat", point=points[1], value=None),
        Told(number=2, stage="flat", point=points[2], value=None, infeasible=True),
        Told(number=3, stage="flat", point=points[3], value=2.0, standard_error=0.3),
    ]
    data = Course(SPACE, PLAN, told).data()
    assert data is not None
    assert data.values == (-4.0, -4.0, 2.0)
    assert [row[0] for row in data.rows] == [0.0, 0.5, 0.75]
    assert data.noise == 0.3
    assert Course(SPACE, PLAN, told[1:3]).data() is None


def test_the_start_of_a_stage_stands_still_while_trials_come_in() -> None:
    """Whatever their standard errors: else the start would be another recipe every time, and tried again and again."""
    plan = Plan(groups=6, blocks=30, self_mode=0, adjust=0, refine=0)
    suggester, told, labels = Suggester(space=SPACE, plan=plan, seed=1), list[Told](), list[str]()
    starts: list[dict[str, float]] = []
    while (proposal := suggester.next(told)) is not None:
        draw = random.Random(len(told))
        value = draw.gauss(0, 0.05) - sum((proposal.point[name] - 0.4) ** 2 for name in ("IN05", "M00", "OUT05"))
        error = draw.uniform(0.02, 0.5)
        told.append(
            Told(
                number=len(told),
                stage=proposal.stage,
                point=proposal.point,
                value=value,
                standard_error=error,
                slots=proposal.slots,
            )
        )
        labels.append(proposal.label)
        if proposal.stage == "blocks":
            starts.append(Course(SPACE, plan, told).start("blocks"))
    assert len(starts) > 20
    assert all(start == starts[0] for start in starts)
    assert labels.count("start of blocks") == 1

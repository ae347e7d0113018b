"""Coarse grids end, values on other shots compare, and stages without axes or with second ratios are no trap."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from engine.recipes.blocks import UNET_BLOCKS
from search.finalists import choose, optimism
from search.history import Point, Told
from search.plan import Plan
from search.shots import Rotation
from search.simplify import simpler
from search.space.build import build_space
from search.space.frame import Frame
from search.space.space import Space
from search.state import Course
from search.suggester import Proposal, Suggester
from search.surrogate.axes import grouped
from search.surrogate.columns import Columns
from search.surrogate.subspace import Subspace

FROZEN = dict.fromkeys(UNET_BLOCKS, 0.3)
Value = Callable[[Proposal, int], float]


def followed(suggester: Suggester, value: Value, most: int = 400) -> list[Told]:
    told = list[Told]()
    while len(told) < most and (proposal := suggester.next(told)) is not None:
        found = value(proposal, len(told))
        told.append(
            Told(number=len(told), stage=proposal.stage, point=proposal.point, value=found, slots=proposal.slots)
        )
    return told


def away(point: Point) -> float:
    return -sum((number - 0.4) ** 2 for number in point.values())


# ---------------------------------------------------------------------------------------------------------- grids


@pytest.mark.parametrize(
    ("space", "stage", "recipes"),
    [
        (build_space(steps=dict.fromkeys(UNET_BLOCKS, 0.25)), "flat", 5),
        (build_space(freeze=FROZEN, adjust=("CONT",), steps={"adjust:CONT": 1.0}), "adjust", 10),
        (build_space(freeze=FROZEN, choices={"vae": ("a", "b", "c")}), "groups", 2),
    ],
)
def test_a_stage_whose_grid_is_used_up_ends_and_says_so(space: Space, stage: str, recipes: int) -> None:
    plan = Plan(groups=12, blocks=0, adjust=16, refine=0, patience=0)
    suggester = Suggester(space=space, plan=plan, seed=1)
    told = followed(suggester, lambda proposal, _: away(proposal.point))
    ending = next(one for one in suggester.endings(told) if one.stage == stage)
    assert (ending.why, ending.trials) == ("exhausted", recipes)
    assert "every recipe that the steps of its knobs allow was tried" in str(ending)
    assert len({space.mark(one.point) for one in told}) == len(told)


def test_a_stage_with_nothing_but_words_ends_by_evidence_too() -> None:
    space = build_space(freeze=FROZEN, choices={"vae": ("a", "b", "c")}, adjust=("CONT",))
    points = [space.neutral | {"vae": float(n % 3), "adjust:CONT": 0.1 * n} for n in range(24)]
    told = [
        Told(number=n, stage="groups", point=point, value=random.Random(n).gauss()) for n, point in enumerate(points)
    ]
    assert Course(space, Plan(groups=40), told).ending("groups").why == "idle"
    better = [Told(number=n, stage="groups", point=p, value=p["vae"] + 0.01 * n % 0.02) for n, p in enumerate(points)]
    assert Course(space, Plan(groups=40), better).ending("groups").why != "idle"


@pytest.mark.parametrize("sampler", ["cmaes", "tpe"])
def test_other_samplers_have_no_trouble_with_words_alone(sampler: str) -> None:
    space = build_space(freeze=FROZEN, choices={"vae": ("a", "b", "c")})
    told = followed(Suggester(space=space, plan=Plan(groups=4, sampler=sampler), seed=1), lambda proposal, _: 1.0)
    assert {one.point["vae"] for one in told} == {0.0, 1.0, 2.0}


def test_flat_is_planned_where_no_block_moves() -> None:
    space = build_space(freeze=FROZEN, adjust=("CONT",))
    suggester = Suggester(space=space, plan=Plan(calibration=2), seed=1)
    assert suggester.trials("flat") == 3
    assert suggester.endings([])[0].why == "open"
    first = suggester.next([])
    assert first is not None
    told = [Told(number=0, stage="flat", point=first.point, value=0.0)]
    assert suggester.endings(told)[0].why == "open"


def test_simpler_ratios_lie_on_the_knobs_own_grid_and_second_ratios_are_levelled_too() -> None:
    coarse = build_space(steps={"OUT05": 0.25})
    kept = simpler(coarse, coarse.flat(0.3) | {"OUT05": 0.25})
    labels = list[str]()
    candidate = next(kept, None)
    while candidate is not None:
        labels.append(candidate.label)
        assert candidate.point["OUT05"] % 0.25 == 0
        try:
            candidate = kept.send(False)
        except StopIteration:
            break
    three = build_space(frame=Frame(models=("A", "B", "C"), mode="Triple sum"), seconds=(0, 1))
    point = three.flat(0.3) | {"beta:IN00": 0.2, "beta:IN01": 0.4}
    assert next(simpler(three, point)).label == "beta:IN_EARLY at one ratio"


# ---------------------------------------------------------------------------------------------------------- shifts


def shifted(shift: float, noise: float) -> Value:
    """Values whose second set of shots lies elsewhere."""

    def value(proposal: Proposal, number: int) -> float:
        hill = away(proposal.point) if not noise else 0.0
        return hill + noise * random.Random(number).gauss() + shift * (proposal.slots[0] > 0)

    return value


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_luck_and_ranks_do_not_hang_on_which_shots_are_easier(shift: float) -> None:
    space, plan = (
        build_space(freeze=dict.fromkeys(UNET_BLOCKS[4:], 0.3)),
        Plan(groups=8, blocks=16, refine=0, patience=0),
    )
    suggester = Suggester(space=space, plan=plan, seed=1, rotation=Rotation(shots=12, each=4))
    told = followed(suggester, shifted(shift, 0.0))
    assert abs(optimism(space, told, plan) or 0.0) < 0.05
    nearest = max(told, key=lambda one: away(one.point)).point
    assert nearest in [finalist.point for finalist in choose(space, told, 2, plan)]


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_chance_is_found_out_on_shifted_shots_as_well(shift: float) -> None:
    plan = Plan(groups=4, blocks=72, refine=0)
    suggester = Suggester(space=build_space(), plan=plan, seed=1, rotation=Rotation(shots=12, each=4))
    told = followed(suggester, shifted(shift, 1.0))
    assert {one.stage: one.why for one in suggester.endings(told)}["blocks"] == "idle"


def test_cma_is_told_its_own_trials_alone() -> None:
    """The start of a stage, which ties it to the shots of earlier ones, is no child of its generation."""
    space, rotation = build_space(freeze=dict.fromkeys(UNET_BLOCKS[6:], 0.3)), Rotation(shots=12, each=4)
    plan = Plan(groups=0, blocks=12, refine=0, sampler="cmaes", options={"population_size": 4})
    suggester = Suggester(space=space, plan=plan, seed=1, rotation=rotation)
    told = followed(suggester, lambda proposal, _: away(proposal.point))
    first = [one for one in told if one.stage == "blocks"][1]
    from search.samplers.cma_es import suggest

    where = Course(space, plan, told[: first.number]).subspace("blocks")
    asked = suggest(where.start.tolist(), (), seed=1, options=plan.options)
    assert first.point == where.point(asked)


# ---------------------------------------------------------------------------------------------- stops, ties, levels


def test_the_gradient_along_an_axis_is_that_of_the_function_beyond_a_knobs_own_bounds() -> None:
    space = build_space(bounds={"OUT05": (0.5, 1.0), "OUT06": (0.0, 0.3)})
    columns = Columns.of(space)
    where = Subspace(axes=grouped(space.groups), fixed=tuple(space.flat(0.4).items()), columns=columns)
    draw = np.random.default_rng(1)
    pull = draw.normal(size=len(where.row))
    for _ in range(5):
        position = draw.uniform(size=len(where.axes))
        found = where.pulled(pull, position)
        assert found == pytest.approx(approx_fprime(position, lambda p: float(where.rows(p[None])[0] @ pull)), abs=1e-5)


def test_twins_end_no_stage_that_moves_a_third_model() -> None:
    frame = Frame(models=("A", "B", "C"), mode="Triple sum")
    told = followed(
        Suggester(space=build_space(frame=frame, seconds=(0, 0.5)), plan=Plan(groups=8, blocks=0, refine=0), seed=1),
        lambda proposal, _: proposal.point["beta:IN00"],
    )
    assert [one.stage for one in told].count("groups") == 8


def test_a_flat_recipe_has_its_usual_name_only_where_tied_blocks_follow() -> None:
    tied = build_space(ties={"OUT05": "BASE"})
    assert [one.label for one in Suggester(space=tied).calibration()][:2] == ["A", "B within bounds"]
    bounded = build_space(bounds={"OUT05": (0.2, 0.8)}, ties={"OUT05": "IN05"})
    assert [one.label for one in Suggester(space=bounded).calibration()][:2] == ["A", "B"]

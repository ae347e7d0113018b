"""Values on different sets of shots: they are tied, compared, and their random effects noticed."""

from __future__ import annotations

import random

import pytest

from engine.recipes.blocks import UNET_BLOCKS
from search.finalists import choose, optimism
from search.history import Point
from search.plan import SearchPlan
from search.shots import ShotRotation
from search.space.build import build_space
from search.suggester import Proposal, Suggester
from tests.search.searching import Value, searched


def away(point: Point) -> float:
    return -sum((number - 0.4) ** 2 for number in point.values())


def shifted(shift: float, noise: float) -> Value:
    """Values whose second set of shots lies elsewhere."""

    def value(proposal: Proposal, number: int) -> float:
        distance = away(proposal.point) if not noise else 0.0
        return distance + noise * random.Random(number).gauss() + shift * (proposal.slots[0] > 0)

    return value


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_optimism_and_ranks_do_not_depend_on_which_shots_are_easier(shift: float) -> None:
    space, plan = (
        build_space(freeze=dict.fromkeys(UNET_BLOCKS[4:], 0.3)),
        SearchPlan(groups=8, blocks=16, refine=0, patience=0),
    )
    suggester = Suggester(space=space, plan=plan, seed=1, rotation=ShotRotation(shots=12, per_trial=4))
    history = searched(suggester, shifted(shift, 0.0))
    assert abs(optimism(space, history, plan) or 0.0) < 0.05
    nearest = max(history, key=lambda one: away(one.point)).point
    assert nearest in [finalist.point for finalist in choose(space, history, 2, plan)]


@pytest.mark.parametrize("shift", [0.0, 3.0])
def test_chance_is_noticed_on_shifted_shots_as_well(shift: float) -> None:
    plan = SearchPlan(groups=4, blocks=72, refine=0)
    suggester = Suggester(space=build_space(), plan=plan, seed=1, rotation=ShotRotation(shots=12, per_trial=4))
    history = searched(suggester, shifted(shift, 1.0))
    assert {one.stage: one.status for one in suggester.statuses(history)}["blocks"] == "no effect"


def test_other_shots_begin_with_what_ties_them_to_the_earlier_ones() -> None:
    plan, rotation = SearchPlan(groups=6, blocks=18, calibration=1, line=2), ShotRotation(shots=12, per_trial=4)
    suggester = Suggester(space=build_space(), plan=plan, seed=3, rotation=rotation)
    history = searched(suggester, lambda proposal, _: away(proposal.point), most=22)
    blocks = [one for one in history if one.stage == "blocks"]
    assert {one.slots for one in history[:14]} == {(0, 1, 2, 3)}
    assert {one.slots for one in blocks} == {(4, 5, 6, 7)}
    again = [suggester.next(history[: 14 + n]) for n in range(2)]
    assert [one.label for one in again if one] == ["start of blocks", ""]

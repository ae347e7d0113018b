"""Stages whose grids are used up, and stages without axes."""

from __future__ import annotations

import pytest

from engine.recipes.blocks import UNET_BLOCKS
from search.history import TrialRecord
from search.plan import SearchPlan
from search.space.build import build_space
from search.space.space import Space
from search.suggester import Suggester
from tests.search.searching import searched

FROZEN = dict.fromkeys(UNET_BLOCKS, 0.3)


@pytest.mark.parametrize(
    ("space", "stage", "recipes"),
    [
        (build_space(steps=dict.fromkeys(UNET_BLOCKS, 0.25)), "flat", 5),
        (build_space(freeze=FROZEN, adjust=("CONT",), steps={"adjust:CONT": 1.0}), "adjust", 10),
        (build_space(freeze=FROZEN, choices={"vae": ("a", "b", "c")}), "groups", 2),
    ],
)
def test_a_stage_whose_grid_is_used_up_ends_and_says_so(space: Space, stage: str, recipes: int) -> None:
    plan = SearchPlan(groups=12, blocks=0, adjust=16, refine=0, patience=0)
    suggester = Suggester(space=space, plan=plan, seed=1)
    history = searched(suggester, lambda proposal, _: -sum((number - 0.4) ** 2 for number in proposal.point.values()))
    status = next(one for one in suggester.statuses(history) if one.stage == stage)
    assert (status.status, status.trials) == ("exhausted", recipes)
    assert "every recipe that the steps of its knobs allow was tried" in str(status)
    assert len({space.mark(one.point) for one in history}) == len(history)


def test_flat_is_planned_where_no_block_moves() -> None:
    space = build_space(freeze=FROZEN, adjust=("CONT",))
    suggester = Suggester(space=space, plan=SearchPlan(calibration=2), seed=1)
    assert suggester.trials("flat") == 3
    assert suggester.statuses([])[0].status == "open"
    first = suggester.next([])
    assert first is not None
    history = [TrialRecord(number=0, stage="flat", point=first.point, value=0.0)]
    assert suggester.statuses(history)[0].status == "open"

"""Which blocks hold which axis: no block two, every mix a look, and a plant that no FLAT reaches."""

from __future__ import annotations

import pytest
import torch

from engine.recipes.blocks import BLOCKS
from studies.sample.scenery.looks import AXES, MORE_AXES
from studies.sample.training.axes import MAIN, SECOND, PairPlan, random_ratios

PLANS = pytest.mark.parametrize("plan", [MAIN, SECOND], ids=lambda plan: plan.name)


def flat(ratio: float) -> torch.Tensor:
    """The same ratio in all blocks."""
    return torch.full((len(BLOCKS),), float(ratio))


@PLANS
def test_every_block_is_in_one_share_and_every_axis_whole(plan: PairPlan) -> None:
    blocks = [block for share in plan.shares for block in share.blocks]
    assert sorted(blocks) == sorted(BLOCKS)
    for axis in plan.axes:
        assert sum(share.amount for share in plan.shares if share.axis == axis) == pytest.approx(1)


@PLANS
def test_the_parents_are_the_two_ends(plan: PairPlan) -> None:
    first = torch.tensor([plan.first[axis] for axis in plan.axes])
    assert torch.allclose(plan.amounts(flat(0)), first, atol=1e-6)
    assert torch.allclose(plan.amounts(flat(1)), 1 - first, atol=1e-6)
    assert torch.allclose(plan.amounts(flat(0.5)), torch.full((len(plan.axes),), 0.5))


@PLANS
def test_the_plant_takes_each_axis_from_one_parent(plan: PairPlan) -> None:
    ratios = torch.tensor([plan.plant()[block] for block in BLOCKS])
    wanted = [1 - plan.first[axis] if axis in plan.wanted else plan.first[axis] for axis in plan.axes]
    assert torch.allclose(plan.amounts(ratios), torch.tensor(wanted))
    assert 0 < len(plan.wanted) < len(plan.axes), "else a parent is the plant"


def test_the_two_pairs_have_no_axis_in_common() -> None:
    assert MAIN.axes == AXES, "the base's, in the order of its latents"
    assert SECOND.axes == MORE_AXES


def test_one_share_moves_its_axis_alone() -> None:
    ratios = torch.tensor([float(block == "M00") for block in BLOCKS])
    assert torch.allclose(MAIN.amounts(ratios), torch.tensor([0.25, 0.0, 0.0]))


@PLANS
def test_random_ratios_hold_both_parents_flats_and_mixes(plan: PairPlan) -> None:
    generator = torch.Generator().manual_seed(0)
    drawn = [random_ratios(plan, generator) for _ in range(300)]
    assert all(((ratios >= 0) & (ratios <= 1)).all() for ratios in drawn)
    inner = [ratios[1:] for ratios in drawn]
    flats = [ratios for ratios in inner if ratios.unique().numel() == 1]
    assert {0.0, 1.0} <= {float(ratios[0]) for ratios in flats}
    assert 0.4 < len(flats) / len(drawn) < 0.6
    assert any(ratios.unique().numel() > 10 for ratios in inner)
    looks = torch.stack([plan.amounts(ratios) for ratios in drawn])
    assert (looks.std(0) > 0.25).all()
    assert abs(torch.corrcoef(looks.T)[0, 1]) < 0.95, "axes move on their own too"

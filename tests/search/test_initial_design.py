"""What stage `flat` begins with: FLAT mixes by their names, random recipes, and no recipe twice."""

from __future__ import annotations

from dataclasses import replace

from engine.recipes.blocks import UNET_BLOCKS
from engine.recipes.recipe import Recipe
from search.plan import SearchPlan
from search.space.build import build_space
from search.suggester import Suggester
from tests.search.searching import searched

SPACE = build_space(sites=("OUT05:attn1",), adjust=("CONT", "BRI"), freeze={"BASE": 0.0, "IN00": 0.2})
FLAT = SearchPlan().just({"flat"})


def test_flat_stage_is_the_parents_the_flat_mixes_and_a_line() -> None:
    suggester = Suggester(space=build_space(), plan=FLAT)
    history = searched(suggester, lambda proposal, _: -abs(proposal.point["M00"] - 0.4))
    proposals = [suggester.next(history[:n]) for n in range(len(history))]
    labels = [proposal.label for proposal in proposals if proposal]
    assert labels == ["A", "B", "FLAT_25", "FLAT_50", "FLAT_75", "line", "line", "line"]
    assert suggester.space.decode(history[0].point) == Recipe.flat(0)
    assert suggester.space.decode(history[1].point) == Recipe.flat(1)
    assert min(abs(one.point["M00"] - 0.4) for one in history[5:]) < 0.08


def test_flat_points_that_bounds_make_equal_come_once() -> None:
    suggester = Suggester(space=build_space(ratios=(0.2, 0.5)), plan=replace(FLAT, line=0))
    assert suggester.trials("flat") == 3
    first = suggester.next([])
    assert first is not None
    assert first.label == "A within bounds"


def test_calibration_moves_every_kind_of_knob() -> None:
    """A scorer that sees only what Adjust does would otherwise seem to see nothing."""
    plan, rest = SearchPlan(calibration=1), SPACE.flat(0.5)
    *_, drawn = Suggester(space=SPACE, plan=plan).calibration()
    assert drawn.label == "random 1"
    moved = {knob.kind for knob in SPACE.free if drawn.point[knob.name] != rest[knob.name]}
    assert moved == {"block", "self", "adjust"}


def test_where_nothing_moves_there_is_one_recipe() -> None:
    frozen = build_space(freeze=dict.fromkeys(UNET_BLOCKS, 0.3))
    assert len(searched(Suggester(space=frozen, plan=SearchPlan(calibration=1)), lambda proposal, _: 0.0)) == 1


def test_a_flat_recipe_has_its_usual_name_only_where_tied_blocks_follow() -> None:
    tied = build_space(ties={"OUT05": "BASE"})
    assert [one.label for one in Suggester(space=tied).calibration()][:2] == ["A", "B within bounds"]
    bounded = build_space(bounds={"OUT05": (0.2, 0.8)}, ties={"OUT05": "IN05"})
    assert [one.label for one in Suggester(space=bounded).calibration()][:2] == ["A", "B"]

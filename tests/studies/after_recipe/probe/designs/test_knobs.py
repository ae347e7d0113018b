"""What is probed, and the recipes of moved knobs."""

from __future__ import annotations

import pytest

from engine.recipes.recipe import AdjustStep, MergeStep, Recipe, SelfStep
from search.space.baselines import flats
from search.space.build import build_space
from search.space.frame import RecipeFrame
from search.space.space import Space
from studies.after_recipe.probe.designs.design import DesignedRecipe, one_at_a_time
from studies.after_recipe.probe.designs.knobs import KnobChoice, base_of_recipe, flat_base, moved_values, probed_knobs
from studies.errors import StudyError

SPACE = build_space(sites=["OUT05:attn1"], adjust=["CONT"], bounds={"self:OUT05:attn1": (0.9, 1.1), "BASE": (0.0, 1.0)})
BASE = flat_base(SPACE, 0.5)


def names(blocks: str = "none", sites: str = "none", fields: str = "none", space: Space = SPACE) -> list[str]:
    choice = KnobChoice(blocks=blocks, sites=sites, fields=fields)
    return [knob.name for knob in probed_knobs(space, flat_base(space, 0.5), choice)]


def test_the_base_is_the_mix_that_calibrates_the_panel() -> None:
    assert BASE.recipe({}) == flats(SPACE)["FLAT_50"]
    frozen = build_space()
    assert flat_base(frozen, 0.5).recipe({}) == flats(frozen)["FLAT_50"]
    three = build_space(frame=RecipeFrame(models=("A", "B", "C"), mode="Triple sum"), seconds=(0.0, 1.0))
    assert flat_base(three, 0.25).recipe({}) == flats(three)["FLAT_25"]


def test_everything_is_probed_that_the_pair_has_and_the_study_searches() -> None:
    knobs = probed_knobs(SPACE, BASE, KnobChoice())
    assert len(knobs) == 28
    assert [knob.name for knob in knobs][-2:] == ["self:OUT05:attn1", "adjust:CONT"]
    first, site, field = knobs[0], *knobs[-2:]
    assert (first.name, first.kind, first.low, first.base, first.high) == ("BASE", "block", 0, 0.5, 1)
    assert (site.kind, site.block, site.element, site.low, site.base, site.high) == (
        "self", "OUT05", "attn1", 0.9, 1, 1.1
    )  # fmt: skip
    assert (field.kind, field.element, field.low, field.base, field.high) == ("adjust", "CONT", -5, 0, 5)
    assert next(knob for knob in knobs if knob.name == "OUT05").group == "OUT_MIDDLE"


def test_names_choose() -> None:
    assert names(blocks="OUT05, IN00-IN02,M00") == ["IN00", "IN01", "IN02", "M00", "OUT05"]
    assert names(sites="OUT03:attn2,OUT11:attn1") == ["self:OUT03:attn2", "self:OUT11:attn1"]
    assert len(names(sites="suggested")) == 9
    assert names(fields="COL1,IN") == ["adjust:IN", "adjust:COL1"]
    assert len(names(fields="all")) == 8


def test_all_unknown_names_are_told_at_once() -> None:
    with pytest.raises(StudyError) as caught:
        names(blocks="OUT5,XX-IN00", sites="OUT05:atn1,OUT99:attn1", fields="CONTRAST")
    text = str(caught.value)
    for part in ("OUT05", "'XX'", "atn1", "OUT99", "CONT"):
        assert part in text
    with pytest.raises(StudyError, match="nothing is left"):
        names()


def test_moved_knobs_change_that_number_alone() -> None:
    recipe = BASE.recipe({"OUT05": 1.0, "self:OUT05:attn1": 0.9, "adjust:CONT": -5.0})
    merge, multiplied, adjusted = recipe.steps
    assert isinstance(merge, MergeStep)
    assert isinstance(multiplied, SelfStep)
    assert isinstance(adjusted, AdjustStep)
    ratios = SPACE.frame.by_block(merge.alpha)
    assert ratios == dict.fromkeys(SPACE.frame.blocks, 0.5) | {"OUT05": 1.0}
    assert [(str(site), factor) for site, factor in multiplied.factors] == [("OUT05:attn1", 0.9)]
    assert adjusted.values[3] == -5.0
    assert recipe == SPACE.decode(SPACE.encode(recipe))


def test_levels_become_values_and_an_unseen_change_is_one_of_a_thousandth() -> None:
    knobs = probed_knobs(SPACE, BASE, KnobChoice(blocks="OUT05"))
    base, nudged, low, high, *_ = one_at_a_time([knob.name for knob in knobs]).recipes
    assert moved_values(base, knobs) == {}
    assert moved_values(low, knobs) == {"OUT05": 0.0}
    assert moved_values(high, knobs) == {"OUT05": 1.0}
    assert moved_values(nudged, knobs) == {"OUT05": 0.501, "self:OUT05:attn1": 1.0002, "adjust:CONT": 0.01}
    assert moved_values(DesignedRecipe(label="", levels={"adjust:CONT": 1}), knobs) == {"adjust:CONT": 5.0}
    part = DesignedRecipe(label="", levels={"adjust:CONT": -0.2, "self:OUT05:attn1": 0.2, "OUT05": -0.5})
    assert moved_values(part, knobs) == {"adjust:CONT": -1.0, "self:OUT05:attn1": 1.02, "OUT05": 0.25}


def test_a_recipe_is_a_base_too() -> None:
    found = SPACE.decode(SPACE.neutral | {"OUT05": 0.25, "IN01": 0.75, "self:OUT05:attn1": 1.1, "adjust:CONT": 2.0})
    base = base_of_recipe("mine", found, SPACE.frame)
    assert base.recipe({}) == found
    assert [base.value(name) for name in ("OUT05", "self:OUT05:attn1", "adjust:CONT", "adjust:BRI")] == [
        0.25, 1.1, 2, 0
    ]  # fmt: skip


def test_other_recipes_are_no_base() -> None:
    two = Recipe(steps=(MergeStep(alpha=0.5), MergeStep(models=("previous", "B"), alpha=0.1)))
    other = Recipe(steps=(MergeStep(models=("A", "X"), alpha=0.5),))
    xl = Recipe(steps=(MergeStep(alpha=0.5),), family="sdxl", dialect="head")
    for recipe, part in ((two, "one merge"), (other, "A and X"), (xl, "sdxl")):
        with pytest.raises(StudyError, match=part):
            base_of_recipe("mine", recipe, SPACE.frame)

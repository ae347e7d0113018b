"""The space: bounds, groups, freezing, and the way to a recipe and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.recipes.blocks import ADJUST_FIELDS, BLOCKS, UNET_BLOCKS, Site
from engine.recipes.recipe import AdjustStep, MergeStep, Recipe, SelfStep
from search.errors import SearchError
from search.space.build import DEFAULT_GROUPS, build_space
from search.space.space import Knob, Space

SITES = ("OUT05:attn1", "OUT08:attn1")


def full_space() -> Space:
    return build_space(
        bounds={"OUT05": (0.1, 0.6), "BASE": (0.0, 0.3), "adjust:CONT": (-1.0, 7.0)},
        freeze={"IN00": 0.25, "self:OUT08:attn1": 0.88, "adjust:BRI": -1.0},
        sites=SITES,
        adjust=("CONT", "BRI", "COL1"),
    )


SPACE = full_space()


def points(space: Space) -> st.SearchStrategy[dict[str, float]]:
    return st.fixed_dictionaries({knob.name: st.floats(knob.low, knob.high) for knob in space.free})


@given(points(SPACE))
def test_decode_then_encode_is_the_same_point_inside_the_bounds(point: dict[str, float]) -> None:
    back = SPACE.encode(SPACE.decode(point))
    assert list(back) == [knob.name for knob in SPACE.free]
    assert back == pytest.approx(point, abs=2e-6)
    assert all(knob.low <= back[knob.name] <= knob.high for knob in SPACE.free)


@given(points(SPACE))
def test_frozen_knobs_never_move(point: dict[str, float]) -> None:
    recipe = SPACE.decode(point)
    merge, factors, adjust = recipe.steps
    assert isinstance(merge, MergeStep)
    assert isinstance(merge.alpha, tuple)
    assert merge.alpha[1] == 0.25
    assert isinstance(factors, SelfStep)
    assert dict(factors.factors)[Site.parse("OUT08:attn1")] == 0.88
    assert isinstance(adjust, AdjustStep)
    assert adjust.values[ADJUST_FIELDS.index("BRI")] == -1.0


@given(st.floats(0, 1))
def test_decode_of_flat_is_the_flat_recipe(ratio: float) -> None:
    assert build_space().decode(build_space().flat(ratio)) == Recipe.flat(ratio)
    whole = build_space(bounds={"BASE": (0, 1)}, sites=SITES, adjust=ADJUST_FIELDS)
    assert whole.decode(whole.flat(ratio)) == Recipe.flat(ratio, base=ratio)


def test_flat_and_neutral_keep_the_bounds() -> None:
    space = build_space(bounds={"OUT05": (0.1, 0.6)}, sites=SITES, factors=(0.8, 0.95), adjust=("CONT",))
    assert space.flat(1.0)["OUT05"] == 0.6
    assert space.neutral["OUT05"] == 0.1
    assert space.neutral["self:OUT05:attn1"] == 0.95
    assert space.neutral["adjust:CONT"] == 0.0


def test_groups_hold_every_free_block_once() -> None:
    members = [knob.name for knobs in SPACE.groups.values() for knob in knobs]
    assert sorted(members) == sorted(knob.name for knob in SPACE.of_kind("block"))


def test_default_groups_hold_every_unet_block_once() -> None:
    assert sorted(block for blocks in DEFAULT_GROUPS.values() for block in blocks) == sorted(UNET_BLOCKS)
    assert list(build_space().groups) == list(DEFAULT_GROUPS)


def test_a_block_in_no_group_is_its_own() -> None:
    space = build_space(groups={"eyes": ("OUT04", "OUT05")}, freeze={"OUT04": 0.2})
    assert [knob.name for knob in space.groups["eyes"]] == ["OUT05"]
    assert [knob.name for knob in space.groups["IN03"]] == ["IN03"]
    assert len(space.groups) == 24


def test_base_rests_at_zero_unless_it_is_asked_for() -> None:
    assert "BASE" not in build_space().neutral
    assert build_space(freeze={"BASE": 0.4}).decode(build_space().flat(0.5)) == Recipe.flat(0.5, base=0.4)
    assert "BASE" in build_space(bounds={"BASE": (0, 1)}).neutral
    assert "BASE" in build_space(groups={"front": ("BASE", "IN00")}).neutral


def test_knobs_have_the_promised_names_and_rest() -> None:
    space = build_space(sites=("OUT05:attn1",), adjust=("CONT",))
    rests = {knob.name: (knob.kind, knob.neutral) for knob in space.knobs[len(BLOCKS) :]}
    assert rests == {"self:OUT05:attn1": ("self", 1.0), "adjust:CONT": ("adjust", 0.0)}


def test_every_problem_of_a_space_is_told_at_once() -> None:
    with pytest.raises(SearchError) as caught:
        build_space(
            bounds={"OUT5": (0, 1), "IN01": (0.5, 0.5)},
            groups={"x": ("IN02", "IN99"), "y": ("IN02",)},
            freeze={"adjust:CONT": 1.0},
            sites=("OUT05",),
            adjust=("CONTRAST",),
        )
    text = str(caught.value)
    for part in (
        "7 problems",
        "'OUT5'",
        "IN01",
        "IN99",
        "groups.y: IN02 is already in group x",
        "freeze: 'adjust:CONT'",
        "'OUT05'",
        "CONTRAST",
    ):
        assert part in text


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"sites": ("IN00:attn1",)}, "no tensor that a self step"),
        ({"sites": ("OUT05:attn1",), "factors": (0.0, 1.0)}, "stay above 0"),
        ({"groups": {"OUT05": ("OUT05",)}}, "name of a knob"),
        ({"ratios": (0.0, float("nan"))}, "not finite"),
    ],
)
def test_a_space_that_cannot_work_is_refused(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(SearchError, match=says):
        build_space(**wrong)  # pyright: ignore[reportArgumentType]


def test_a_space_needs_every_block_once() -> None:
    knob = Knob(name="IN00", kind="block", low=0, high=1, neutral=0)
    with pytest.raises(SearchError, match=r"(?s)IN00 is given 2 times.*OUT11 has no knob"):
        Space(knobs=(knob, knob))


def test_points_of_another_space_are_refused() -> None:
    point = build_space().flat(0.5)
    del point["IN00"]
    with pytest.raises(SearchError, match=r"(?s)IN00 is missing.*IN0 is not searched"):
        build_space().decode(point | {"IN0": 0.5})
    with pytest.raises(SearchError, match=r"IN00 = 1\.5 is outside 0\.\.1"):
        build_space().decode(build_space().flat(0.5) | {"IN00": 1.5})
    with pytest.raises(SearchError, match="IN00 = nan"):
        build_space().decode(build_space().flat(0.5) | {"IN00": float("nan")})


def test_one_ratio_for_all_blocks_is_a_row_of_ratios() -> None:
    recipe = Recipe(steps=(MergeStep(alpha=0.4),))
    assert build_space(bounds={"BASE": (0, 1)}).encode(recipe) == dict.fromkeys(BLOCKS, 0.4)
    with pytest.raises(SearchError, match=r"BASE = 0\.4"):
        build_space().encode(recipe)


def test_recipes_outside_the_space_are_refused() -> None:
    merge = MergeStep(alpha=(0.5,) + (0.2,) * 24 + (1.5,))
    steps = (merge, SelfStep(factors=((Site.parse("OUT05:attn1"), 0.9),)), AdjustStep(values=(0, 0, 0, 1, 0, 0, 0, 0)))
    with pytest.raises(SearchError) as caught:
        build_space().encode(Recipe(steps=steps))
    for part in ("4 problems", "BASE = 0.5", "frozen at 0", "OUT11 = 1.5", "self:OUT05:attn1", "adjust:CONT"):
        assert part in str(caught.value)
    with pytest.raises(SearchError, match="plain Weight sum of A and B"):
        build_space().encode(Recipe(steps=(MergeStep(models=("B", "A"), alpha=(0.0,) * 26),)))


def test_a_word_that_is_no_number_is_refused_as_other_problems_are() -> None:
    space = build_space(choices={"vae": ("merged", "own")})
    with pytest.raises(SearchError, match="no word's place"):
        space.checked(space.neutral | {"vae": float("nan")})
    with pytest.raises(SearchError, match="no word's place"):
        space.checked(space.neutral | {"vae": 0.5})

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.blocks import ADJUST_FIELDS, BLOCKS, UNET_BLOCKS, Site
from engine.errors import RecipeError
from engine.recipe import AdjustStep, MergeStep, Recipe, SelfStep, Step

FLAT35 = MergeStep(ratios=(0.0, *(0.35 for _ in UNET_BLOCKS)))
numbers = st.floats(-3, 3, allow_nan=False)
sites = st.builds(
    Site,
    block=st.sampled_from(["IN01", "IN02", "IN04", "M00", "OUT05", "OUT08", "OUT11"]),
    element=st.sampled_from(["attn1", "attn1.to_q", "attn2", "ff.net", "proj", "in_layers", ""]),
)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    steps: list[Step] = [MergeStep(ratios=tuple(draw(st.lists(numbers, min_size=26, max_size=26))))]
    factors = draw(st.dictionaries(sites, st.one_of(numbers, st.sampled_from([0.0, 1.0])), max_size=6))
    steps.append(SelfStep(factors=tuple(factors.items())))
    steps.append(AdjustStep(values=tuple(draw(st.lists(numbers, min_size=8, max_size=8)))))
    return Recipe(steps=tuple(steps))


def self_step(**factors: float) -> SelfStep:
    return SelfStep(factors=tuple((Site.parse(name.replace("__", ":")), value) for name, value in factors.items()))


@given(recipes())
def test_the_text_reads_back(recipe: Recipe) -> None:
    assert Recipe.parse(recipe.text) == recipe
    assert Recipe.parse(recipe.text).text == recipe.text


def test_the_text_is_short_and_canonical() -> None:
    recipe = Recipe(
        steps=(
            FLAT35,
            self_step(OUT08__attn1=0.88, OUT05__attn1=0.880000001),
            AdjustStep(values=(0, 0, 0, -1, 7, 0, 0, 0)),
        )
    )
    head, merge, factors, adjust = recipe.text.splitlines()
    assert head == "recipe 1 classic"
    assert merge == "merge A B 0," + ",".join(["0.35"] * 25)
    assert factors == "self OUT05:attn1=0.88 OUT08:attn1=0.88"
    assert adjust == "adjust CONT=-1 BRI=7"
    assert len(recipe.key) == 64


def test_the_key_never_changes() -> None:
    """Recipes on record are found by it."""
    assert Recipe.flat(0.5).key == "105507eddc6695eda881b287cba65d3b8b41f560d0a66bf6bdc406c7e91a54b3"


def test_steps_that_change_nothing_are_dropped() -> None:
    plain = Recipe(steps=(FLAT35,))
    neutral = Recipe(steps=(FLAT35, self_step(OUT05__attn1=1), AdjustStep(values=(0.0,) * 8)))
    assert neutral == plain
    assert neutral.key == plain.key


def test_a_factor_of_zero_means_one() -> None:
    assert self_step(OUT05__attn1=0) == self_step(OUT05__attn1=1)


def test_a_neutral_factor_stays_where_it_shadows_another() -> None:
    pair = ((Site.parse("OUT05:attn1"), 0.9), (Site.parse("OUT05:attn1.to_q"), 1.0))
    assert SelfStep(factors=pair).factors == pair
    apart = ((Site.parse("OUT05:attn1"), 0.9), (Site.parse("OUT05:attn2"), 1.0))
    assert SelfStep(factors=apart).factors == apart[:1]


def test_flat_is_one_ratio_for_the_unet() -> None:
    assert Recipe.flat(0.25).merge.ratios == (0.0, *(0.25 for _ in UNET_BLOCKS))
    assert Recipe.flat(1, base=1).merge.ratios == (1.0,) * 26
    assert Recipe.flat(0.25).merge.ratio("OUT11") == 0.25


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "line 1, column 1: the recipe text is empty"),
        ("recipes 1 classic", "line 1, column 1: 'recipes' starts no recipe"),
        ("recipe 2 classic", "line 1, column 8: recipe version '2' is unknown"),
        ("recipe 1 head", "line 1, column 10: there is no dialect 'head'"),
        ("recipe 1 classic", "a recipe is one merge step"),
        ("recipe 1 classic\nmerge A B 0,1", "line 2, column 11: a merge step has 2 ratios; it needs 26"),
        ("recipe 1 classic\nmerge A B " + "0," * 25 + "x", "line 2, column 61: 'x' is no number"),
        ("recipe 1 classic\nmerge A B " + "0," * 25 + "nan", "line 2, column 11: the ratio of OUT11 is nan"),
        ("recipe 1 classic\nmerge A", "line 2, column 1: merge is followed by two models and 26 ratios"),
        ("recipe 1 classic\nmix A B", "line 2, column 1: there is no step 'mix'"),
        (Recipe.flat(0).text + "\nself OUT05:attn1", "line 3, column 6: 'OUT05:attn1' has no '='"),
        (Recipe.flat(0).text + "\nself OUT5:attn1=1", "line 3, column 6: there is no block 'OUT5'"),
        (Recipe.flat(0).text + "\nself IN00:attn1=1", "line 3, column 1: no tensor .* belongs to IN00:attn1"),
        (Recipe.flat(0).text + "\nadjust CONT=1 CONT=2", "line 3, column 15: 'CONT' stands twice"),
        (Recipe.flat(0).text + "\nadjust HUE=1", "line 3, column 8: 'HUE' is no Adjust field"),
    ],
)
def test_a_bad_text_is_refused_with_its_place(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        Recipe.parse(text)


@pytest.mark.parametrize(
    "steps",
    [(), (self_step(OUT05__attn1=0.9),), (FLAT35, FLAT35), (FLAT35, AdjustStep(values=(1.0,) * 8), self_step())],
)
def test_the_steps_have_an_order(steps: tuple[Step, ...]) -> None:
    with pytest.raises(RecipeError, match="one merge step, then at most one self step"):
        Recipe(steps=steps)


def test_wrong_values_are_refused() -> None:
    with pytest.raises(RecipeError, match="8: IN, OUT"):
        AdjustStep(values=(1.0,) * 7)
    with pytest.raises(RecipeError, match="ratio of OUT02 is inf"):
        MergeStep(ratios=tuple(float("inf") if block == "OUT02" else 0.0 for block in BLOCKS))
    with pytest.raises(RecipeError, match="two factors for OUT05:attn1"):
        SelfStep(factors=((Site.parse("OUT05:attn1"), 0.9), (Site.parse("OUT05:attn1"), 0.8)))
    with pytest.raises(RecipeError, match="plain words"):
        MergeStep(models=("A", "my model"), ratios=FLAT35.ratios)
    with pytest.raises(RecipeError, match="no dialect 'head'"):
        Recipe(steps=(FLAT35,), dialect="head")


def test_supermerger_gets_two_runs() -> None:
    adjust = AdjustStep(values=(0, 0, 0, -1, 7, 1, 1, 0))
    text = Recipe(steps=(FLAT35, self_step(OUT05__attn1=0.88, OUT08__attn1=0.88), adjust)).supermerger()
    first, second = text.split("Run 2")
    assert "dialect classic" in first
    assert "weights (BASE first): 0," + ",".join(["0.35"] * 25) in first
    assert "Adjust: 0,0,0,-1,7,1,1,0" in first
    assert "elemental merge: OUT05 OUT08:attn1:0.88" in second
    assert "calculation mode: self" in second
    assert "Adjust" not in second


def test_adjust_waits_for_the_self_run_where_both_touch_a_tensor() -> None:
    adjust = AdjustStep(values=(0, 0, 0, -1, 7, 1, 1, 0))
    first, second = Recipe(steps=(FLAT35, self_step(OUT11__=0.9), adjust)).supermerger().split("Run 2")
    assert "Adjust" not in first
    assert "Adjust: 0,0,0,-1,7,1,1,0" in second


def test_no_self_step_no_second_run() -> None:
    assert "Run 2" not in Recipe.flat(0.5).supermerger()


def test_rules_of_a_block_keep_their_order() -> None:
    pair = ((Site.parse("OUT05:attn1"), 0.9), (Site.parse("OUT05:attn1.to_q"), 1.0))
    assert (
        "elemental merge: OUT05:attn1:0.9,OUT05:attn1.to_q:1"
        in Recipe(steps=(FLAT35, SelfStep(factors=pair))).supermerger()
    )


def test_names_are_written_once() -> None:
    assert Recipe(steps=(FLAT35, AdjustStep(values=(1.0,) * 8))).text.endswith(
        " ".join(f"{n}=1" for n in ADJUST_FIELDS)
    )

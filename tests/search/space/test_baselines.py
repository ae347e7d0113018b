"""What a search is measured against: models as they are, FLAT mixes, and their names."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.recipes.recipe import MergeStep, Recipe
from search.errors import SearchError
from search.plan import SearchPlan
from search.space.baselines import flat_name, flats, parents
from search.space.build import build_space
from search.space.frame import RecipeFrame
from search.suggester import Suggester

ABC = ("A", "B", "C")


def merge(recipe: Recipe) -> MergeStep:
    (step,) = recipe.steps
    assert isinstance(step, MergeStep)
    return step


def by_block(frame: RecipeFrame, recipe: Recipe) -> dict[str, float]:
    return frame.by_block(merge(recipe).alpha)


@given(low=st.floats(-1, 0.4), high=st.floats(0.6, 2))
def test_bounds_do_not_move_parents_and_flat_mixes(low: float, high: float) -> None:
    space = build_space(ratios=(low, high), sites=("OUT05:attn1",), adjust=("CONT",))
    assert parents(space) == {"A": Recipe.flat(0.0), "B": Recipe.flat(1.0)}
    assert flats(space) == {f"FLAT_{n}": Recipe.flat(n / 100) for n in (25, 50, 75)}


def test_base_is_as_in_stage_flat() -> None:
    free = build_space(bounds={"BASE": (0, 1)})
    assert parents(free)["B"] == Recipe.flat(1.0, base=1.0)
    assert flats(free)["FLAT_25"] == Recipe.flat(0.25, base=0.25)
    frozen = build_space(freeze={"BASE": 0.4})
    assert parents(frozen)["A"] == Recipe.flat(0.0, base=0.4)


@pytest.mark.parametrize("mode", ["Add difference", "Triple sum", "sum Twice"])
def test_every_model_is_a_parent_whatever_the_mode(mode: str) -> None:
    frame = RecipeFrame(models=ABC, mode=mode)
    space = build_space(frame=frame, seconds=(0.1, 0.5) if mode != "Add difference" else None)
    found = parents(space)
    assert {name: merge(recipe).models for name, recipe in found.items()} == {
        "A": ("A", "B"),
        "B": ("A", "B"),
        "C": ("A", "C"),
    }
    assert all(merge(recipe).mode == "Weight sum" for recipe in found.values())
    half = merge(flats(space)["FLAT_50"])
    assert (half.mode, half.models) == (mode, ABC)
    assert {*by_block(frame, flats(space)["FLAT_50"]).values()} == {0.0, 0.5}
    if mode != "Add difference":
        assert {*frame.by_block(half.beta).values()} == {0.0, 0.1}


def test_sdxl_has_parents_of_its_own_family_and_ids() -> None:
    space = build_space(frame=RecipeFrame(family="sdxl", separate=True), bounds={"TIME": (0, 1)})
    b = parents(space)["B"]
    assert (b.family, b.dialect) == ("sdxl", "head")
    assert by_block(space.frame, b) == dict.fromkeys(space.frame.blocks, 1.0) | {"BASE": 0.0}


def test_a_flat_ratio_has_a_models_name_only_where_it_makes_that_model() -> None:
    weight, difference = build_space(), build_space(frame=RecipeFrame(models=ABC, mode="Add difference"))
    assert [flat_name(weight, ratio) for ratio in (0.0, 0.5, 1.0)] == ["A", "FLAT_50", "B"]
    assert [flat_name(difference, ratio) for ratio in (0.0, 1.0)] == ["A", "FLAT_100"]
    cosine = build_space(frame=RecipeFrame(calculation="cosineA"))
    assert [flat_name(cosine, ratio) for ratio in (0.0, 1.0)] == ["FLAT_00", "FLAT_100"]
    mixed = build_space(frame=RecipeFrame(models=ABC, mode="Triple sum"), seconds=(0.1, 0.5))
    assert flat_name(mixed, 1.0) == "FLAT_100"
    held = build_space(frame=RecipeFrame(models=ABC, mode="Triple sum", beta=0.2))
    assert flat_name(held, 0.0) == "FLAT_00"
    chosen = build_space(frame=RecipeFrame(models=ABC), choices={"mode": ("Add difference", "Weight sum")})
    assert flat_name(chosen, 1.0) == "FLAT_100"
    labels = [proposal.label for proposal in Suggester(space=difference, plan=SearchPlan()).calibration()]
    assert labels == ["A", "FLAT_100", "FLAT_25", "FLAT_50", "FLAT_75"]


def test_the_frames_second_ratio_holds_where_no_knob_has_one() -> None:
    space = build_space(frame=RecipeFrame(models=ABC, mode="Triple sum", beta=0.3))
    recipe = space.decode(space.flat(0.2))
    assert merge(recipe).beta == 0.3
    assert space.encode(recipe) == space.flat(0.2)
    extract = build_space(frame=RecipeFrame(models=ABC, calculation="extract", beta=0.3, gamma=0.5))
    step = merge(extract.decode(extract.flat(0.2)))
    assert (step.mode, step.beta, step.gamma) == ("Add difference", 0.3, 0.5)
    with pytest.raises(SearchError, match="extract takes 3 models, not 2"):
        RecipeFrame(calculation="extract")


def test_separate_ids_have_no_second_ratio() -> None:
    with pytest.raises(SearchError, match="leave separate out"):
        RecipeFrame(family="sdxl", separate=True, models=ABC, mode="Triple sum")
    frame = RecipeFrame(family="sdxl", separate=True, models=ABC)
    with pytest.raises(SearchError, match=r"mode: Triple sum, normal: .*leave separate out"):
        build_space(frame=frame, choices={"mode": ("Weight sum", "Triple sum")})


def test_sdxl_reads_a_row_of_26_as_supermerger_does() -> None:
    found = RecipeFrame(family="sdxl").by_block(tuple(n / 100 for n in range(26)))
    assert len(found) == 20
    assert (found["IN08"], found["M00"], found["OUT00"], found["OUT08"]) == (0.09, 0.13, 0.14, 0.22)

"""Spaces of other models: SDXL, three parents, ties, choices, ratios outside 0..1."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.recipes.blocks import EXTENDED_BLOCKS, XL_BLOCKS, xl_block_of
from engine.recipes.recipe import MergeStep, Recipe
from search.errors import SearchError
from search.space.build import build_space, suggested_sites
from search.space.frame import RecipeFrame
from search.space.space import Space

THREE = RecipeFrame(models=("A", "B", "C"), mode="Triple sum")
XL = RecipeFrame(family="sdxl", separate=True)
SPACES: dict[str, Space] = {
    "three models": build_space(frame=THREE, seconds=(0.0, 0.5), sites=("OUT05:attn1",), adjust=("CONT",)),
    "SDXL": build_space(frame=RecipeFrame(family="sdxl"), adjust=("COL1",)),
    "SDXL, 110 ids": build_space(frame=XL, bounds={"TIME": (0, 1), "OUT": (0, 1)}, ties={"LABEL": "TIME"}),
    "2023": build_space(frame=RecipeFrame(dialect="2023"), adjust=("CONT",)),
    "ties": build_space(ties={f"OUT{n:02d}": f"IN{11 - n:02d}" for n in range(12)}),
    "wide": build_space(ratios=(-0.5, 1.5)),
    "choices": build_space(
        frame=RecipeFrame(models=("A", "B", "C")),
        choices={
            "mode": ("Weight sum", "Add difference"),
            "calculation": ("normal", "cosineA"),
            "vae": ("a", "b", "c"),
        },
    ),
}


@given(st.sampled_from(list(SPACES)), st.data())
def test_decode_then_encode_is_the_same_point_in_every_frame(name: str, data: st.DataObject) -> None:
    space = SPACES[name]
    point = {
        knob.name: float(data.draw(st.integers(0, len(knob.options) - 1)))
        if knob.is_choice
        else data.draw(st.floats(knob.low, knob.high))
        for knob in space.free
    }
    back = space.encode(space.decode(point))
    assert back == pytest.approx(point | ({"vae": 0.0} if "vae" in point else {}), abs=2e-6)


def test_tied_blocks_have_their_leaders_ratio() -> None:
    space = SPACES["ties"]
    assert {knob.name for knob in space.free} == {f"IN{n:02d}" for n in range(12)} | {"M00"}
    merge = space.decode(space.flat(0.5) | {"IN05": 0.2}).steps[0]
    assert isinstance(merge, MergeStep)
    assert isinstance(merge.alpha, tuple)
    assert merge.alpha[1 + 5] == merge.alpha[1 + 12 + 1 + 6] == 0.2
    alpha = list(merge.alpha)
    alpha[1 + 12 + 1 + 6] = 0.3
    with pytest.raises(SearchError, match=r"OUT06 = 0\.3, but the space has it tied to IN05"):
        space.encode(Recipe(steps=(MergeStep(alpha=tuple(alpha)),)))


def test_three_models_have_a_second_ratio_that_moves_with_its_own_groups() -> None:
    space = SPACES["three models"]
    recipe = space.decode(space.flat(0.4) | {"beta:OUT05": 0.25})
    assert recipe.models == ("A", "B", "C")
    merge = recipe.steps[0]
    assert isinstance(merge, MergeStep)
    assert isinstance(merge.beta, tuple)
    assert merge.beta[1 + 12 + 1 + 5] == 0.25
    assert {knob.name for knob in space.groups["beta:MIDDLE"]} == {"beta:M00"}
    assert len(space.of_kind("second")) == 25


def test_every_id_of_sdxl_follows_the_block_that_its_keys_belong_to() -> None:
    space = SPACES["SDXL, 110 ids"]
    numbers = {block: n / 100 for n, block in enumerate(XL.blocks)}
    point = {name: number for name, number in numbers.items() if name not in ("BASE", "LABEL")}
    merge = space.decode(point).steps[0]
    assert isinstance(merge, MergeStep)
    assert isinstance(merge.alpha, tuple)
    by_id = dict(zip(EXTENDED_BLOCKS, merge.alpha, strict=True))
    assert by_id["LABEL"] == by_id["TIME"] == pytest.approx(numbers["TIME"])
    assert by_id["OUT9"] == pytest.approx(numbers["OUT"])
    for key in (
        "model.diffusion_model.input_blocks.4.1.transformer_blocks.1.attn1.to_q.weight",
        "model.diffusion_model.middle_block.1.transformer_blocks.9.ff.net.2.weight",
        "model.diffusion_model.output_blocks.8.0.in_layers.2.weight",
    ):
        place = xl_block_of(key)
        assert place is not None
        assert by_id[place[1]] == pytest.approx(numbers[place[0]])


def test_words_decide_mode_and_calculation_and_the_rest_is_told_apart_outside() -> None:
    space = SPACES["choices"]
    one = space.flat(0.3) | {"mode": 1.0, "calculation": 0.0, "vae": 2.0}
    merge = space.decode(one).steps[0]
    assert isinstance(merge, MergeStep)
    assert (merge.mode, merge.models) == ("Add difference", ("A", "B", "C"))
    assert space.words(one) == {"mode": "Add difference", "calculation": "normal", "vae": "c"}
    assert space.mark(one) != space.mark(one | {"vae": 0.0})
    with pytest.raises(SearchError, match="no word's place"):
        space.checked(one | {"vae": 0.5})


def test_suggested_sites_are_those_that_self_mode_can_multiply() -> None:
    assert suggested_sites()[0] == "OUT03:attn1"
    assert len(suggested_sites()) == 9
    assert set(suggested_sites(RecipeFrame(family="sdxl"))) <= {f"{block}:attn1" for block in XL_BLOCKS}
    assert build_space(sites=suggested_sites()).of_kind("self")


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"ties": {"OUT05": "OUT99"}}, "no knob of this space"),
        ({"ties": {"OUT05": "IN05", "IN05": "IN04"}}, "tied itself"),
        ({"ties": {"OUT05": "adjust:CONT"}, "adjust": ("CONT",)}, "another kind"),
        ({"choices": {"mode": ("Weight sum", "Triple sum")}}, "takes 3 models"),
        ({"choices": {"calculation": ("normal", "median")}}, "'median' is unknown"),
        ({"choices": {"sampler": ("a", "b")}}, "choices.sampler: is an unknown choice"),
        ({"steps": {"OUT05": 0.0}}, "no grid"),
        ({"frame": RecipeFrame(dialect="2023"), "adjust": ("BRI",)}, "'BRI' is unknown"),
    ],
)
def test_spaces_that_cannot_work_are_refused(fields: dict[str, object], says: str) -> None:
    with pytest.raises(SearchError, match=says):
        build_space(**fields)  # pyright: ignore[reportArgumentType]


def test_frames_that_cannot_work_are_refused() -> None:
    with pytest.raises(SearchError, match="cannot have ratios of their own"):
        RecipeFrame(separate=True)
    with pytest.raises(SearchError, match="takes 3 models"):
        RecipeFrame(mode="Triple sum")


def test_recipes_of_other_frames_are_refused() -> None:
    with pytest.raises(SearchError, match="for sd1 in the dialect classic"):
        SPACES["SDXL"].encode(Recipe.flat(0.5))
    with pytest.raises(SearchError, match="plain Triple sum of A and B and C"):
        SPACES["three models"].encode(Recipe.flat(0.5))

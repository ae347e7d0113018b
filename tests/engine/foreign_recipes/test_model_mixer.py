"""Model Mixer's metadata: every tensor gets the share that Model Mixer gives it."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from engine.architecture.widths import FamilyName
from engine.errors import RecipeError
from engine.foreign_recipes.header import recipe_of_header
from engine.foreign_recipes.places import OPEN_CLIP_NOTE
from engine.recipes.adjust import SHIFTED
from engine.supermerger.fields import Reading
from tests.engine.exports.recipes import RISING, RISING_XL
from tests.engine.foreign_recipes.shares import keys_of, shares, shift

SHA = {"first": "a" * 64, "second": "b" * 64, "third": "c" * 64, "basis": "d" * 64}


def metadata(**changes: Any) -> dict[str, str]:
    """What Model Mixer writes for one model merged into A, with changes."""
    recipe: dict[str, Any] = {
        "type": "sd-webui-model-mixer",
        "blocks": "BASE,IN00",
        "mbw": True,
        "weights_alpha": [list(RISING)],
        "weights_alpha_orig": [",".join(map(str, RISING))],
        "alpha": [0.5],
        "model_a": "first",
        "base_model": None,
        "mode": ["Sum"],
        "calcmode": ["Normal"],
        "elemental": [""],
        "use_elemental": [False],
        "adjust": "",
        "uses": [True],
        "use_mbws": [True],
        "model_b": "second",
        "recipe": "first * (1 - alpha_0) + second * alpha_0(...)",
    }
    listed = {sha: {"name": name, "legacy_hash": None} for name, sha in SHA.items()}
    return {"sd_merge_recipe": json.dumps(recipe | changes), "sd_merge_models": json.dumps(listed)}


def read(family: FamilyName | None = "sd1", **changes: Any) -> Reading:
    return recipe_of_header(metadata(**changes), None, family)


def weight(key: str, row: tuple[float, ...], *, xl: bool) -> float:
    """The weight that Model Mixer's own rules give a tensor with block weights, by its name."""
    if key.startswith("conditioner." if xl else "cond_stage_model."):
        skipped = ("position_ids", "positional_embedding", "text_projection", "logit_scale")
        return 0.0 if key.endswith(skipped) else row[0]
    if not key.startswith("model.diffusion_model."):
        return 0.0
    rest = key.removeprefix("model.diffusion_model.")
    if rest.startswith(("time_embed.", "out.")):
        return row[-1]
    side = re.match(r"(input|middle|output)_block[s]?\.(\d+)\.", rest)
    if side is None:
        return 0.0  # label_emb
    middle, start = (10, 11) if xl else (13, 14)
    return row[{"input": 1 + int(side[2]), "middle": middle, "output": start + int(side[2])}[side[1]]]


@pytest.mark.parametrize(("family", "row"), [("sd1", RISING), ("sdxl", RISING_XL)])
def test_block_weights_reach_the_tensors_that_model_mixer_gives_them(
    family: FamilyName, row: tuple[float, ...]
) -> None:
    found = read(family, weights_alpha=[list(row)])
    given = shares(found.recipe)
    wrong = {
        key: (given[key].get("B", 0.0), weight(key, row, xl=family == "sdxl"))
        for key in keys_of(family)
        if given[key].get("B", 0.0) != pytest.approx(weight(key, row, xl=family == "sdxl"), abs=1e-12)
    }
    assert not wrong
    assert found.sources == {"A": f"first sha256 {SHA['first']}", "B": f"second sha256 {SHA['second']}"}
    assert any("VAE stays A's" in note for note in found.notes)
    assert any(OPEN_CLIP_NOTE in note for note in found.notes) == (family == "sdxl")


def test_the_number_of_weights_says_that_it_is_sdxl() -> None:
    assert read(None, weights_alpha=[list(RISING_XL)]).recipe.family == "sdxl"
    assert read(None).recipe.family == "sd1"


def test_one_alpha_is_for_every_tensor_and_the_vae_too() -> None:
    given = shares(read(use_mbws=[False], weights_alpha=["0"], mbw=False, alpha=[0.3]).recipe)
    others = {key: share for key, share in given.items() if share.get("B", 0.0) != pytest.approx(0.3)}
    assert all("position_ids" in key for key in others)
    assert given["first_stage_model.encoder.conv_in.weight"]["B"] == pytest.approx(0.3)


def test_a_chain_with_add_difference_self_and_adjust() -> None:
    factors = [1.0] * 19 + [0.88] + [1.0] * 6
    found = read(
        mode=["Sum", "Add-Diff", "Self"],
        calcmode=["Normal"] * 3,
        weights_alpha=[list(RISING), [0.5] * 26, factors],
        use_mbws=[True] * 3,
        alpha=[0.5, 0.5, 0.5],
        elemental=["", "", ""],
        use_elemental=[False] * 3,
        model_c="third",
        model_d="first",
        base_model="basis",
        adjust="0,0,0,-1,7,1,1,0",
    )
    given = shares(found.recipe)
    plain = "model.diffusion_model.input_blocks.4.0.in_layers.2.weight"
    alpha = RISING[5]
    assert given[plain] == pytest.approx({"A": 1 - alpha, "B": alpha, "C": 0.5, "base": -0.5})
    scaled = "model.diffusion_model.output_blocks.5.1.transformer_blocks.0.attn1.to_q.weight"
    alpha = RISING[19]
    assert given[scaled] == pytest.approx({"A": 0.88 * (1 - alpha), "B": 0.88 * alpha, "C": 0.44, "base": -0.44})
    never = scaled.replace("to_q", "to_out.0")
    assert given[never] == pytest.approx({"A": 1 - alpha, "B": alpha, "C": 0.5, "base": -0.5})
    assert given["first_stage_model.encoder.conv_in.weight"] == {"A": 1.0}
    assert shift(found.recipe, SHIFTED) == pytest.approx((-0.02, -0.12, 0.14 / 3, 0.22 / 3))
    assert found.sources["base"] == f"basis sha256 {SHA['basis']}"


def test_elemental_rules_of_sdxl_become_those_of_the_110_blocks() -> None:
    found = read("sdxl", weights_alpha=[list(RISING_XL)], elemental=["OUT01 M00:attn2:0.9"], use_elemental=[True])
    given = shares(found.recipe)
    middle = "model.diffusion_model.middle_block.1.transformer_blocks.3.attn2.to_k.weight"
    assert given[middle]["B"] == pytest.approx(0.9)
    assert given[middle.replace("attn2", "attn1")]["B"] == pytest.approx(RISING_XL[10])
    assert any("a guess: elemental rules" in note for note in found.notes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"calcmode": ["Rebasin"]}, "model_b: its calculation mode is 'Rebasin'; Normal alone is read"),
        ({"mode": ["DARE"]}, "model_b: its mode is 'DARE'; Sum, Add-Diff and Self are read"),
        ({"mode": []}, "it merged no model into A"),
        ({"mode": "Sum"}, r'mode: a list belongs there \("Sum"\)'),
        ({"mode": ["Sum"] * 40}, "mode has 40 entries"),
        ({"weights_alpha": [[0.5] * 7]}, "weights_alpha has 7 numbers; 20 .SDXL. or 26 belong there"),
        ({"weights_alpha": [[0.5] * 25 + [None]]}, "model_b: weights_alpha: a number belongs there"),
        ({"weights_alpha": [[0.5] * 25 + [float("nan")]]}, "a number belongs there"),
        ({"weights_alpha": [[0.5] * 25 + [10**400]]}, "a number belongs there"),
        ({"use_mbws": [False], "alpha": ["much"]}, "model_b: alpha: a number belongs there"),
        ({"use_mbws": [False], "alpha": []}, "model_b: alpha: a number belongs there"),
    ],
)
def test_what_is_not_read_is_refused_in_a_sentence(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        read(**changes)


def test_rules_that_sdxl_cannot_say_are_refused() -> None:
    with pytest.raises(RecipeError, match="its elemental rules cannot be said in SDXL's 110 blocks"):
        read("sdxl", weights_alpha=[list(RISING_XL)], elemental=["NOT OUT01:attn2:0.9"], use_elemental=[True])


def test_what_is_not_recorded_is_noted() -> None:
    found = read(mode=["Add-Diff"], adjust="0,0,0,-1,1,1,1")
    assert any("base model of Add-Diff was found by Model Mixer itself" in note for note in found.notes)
    assert any("a guess: Adjust has seven numbers" in note for note in found.notes)
    assert found.sources["base"] == "unknown"

"""The recipe in the header of merged files, as SuperMerger and A1111 write it."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.architecture.widths import FamilyName
from engine.errors import RecipeError
from engine.recipes.blocks import BLOCKS, XL_BLOCKS
from engine.recipes.dialects import DIALECTS
from engine.recipes.recipe import Recipe
from engine.recipes.steps import MergeStep
from engine.supermerger.fields import RunFields
from engine.supermerger.metadata import (
    MODELS_KEY,
    RECIPE_KEY,
    SUPERMERGER,
    recipe_metadata,
    recipe_of_metadata,
    run_metadata,
)
from tests.engine.merging.golden import CASES
from tests.engine.merging.supermerger_steps import recipes

CLASSIC = DIALECTS["classic"]
(SAVED,) = [case for case in CASES if "saved_metadata" in case]
MODELS = {name: (f"{name}.safetensors", name.lower() * 64) for name in "ABC"}
UNRECORDED = ("adjust", "gamma", "seed")


def test_it_is_what_supermerger_wrote() -> None:
    written: dict[str, Any] = json.loads(SAVED["saved_metadata"][RECIPE_KEY])
    fields = RunFields(
        mbw=True,
        weights_alpha=SAVED["weights_alpha"],
        weights_beta=",".join(["0.2"] * 26),
        beta=SAVED["beta"],
        elemental=SAVED["elemental"],
    )
    hashes = [written[f"model_{letter}"] for letter in "abc"]
    found = recipe_metadata(fields, hashes, "sd1", kind=SUPERMERGER)
    assert found == written
    assert [*found] == [*written]


def test_what_supermerger_wrote_is_read() -> None:
    found = recipe_of_metadata(SAVED["saved_metadata"], CLASSIC, "sd1")
    alpha = tuple(float(word) for word in SAVED["weights_alpha"].split(","))
    assert found.recipe.steps == (MergeStep(alpha=alpha, elemental="OUT05:attn1:0.5"),)
    assert found.sources["A"].startswith("sd15_A_fp32 sha256 f9e3d4aa0987")
    assert any("Adjust, gamma and seed are not recorded" in note for note in found.notes)


def test_json_in_json_is_unwrapped() -> None:
    twice = {name: json.dumps(text) for name, text in SAVED["saved_metadata"].items()}
    assert recipe_of_metadata(twice, CLASSIC, "sd1") == recipe_of_metadata(SAVED["saved_metadata"], CLASSIC, "sd1")


def test_our_own_type_is_not_supermergers() -> None:
    run = MergeStep(alpha=0.5)
    own = json.loads(run_metadata(run, CLASSIC, "sd1", MODELS)[RECIPE_KEY])
    assert own["type"] == "sd-recipe-search"
    asked = json.loads(run_metadata(run, CLASSIC, "sd1", MODELS, kind=SUPERMERGER)[RECIPE_KEY])
    assert asked["type"] == "sd-webui-supermerger"
    assert asked["weights_alpha"] is None
    assert asked["base_alpha"] == 0.5
    assert asked["model_c"] == asked["model_a"] == "a" * 64


@given(recipes())
def test_metadata_reads_back_but_for_what_it_does_not_record(recipe: Recipe) -> None:
    (step,) = recipe.steps
    assert isinstance(step, MergeStep)
    metadata = run_metadata(recipe.runs[0], recipe.rules, recipe.family, MODELS)
    random = step.seed is not None
    if random:
        with pytest.raises(RecipeError, match="needs a seed"):
            recipe_of_metadata(metadata, recipe.rules, recipe.family)
        return
    (found,) = recipe_of_metadata(metadata, recipe.rules, recipe.family).recipe.steps
    assert isinstance(found, MergeStep)
    if recipe.family == "sdxl" and isinstance(step.alpha, tuple) and len(step.alpha) == len(BLOCKS):
        step = replace(step, alpha=tuple(step.alpha[BLOCKS.index(block)] for block in XL_BLOCKS), beta=0.0)
    names = {"models", "mode", "calculation", "alpha", "filter"}
    assert {name: getattr(found, name) for name in names} == {name: getattr(step, name) for name in names}
    assert found.elemental.replace("\n", ",") == step.elemental.replace("\n", ",")
    assert found.adjust == ()


def test_beta_weights_come_back() -> None:
    beta = tuple(n / 100 for n in range(26))
    run = MergeStep(models=("A", "B", "C"), mode="Triple sum", alpha=(0.1,) * 26, beta=beta)
    assert recipe_of_metadata(run_metadata(run, CLASSIC, "sd1", MODELS), CLASSIC, "sd1").recipe.steps == (run,)


def test_sdxl_has_a_slot_for_the_vae() -> None:
    alpha = tuple(n / 100 for n in range(20))
    metadata = run_metadata(MergeStep(alpha=alpha), CLASSIC, "sdxl", MODELS)
    assert json.loads(metadata[RECIPE_KEY])["weights_alpha"] == [*alpha[1:], 0]
    assert recipe_of_metadata(metadata, CLASSIC, "sdxl").recipe.steps == (MergeStep(alpha=alpha),)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("Weighted sum", MergeStep(alpha=0.3)),
        ("Add difference", MergeStep(models=("A", "B", "C"), mode="Add difference", alpha=0.3)),
        ("No interpolation", MergeStep(models=("A", "A"), alpha=0.0)),
    ],
)
def test_a1111s_own_merger_is_read(method: str, expected: MergeStep) -> None:
    content = {
        "type": "webui",
        "primary_model_hash": "a" * 64,
        "secondary_model_hash": "b" * 64,
        "tertiary_model_hash": "c" * 64 if method.startswith("Add") else None,
        "interp_method": method,
        "multiplier": 0.3,
        "save_as_half": True,
        "bake_in_vae": "vae.pt",
        "discard_weights": "model_ema.*",
    }
    metadata = {RECIPE_KEY: json.dumps(content), MODELS_KEY: json.dumps({"a" * 64: {"name": "first"}})}
    found = recipe_of_metadata(metadata, None, "sd1")
    assert found.recipe == Recipe(steps=(expected,), dialect="webui")
    assert found.sources["A"] == f"first sha256 {'a' * 64}"
    assert found.notes[0] == (
        "read in the dialect webui: its type says that AUTOMATIC1111's own merger wrote it; --read-as chooses another"
    )
    assert any("vae.pt" in note for note in found.notes)
    assert any("weights that match 'model_ema.*' were left out" in note for note in found.notes)
    other = recipe_of_metadata(metadata, CLASSIC, "sd1")
    assert other.recipe == Recipe(steps=(expected,))
    assert other.notes[0].startswith("AUTOMATIC1111's own merger also merges tensors that SuperMerger leaves")


@pytest.mark.parametrize("none", ["None", "", None])
def test_no_vae_is_no_vae(none: str | None) -> None:
    content = {"type": "webui", "interp_method": "Weighted sum", "multiplier": 0.3, "bake_in_vae": none}
    found = recipe_of_metadata({RECIPE_KEY: json.dumps({**content, "save_as_half": False})}, None, "sdxl")
    assert found.recipe.save == "computed"
    assert len(found.notes) == 2
    assert not any("VAE" in note for note in found.notes)


def test_forge_says_less_than_the_webui() -> None:
    content = {"type": "webui", "interp_method": "None", "multiplier": 0, "save_as": "Unet: float16, VAE: No change"}
    notes = recipe_of_metadata({RECIPE_KEY: json.dumps({**content, "bake_in_te": ["t5"]})}, None, "sd1").notes
    assert any("(Unet: float16, VAE: No change) and may compute in float32, which is not recorded" in n for n in notes)
    assert any("text encoders were replaced by ['t5']" in note for note in notes)


XL = {"type": SUPERMERGER, "mode": "Weight sum", "calcmode": "normal", "mbw": True, "base_alpha": 0.5}
FLAT = [0.5] * 19 + [0]
TYPED = ",".join(["0.5"] * 20)


@pytest.mark.parametrize(
    ("content", "family", "dialect", "reason"),
    [
        ({"weights_alpha": FLAT}, "sdxl", "2023", "since 2023.11.10 metadata name Off, Include or Exclude"),
        ({"weights_alpha": [0.5] * 109, "Off": [""]}, "sdxl", "head", "it has 110 weights"),
        ({"weights_alpha": FLAT, "weights_alpha_orig": "MINE", "Off": [""]}, "sdxl", "classic", "as they were typed"),
        (
            {"weights_alpha": FLAT, "weights_alpha_orig": TYPED, "Exclude": ["IN03"]},
            "sdxl",
            "classic",
            "for which head writes 0",
        ),
        (
            {"weights_alpha": FLAT, "weights_alpha_orig": f"{TYPED[:16]}0{TYPED[19:]}", "Exclude": ["attn1"]},
            "sdxl",
            "head",
            "other weights for blocks with skipped keys than were merged",
        ),
        (
            {"weights_alpha": FLAT, "weights_alpha_orig": TYPED, "Off": [""]},
            "sdxl",
            "head",
            "no date, and head is the newest; a merge of before 2025.11.27 is classic",
        ),
        ({"mbw": False, "Off": [""]}, "sd1", "classic", "the newest dialect, head, cannot merge sd1"),
        (
            {"weights_alpha": [0.5] * 25, "weights_alpha_orig": f"{TYPED},0,0.5,0.5,0.5,0.5,0.5", "Exclude": ["x"]},
            "sd2",
            "head_patched",
            "other weights for blocks with skipped keys",
        ),
    ],
)
def test_metadata_are_read_in_the_dialect_that_they_look_like(
    content: dict[str, Any], family: FamilyName, dialect: str, reason: str
) -> None:
    metadata = {RECIPE_KEY: json.dumps({**XL, **content})}
    found = recipe_of_metadata(metadata, None, family)
    assert found.recipe.dialect == dialect
    assert found.notes[0].startswith(f"read in the dialect {dialect}: ")
    assert reason in found.notes[0]
    if dialect != "head" or len(content["weights_alpha"]) < 100:
        asked = recipe_of_metadata(metadata, CLASSIC, family)
        assert asked.recipe.dialect == "classic"
        assert not any(note.startswith("read in") for note in asked.notes)


def test_our_own_metadata_name_their_dialect() -> None:
    metadata = run_metadata(MergeStep(alpha=0.5), CLASSIC, "sdxl", MODELS)
    found = recipe_of_metadata(metadata, None, "sdxl")
    assert found.recipe.dialect == "classic"
    assert "it is named there" in found.notes[0]


def test_the_family_is_seen_in_the_weights_and_said() -> None:
    found = recipe_of_metadata({RECIPE_KEY: json.dumps({**XL, "weights_alpha": FLAT, "Off": [""]})}, None, None)
    assert found.recipe.family == "sdxl"
    assert found.notes[0].startswith("the metadata do not name the family of the models; sdxl is taken, by the number")


def test_what_metadata_do_not_record_is_said() -> None:
    content = {**XL, "weights_alpha": FLAT, "Off": [""]}
    notes = " ".join(recipe_of_metadata({RECIPE_KEY: json.dumps(content)}, None, "sdxl").notes)
    for lost in ("Adjust, gamma and seed", "use old calc method", "saved as fp16", "a VAE", "use extended XL"):
        assert lost in notes


def test_a_lost_beta_of_base_is_said() -> None:
    more = {"mode": "Triple sum", "weights_beta": FLAT, "weights_beta_orig": f"0,{TYPED[4:]}", "Exclude": ["proj"]}
    content = {**XL, "weights_alpha": FLAT, **more}
    notes = recipe_of_metadata({RECIPE_KEY: json.dumps(content)}, DIALECTS["head"], "sdxl").notes
    assert any("the beta of BASE may not be 0" in note for note in notes)
    notes = recipe_of_metadata({RECIPE_KEY: json.dumps(content)}, CLASSIC, "sdxl").notes
    assert not any("the beta of BASE" in note for note in notes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ("[1]", "a JSON object is needed"),
        ('{"type": "sd-webui-model-mixer"}', "of type 'sd-webui-model-mixer'; read are"),
        ('{"type": "webui", "interp_method": "Magic"}', "interp_method is 'Magic'"),
        ('{"type": "sd-webui-supermerger", "mode": "Magic"}', "no merge mode 'Magic'"),
        (
            '{"type": "sd-webui-supermerger", "mode": "Weight sum", "mbw": true, "weights_alpha": [1, 2]}',
            "weights_alpha has 2 numbers",
        ),
        (
            '{"type": "sd-webui-supermerger", "mode": "Weight sum", "mbw": true, "weights_alpha": ["x"]}',
            "weights_alpha has 'x' in it",
        ),
        ('{"type": "sd-webui-supermerger", "mode": "Weight sum", "base_alpha": "x"}', "base_alpha is 'x'"),
        ('{"type": "sd-webui-supermerger", "mode": "Weight sum", "Include": [1]}', "Include is .*a list of texts"),
    ],
)
def test_what_cannot_be_read_is_refused(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        recipe_of_metadata({RECIPE_KEY: text}, CLASSIC, "sd1")


def test_a_file_without_a_recipe_is_refused() -> None:
    with pytest.raises(RecipeError, match=r"there is no sd_merge_recipe in the metadata \(format\)"):
        recipe_of_metadata({"format": "pt"}, CLASSIC, "sd1")


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
NAMES = ["weights_alpha", "weights_beta", "weights_alpha_orig", "model_a", "base_alpha", "mode", "mbw", "calcmode"]
NAMES += ["elemental_merge", "Include", "Off", "interp_method", "multiplier", "bake_in_vae"]


@given(st.sampled_from(["webui", "sd-webui-supermerger"]), st.dictionaries(st.sampled_from(NAMES), JSON), JSON)
def test_any_content_is_read_or_refused(kind: str, content: dict[str, Any], models: Any) -> None:
    content = {"mode": "Weight sum", "interp_method": "Weighted sum", **content, "type": kind}
    metadata = {RECIPE_KEY: json.dumps(content), MODELS_KEY: json.dumps(models)}
    with suppress(RecipeError):
        recipe_of_metadata(metadata, CLASSIC, "sd1")
    with suppress(RecipeError):
        recipe_of_metadata(metadata, None, None)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(RecipeError):
        recipe_of_metadata({RECIPE_KEY: text}, CLASSIC, "sd1")

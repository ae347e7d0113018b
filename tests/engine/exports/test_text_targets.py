"""Texts for tools with ratios: what a tool makes of them is the folded result, or they are refused with keys."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.architecture.widths import FamilyName
from engine.errors import RecipeError
from engine.exports.content import ExportContent
from engine.exports.registry import TARGETS, export, target_of
from engine.exports.target import ExportOptions
from engine.merging.output import Output
from engine.recipes.blocks import Site
from engine.recipes.recipe import AdjustStep, MergeStep, Recipe, SelfStep
from tests.engine.exports import tool_merges
from tests.engine.exports.recipes import NONLINEAR, RISING, RISING_XL, SD1, SDXL, drawn
from tests.engine.exports.shared_models import (
    UNNAMED,
    VAE,
    Models,
    content_of,
    folded,
    largest_difference,
    write_models,
)

TOLERANCE = 1e-6
OPTIONS = ExportOptions(overwrite=True)
TOOLS = ("chattiori", "meh", "bbc-mc", "model-mixer", "a1111", "kohya")
HEAD = {name: replace(recipe, dialect="head_patched") for name, recipe in SD1.items()}
"""The same with time_embed in IN00."""


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Models]:
    folder = tmp_path_factory.mktemp("世界 1")
    return {
        "sd1": write_models(folder / "sd1", "sd1"),
        "one vae": write_models(folder / "one vae", "sd1", VAE),
        "sdxl": write_models(folder / "sdxl", "sdxl", (*VAE, *UNNAMED)),
    }


def run(tool: str, content: ExportContent, folder: Path) -> dict[str, Tensor]:
    """Export, and do with the text what the tool would."""
    out = folder / f"混ぜ 1{TARGETS[tool].suffix}"
    files = export(tool, content, out, OPTIONS).files
    text = out.read_text("utf-8")
    readers: dict[str, Callable[[], dict[str, Tensor]]] = {
        "chattiori": lambda: tool_merges.chattiori(text),
        "meh": lambda: tool_merges.meh(text),
        "bbc-mc": lambda: tool_merges.bbc_mc(files[1].read_text("utf-8"), text, content.models),
        "model-mixer": lambda: tool_merges.model_mixer(text, content.models),
        "a1111": lambda: tool_merges.a1111(text, content.models),
        "kohya": lambda: tool_merges.kohya(text),
    }
    return readers[tool]()


ONE_ADD = Recipe(steps=(MergeStep(models=("A", "B", "C"), alpha=-0.3, mode="Add difference"),))
SECOND_KEPT = Recipe(steps=(MergeStep(models=("A", "B"), alpha=(1.0, *(0.3 for _ in RISING[1:]))),))
"""FLAT_30 with the text encoder and the VAE of B: tools that keep the first model's take B for it."""
XL_SITES = Recipe(
    steps=(
        MergeStep(alpha=(0.2, *RISING_XL[1:-1], RISING_XL[1])),
        SelfStep(factors=((Site(block="M00", element="attn2"), 0.7), (Site(block="OUT01", element="ff.net"), 1.2))),
        AdjustStep(values=(1.0, 2.0, -1.0, 0.5, 1.0, -2.0, 0.25, 3.0)),
    ),
    dialect="head",
    family="sdxl",
)
"""IN00, which head gives time_embed and label_emb to, and the last block have one weight, so that Model Mixer can."""
XL_ENDS_AT_A = Recipe(
    steps=(MergeStep(alpha=(0.2, *RISING_XL[1:-1], 0.0)), *XL_SITES.steps[1:]), dialect="classic", family="sdxl"
)
"""In classic label_emb stays A's, as in every version of Model Mixer where the last weight is 0."""

EXACT = [
    *(("chattiori", "one vae", SD1[name]) for name in ("blocks", "beyond 0 and 1", "add difference", "adjust")),
    ("chattiori", "one vae", SD1["blocks and all adjust"]),
    ("chattiori", "sd1", SD1["one ratio, UNet alone"]),
    ("chattiori", "sdxl", SDXL["twenty, classic"]),
    *(("meh", "sd1", HEAD[name]) for name in ("blocks", "beyond 0 and 1", "add difference", "one ratio")),
    *(("bbc-mc", "sd1", HEAD[name]) for name in ("blocks", "beyond 0 and 1", "one ratio, UNet alone")),
    *(("model-mixer", "one vae", SD1[name]) for name in SD1 if name != "one ratio"),
    ("model-mixer", "sd1", SD1["one ratio, UNet alone"]),
    ("model-mixer", "one vae", Recipe(steps=(MergeStep(alpha=RISING, elemental="OUT11:output_blocks:0.1"),))),
    ("model-mixer", "sdxl", XL_ENDS_AT_A),
    *(("a1111", "sd1", recipe) for recipe in (SD1["one ratio"], ONE_ADD)),
    ("a1111", "sdxl", Recipe(steps=(MergeStep(alpha=0.4),), dialect="head", family="sdxl")),
    ("a1111", "sd1", Recipe(steps=(MergeStep(alpha=0.4),), dialect="webui", save="computed")),
    *(("kohya", "sd1", recipe) for recipe in (SD1["one ratio"], SD1["sum twice"], ONE_ADD, SECOND_KEPT)),
    ("kohya", "sd1", SD1["one ratio, UNet alone"]),
]


@pytest.mark.parametrize(("tool", "world", "recipe"), EXACT)
def test_what_a_tool_can_hold_is_exact(
    tool: str, world: str, recipe: Recipe, worlds: Mapping[str, Models], tmp_path: Path
) -> None:
    content = content_of(recipe, worlds[world])
    assert largest_difference(run(tool, content, tmp_path), folded(content)) <= TOLERANCE


@pytest.mark.parametrize("tool", TOOLS)
def test_every_recipe_is_exact_or_refused(tool: str, worlds: Mapping[str, Models], tmp_path: Path) -> None:
    held = 0
    for recipe in (*HEAD.values(), *SDXL.values(), *drawn(12)):
        content = content_of(recipe, worlds["sdxl" if recipe.family == "sdxl" else "one vae"])
        if found := target_of(tool).refusals(content, OPTIONS):
            assert all(one.keys for one in found), recipe.text
            continue
        held += 1
        assert largest_difference(run(tool, content, tmp_path), folded(content)) <= TOLERANCE, recipe.text
    assert held >= 2


REFUSED = [
    ("chattiori", "sd1", SD1["blocks"], "never merges the VAE: what A has stays", "first_stage_model."),
    ("chattiori", "one vae", HEAD["blocks"], "one ratio for OUT11, time_embed among it", "time_embed|out"),
    ("chattiori", "one vae", SD1["elements"], "one ratio for OUT05", "output_blocks.5."),
    ("chattiori", "one vae", SD1["self"], r"by factors of their own \(Self\)", "attn1"),
    ("chattiori", "one vae", SD1["chain"], "merges A and B in one run, without C", "model.diffusion_model."),
    ("chattiori", "sdxl", SDXL["twenty"], "never merges label_emb|never merges time_embed", "_emb"),
    ("chattiori", "one vae", NONLINEAR["cosine"], "calculation modes", "model.diffusion_model."),
    ("meh", "sd1", SD1["blocks"], "one ratio for IN00, time_embed among it", "input_blocks.0."),
    ("meh", "sd1", SD1["include"], "one ratio for BASE, the VAE among it", "cond_stage_model."),
    ("meh", "sd1", HEAD["elements"], "one ratio for IN04", "input_blocks.4."),
    ("meh", "sd1", HEAD["self"], "Self", "attn1"),
    ("meh", "sd1", HEAD["adjust"], "no Adjust", "out.2.bias"),
    ("meh", "sd1", HEAD["triple sum"], "without C", "model.diffusion_model."),
    ("meh", "sd1", NONLINEAR["trainDifference"], "calculation modes", "model.diffusion_model."),
    ("meh", "sdxl", SDXL["twenty"], "label_emb", "label_emb"),
    ("bbc-mc", "sd1", SD1["blocks"], "one ratio for IN00, time_embed among it", "input_blocks.0."),
    ("bbc-mc", "sd1", HEAD["add difference"], "without C", "model.diffusion_model."),
    ("bbc-mc", "sd1", HEAD["adjust"], "no Adjust", "out.2.bias"),
    ("model-mixer", "sd1", SD1["blocks"], "never merges the VAE", "first_stage_model."),
    ("model-mixer", "one vae", HEAD["blocks"], "but the last weight", "time_embed|out"),
    ("model-mixer", "sdxl", XL_SITES, "versions of Model Mixer differ in label_emb", "label_emb"),
    ("model-mixer", "one vae", NONLINEAR["cosine"], "calculation modes", "model.diffusion_model."),
    (
        "model-mixer",
        "one vae",
        Recipe(steps=(MergeStep(alpha=0.9, calculation="self"),), dialect="2023"),
        "Self never multiplies",
        "norm|to_out|proj_out",
    ),
    ("a1111", "sd1", SD1["blocks"], "one ratio for all tensors", "model.diffusion_model."),
    ("a1111", "sd1", SD1["include"], "one ratio for all tensors", "first_stage_model."),
    ("a1111", "sd1", SD1["self"], "Self", "attn1"),
    ("a1111", "sd1", SD1["adjust"], "no Adjust", "out.2.bias"),
    ("a1111", "sd1", SD1["sum twice"], "without C", "model.diffusion_model."),
    ("kohya", "sd1", SD1["blocks"], "one ratio for", "model.diffusion_model."),
    ("kohya", "sd1", SD1["elements"], "one ratio for", "attn2"),
    ("kohya", "sd1", SD1["self"], "Self", "attn1"),
    ("kohya", "sd1", SD1["adjust"], "no Adjust", "out.2.bias"),
    ("kohya", "sd1", NONLINEAR["cosine"], "calculation modes", "model.diffusion_model."),
]


@pytest.mark.parametrize(("tool", "world", "recipe", "what", "key"), REFUSED)
def test_what_a_tool_cannot_hold_is_refused_with_keys_and_the_nearest_target(
    tool: str, world: str, recipe: Recipe, what: str, key: str, worlds: Mapping[str, Models], tmp_path: Path
) -> None:
    content = content_of(recipe, worlds[world])
    found = [one for one in target_of(tool).refusals(content, OPTIONS) if re.search(what, one.what)]
    assert any(re.search(key, name) for one in found for name in one.keys)
    with pytest.raises(RecipeError, match="export it to supermerger instead"):
        export(tool, content, tmp_path / "x.txt", OPTIONS)
    assert not [*tmp_path.iterdir()]


def test_another_vae_takes_the_place_of_the_merged_one(worlds: Mapping[str, Models]) -> None:
    content = content_of(SD1["blocks"], worlds["sd1"])
    baked = replace(OPTIONS, output=Output(vae=Path("my vae.safetensors")))
    assert target_of("chattiori").refusals(content, OPTIONS)
    assert not target_of("chattiori").refusals(content, baked)


@pytest.mark.parametrize("tool", TOOLS)
def test_a_text_names_dialect_arithmetic_models_and_hashes(
    tool: str, worlds: Mapping[str, Models], tmp_path: Path
) -> None:
    name = "one ratio" if tool in {"a1111", "kohya", "meh", "bbc-mc"} else "one ratio, UNet alone"
    content = content_of(SD1[name], worlds["sd1"])
    done = export(tool, content, tmp_path / f"x{TARGETS[tool].suffix}", OPTIONS)
    texts = "".join(path.read_text("utf-8") for path in done.files)
    assert done.arithmetic == "folded"
    for part in ("dialect classic (sd1)", "folded: ", content.recipe.key, "A = Aの 親.safetensors  sha256 aaaaaaaa"):
        assert part in texts
    done = export(tool, content, tmp_path / f"x{TARGETS[tool].suffix}", replace(OPTIONS, with_recipe=False))
    texts = "".join(path.read_text("utf-8") for path in done.files)
    assert "Aの 親.safetensors" in texts
    assert content.recipe.key not in texts
    assert "sha256" not in texts


def test_the_adjust_of_the_recipe_keeps_its_own_numbers(worlds: Mapping[str, Models], tmp_path: Path) -> None:
    content = content_of(SD1["worked"], worlds["one vae"])
    done = export("model-mixer", content, tmp_path / "x.model-mixer.txt", OPTIONS)
    assert tool_merges.parameters(done.files[0].read_text("utf-8").splitlines()[-1])["ModelMixer adjust"] == (
        "0,0,0,-1,7,1,1,0"
    )
    assert done.tricks


@pytest.mark.parametrize(("family", "world"), [("sd1", "one vae"), ("sdxl", "sdxl")])
def test_seven_fields_become_eight(
    family: FamilyName, world: str, worlds: Mapping[str, Models], tmp_path: Path
) -> None:
    step = MergeStep(alpha=0.4, adjust=(1.0, 0.5, 1 / 3, -1.0, 1.0, 2.0, 1.5))
    content = content_of(Recipe(steps=(step,), dialect="2023", family=family), worlds[world])
    assert largest_difference(run("chattiori", content, tmp_path), folded(content)) <= TOLERANCE


def test_a_multiplier_beyond_the_slider_says_how(worlds: Mapping[str, Models], tmp_path: Path) -> None:
    done = export("a1111", content_of(ONE_ADD, worlds["sd1"]), tmp_path / "x.a1111.txt", OPTIONS)
    assert "ui-config.json" in done.tricks[0]
    assert done.tricks[0] in done.files[0].read_text("utf-8")


def test_the_same_vae_in_another_dtype_is_the_same(worlds: Mapping[str, Models], tmp_path: Path) -> None:
    wide = tmp_path / "B.safetensors"
    save_file({key: value.float() for key, value in load_file(worlds["one vae"]["B"]).items()}, wide)
    content = content_of(SD1["blocks"], {**worlds["one vae"], "B": wide})
    assert not target_of("chattiori").refusals(content, OPTIONS)

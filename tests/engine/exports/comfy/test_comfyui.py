"""ComfyUI: both forms are one valid graph, and what the graph makes is the folded recipe, key by key."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.checkpoints.checkpoint import open_checkpoint
from engine.exports.content import ExportContent
from engine.exports.registry import export, refusals_of
from engine.exports.target import ExportOptions, WrittenExport
from engine.merging.output import MergedTensors, Output
from engine.recipes.recipe import MergeStep, Recipe
from tests.engine.exports.comfy.comfy_definitions import DEFINITIONS, api_of, problems
from tests.engine.exports.comfy.comfy_interpreter import Interpreter
from tests.engine.exports.recipes import NONLINEAR, RISING, SD1, SDXL, drawn
from tests.engine.models.tiny import write_tiny
from tests.engine.models.tiny_families import write_family

LINKED = ExportOptions(linked=True)
PLAIN = ExportOptions()
TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def parents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("comfy")
    for seed, name in enumerate("ABC", start=1):
        write_tiny(folder / f"sd1 {name} \u30e2\u30c7\u30eb.safetensors", seed)
        write_family(folder / f"sdxl {name} \u30e2\u30c7\u30eb.safetensors", "sdxl", seed)
    return folder


def content_of(parents: Path, recipe: Recipe, title: str = "mine") -> ExportContent:
    models = {name: parents / f"{recipe.family} {name} \u30e2\u30c7\u30eb.safetensors" for name in "ABC"}
    return ExportContent(recipe=recipe, title=title, models=models, hashes={name: name * 64 for name in models})


@pytest.fixture(scope="module")
def interpreter(parents: Path) -> Interpreter:
    return Interpreter(parents)


def written(
    parents: Path, recipe: Recipe, options: ExportOptions = PLAIN, title: str = "mine"
) -> tuple[WrittenExport, dict]:
    """Export beside the parents, and return the API form as well."""
    out = parents / f"{title}.comfyui.json"
    done = export("comfyui", content_of(parents, recipe, title), out, replace(options, overwrite=True))
    api = json.loads(next(p for p in done.files[:2][::-1] if p.suffix == ".json").read_text(encoding="utf-8"))
    return done, api


def test_a_file_is_of_the_form_that_its_name_says(parents: Path, tmp_path: Path) -> None:
    content = content_of(parents, SD1["worked"])
    done = export("comfyui", content, tmp_path / "x.comfyui-api.json", PLAIN)
    names = ["x.comfyui-api.json", "x.comfyui.json", "x.comfyui-lora.safetensors"]
    assert [path.name for path in done.files] == names
    api, page = (json.loads(path.read_text(encoding="utf-8")) for path in done.files[:2])
    assert {"nodes", "links"} <= page.keys()
    assert all("class_type" in node for name, node in api.items() if name.isdigit())
    assert any("drag x.comfyui.json into" in line for line in done.usage)
    assert any("post x.comfyui-api.json to" in line for line in done.usage)


def folded(parents: Path, recipe: Recipe) -> Iterator[tuple[str, torch.Tensor]]:
    content = content_of(parents, recipe)
    models = {name: open_checkpoint(content.models[name]) for name in recipe.models}
    merged = MergedTensors(recipe, models, Output(dtype="fp32", arithmetic="folded"))
    yield from zip(merged.layout, merged, strict=True)


def largest_difference(parents: Path, interpreter: Interpreter, recipe: Recipe, api: dict) -> float:
    saved = interpreter.saved(api)
    made = saved["model"] | saved["clip"]
    compared, worst = 0, 0.0
    for key, value in folded(parents, recipe):
        if key.startswith(("model.diffusion_model.", "cond_stage_model.", "conditioner.")):
            compared += 1
            if not key.endswith(".position_ids"):
                worst = max(worst, float((made[key] - value).abs().max()))
    assert compared == len(made)
    return worst


def test_something_is_worth_comparing(parents: Path, interpreter: Interpreter) -> None:
    """The comparison fails where a workflow makes another recipe."""
    _, api = written(parents, SD1["blocks"])
    assert largest_difference(parents, interpreter, SD1["one ratio"], api) > 1e-3


_HELD = [name for name in SD1 if name != "beyond 0 and 1"]


@pytest.mark.parametrize("name", [*_HELD, *SDXL])
def test_the_graph_makes_the_recipe(parents: Path, interpreter: Interpreter, name: str) -> None:
    recipe = {**SD1, **SDXL}[name]
    done, api = written(parents, recipe)
    assert problems(api) == []
    page = json.loads(done.files[0].read_text(encoding="utf-8"))
    assert api_of(page) == {number: {k: node[k] for k in ("class_type", "inputs")} for number, node in api.items()}
    assert largest_difference(parents, interpreter, recipe, api) < TOLERANCE


@pytest.mark.parametrize("place", range(8))
def test_drawn_recipes_are_made_too(parents: Path, interpreter: Interpreter, place: int) -> None:
    recipe = [*drawn(8, seed=7)][place]
    done, api = written(parents, recipe, LINKED)
    assert problems(api) == []
    assert largest_difference(parents, interpreter, recipe, api) < TOLERANCE
    assert (len([path for path in done.files if path.suffix == ".json"]) == 1) == any(
        set(node["inputs"]) - set(DEFINITIONS[node["class_type"]].inputs) for node in api.values()
    )


_OF_ITS_OWN = {
    "an attention's ratio": Recipe(steps=(MergeStep(alpha=RISING, elemental="OUT03 OUT05:attn2:0.9,IN04:to_q:0.1"),)),
    "factors that differ by block": Recipe(
        steps=(
            MergeStep(alpha=0.3),
            MergeStep(
                models=("previous", "previous"),
                alpha=1.0,
                calculation="self",
                elemental="OUT03:attn1:0.9,OUT04:attn1:0.8,OUT05:attn1:1.2,OUT05:attn2:1.3,IN04:attn2:0",
            ),
        )
    ),
    "whole blocks times factors": Recipe(
        steps=(
            MergeStep(alpha=0.3),
            MergeStep(
                models=("previous", "previous"), alpha=(1.0, 0.7, 1.4, -0.5, *(1.0,) * 23)[:26], calculation="self"
            ),
        ),
        dialect="2023",
    ),
    "weights below 0": Recipe(
        steps=(
            MergeStep(models=("A", "B", "C"), alpha=0.5, beta=-0.25, mode="Triple sum"),
            MergeStep(models=("previous", "C"), alpha=(0.0, *(0.02 * block for block in range(25)))),
        )
    ),
}


@pytest.mark.parametrize("name", _OF_ITS_OWN)
def test_declared_inputs_are_enough_for(parents: Path, interpreter: Interpreter, name: str) -> None:
    done, api = written(parents, _OF_ITS_OWN[name])
    assert problems(api) == []
    assert largest_difference(parents, interpreter, _OF_ITS_OWN[name], api) < TOLERANCE
    assert "PrimitiveFloat" not in {node["class_type"] for node in api.values()}
    assert done.tricks


def test_what_is_said_plainly_needs_no_tricks(parents: Path) -> None:
    done, api = written(parents, SD1["blocks"])
    assert (done.tricks, done.arithmetic) == ((), "folded")
    merge = next(node["inputs"] for node in api.values() if node["class_type"] == "ModelMergeSD1")
    assert [merge["input_blocks.0."], merge["middle_block.1."], merge["out."]] == [0.98, 0.536, 0.092]
    assert [merge["time_embed."], merge["model1"]] == [0.092, ["1", 0]]  # classic: time_embed is of OUT11


# ------------------------------------------------------------------------------------------------------------- linked


def test_ratios_beyond_the_fields_are_linked_on_request(parents: Path, interpreter: Interpreter) -> None:
    recipe = SD1["beyond 0 and 1"]
    (refusal,) = refusals_of("comfyui", content_of(parents, recipe), PLAIN)
    assert refusal.what.startswith("its fields hold no ratio outside of 0 to 1 (here -0.4, -0.33")
    assert "model.diffusion_model.input_blocks.0.0.weight" in refusal.keys
    assert "model.diffusion_model.output_blocks.0.0.in_layers.0.weight" not in refusal.keys
    done, api = written(parents, recipe, LINKED)
    assert problems(api) == []
    assert largest_difference(parents, interpreter, recipe, api) < TOLERANCE
    page = json.loads(done.files[0].read_text(encoding="utf-8"))
    assert api_of(page) == {number: {k: node[k] for k in ("class_type", "inputs")} for number, node in api.items()}
    assert any("PrimitiveFloat" in trick for trick in done.tricks)


def test_single_keys_have_ratios_of_their_own_in_the_file_for_scripts(parents: Path, interpreter: Interpreter) -> None:
    recipe = Recipe(steps=(MergeStep(alpha=RISING, elemental="OUT05:ff.net:0.9,IN04:norm:1.3"),))
    (refusal,) = refusals_of("comfyui", content_of(parents, recipe), PLAIN)
    assert "one ratio for each block" in refusal.what
    assert all("ff.net" in key or "norm" in key for key in refusal.keys)
    done, api = written(parents, recipe, LINKED)
    assert [path.name for path in done.files] == ["mine.comfyui.json"]
    assert problems(api) == []
    assert largest_difference(parents, interpreter, recipe, api) < TOLERANCE
    assert any("do not open it" in line for line in done.usage)


# ----------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("name", NONLINEAR)
def test_calculation_modes_are_refused_with_their_keys(parents: Path, name: str) -> None:
    (refusal,) = refusals_of("comfyui", content_of(parents, NONLINEAR[name]), LINKED)
    assert "calculation modes" in refusal.what
    assert any(key.startswith("model.diffusion_model.output_blocks.5.") for key in refusal.keys)


@pytest.mark.parametrize(
    ("elemental", "what"),
    [
        ("OUT05:attn1:-0.5", "multiply by 0 to 10"),
        ("OUT05:attn1:12", "multiply by 0 to 10"),
        ("OUT05:ff.net:0.9", "one ratio for each block"),
    ],
)
def test_factors_that_no_node_takes_are_refused(parents: Path, elemental: str, what: str) -> None:
    step = MergeStep(models=("previous", "previous"), alpha=1.0, calculation="self", elemental=elemental)
    (refusal,) = refusals_of("comfyui", content_of(parents, Recipe(steps=(MergeStep(alpha=0.3), step))), PLAIN)
    assert what in refusal.what
    assert all(elemental.split(":")[1] in key and "output_blocks.5." in key for key in refusal.keys)


def test_text_encoders_have_one_ratio(parents: Path) -> None:
    recipe = Recipe(steps=(MergeStep(alpha=0.3, elemental=":mlp.fc1:0.9"),))
    (refusal,) = refusals_of("comfyui", content_of(parents, recipe), LINKED)
    assert refusal.what == "its nodes have one ratio for all text encoders"
    assert {key.split(".mlp.")[1] for key in refusal.keys} == {"fc1.weight", "fc1.bias"}


def test_models_of_one_file_name_are_refused(parents: Path, tmp_path: Path) -> None:
    content = content_of(parents, SD1["blocks"])
    (tmp_path / content.models["A"].name.upper()).with_suffix(".safetensors").hardlink_to(content.models["B"])
    twins = {**content.models, "B": (tmp_path / content.models["A"].name.upper()).with_suffix(".safetensors")}
    (refusal,) = refusals_of("comfyui", replace(content, models=twins), PLAIN)
    assert "rename one" in refusal.what


@pytest.mark.parametrize(("part", "what"), [("first_stage_model", "VAE"), ("cond_stage_model", "text encoder")])
def test_a_checkpoint_without_a_part_is_refused(parents: Path, tmp_path: Path, part: str, what: str) -> None:
    content = content_of(parents, SD1["adjust"])
    bare = tmp_path / "bare.safetensors"
    kept = {key: value for key, value in load_file(content.models["A"]).items() if not key.startswith(part)}
    save_file(kept, bare)
    (refusal,) = refusals_of("comfyui", replace(content, models={"A": bare}), PLAIN)
    assert refusal.what == f"its node that saves wants a {what}, and the models have none"


# ---------------------------------------------------------------------------------------------------------------- VAE


def _vae_of(api: dict) -> str:
    source, slot = next(node["inputs"]["vae"] for node in api.values() if node["class_type"] == "CheckpointSave")
    return f"{next(iter(api[source]['inputs'].values()))} {slot}"


@pytest.mark.parametrize(
    ("base", "whose", "warned"), [(0.0, "A", False), (1.0, "B", False), (0.35, "A", True), (0.8, "B", True)]
)
def test_the_vae_is_one_models_and_the_rest_is_warned_of(
    parents: Path, base: float, whose: str, *, warned: bool
) -> None:
    done, api = written(parents, Recipe(steps=(MergeStep(alpha=(base, *(0.5,) * 25)),)))
    assert _vae_of(api) == f"sd1 {whose} \u30e2\u30c7\u30eb.safetensors 2"
    warnings = [note for note in done.notes if "which no node does" in note]
    assert len(warnings) == warned
    assert all(f"{1 - base:.4g} of A, {base:g} of B" in note for note in warnings)


def test_equal_vaes_are_not_warned_of(parents: Path, tmp_path: Path) -> None:
    content = content_of(parents, SD1["blocks"])
    first, second = (load_file(content.models[name]) for name in "AB")
    same = {key: value for key, value in first.items() if key.startswith("first_stage_model")}
    save_file(second | same, tmp_path / "same vae.safetensors")
    models = {"A": content.models["A"], "B": tmp_path / "same vae.safetensors"}
    done = export("comfyui", replace(content, models=models), tmp_path / "x.comfyui.json", PLAIN)
    assert not [note for note in done.notes if "which no node does" in note]


def test_a_vae_of_its_own_is_loaded(parents: Path) -> None:
    done, api = written(parents, SD1["blocks"], ExportOptions(output=Output(vae=Path("kl-f8.safetensors"))))
    assert _vae_of(api) == "kl-f8.safetensors 0"
    assert "copy kl-f8.safetensors to ComfyUI/models/vae" in done.usage
    assert problems(api) == []
    assert not [note for note in done.notes if "which no node does" in note]


# ------------------------------------------------------------------------------------------------------- small things


def test_projections_of_text_encoders_need_no_file_where_parents_share_them(parents: Path, tmp_path: Path) -> None:
    content = content_of(parents, SDXL["twenty"])
    first, second = (load_file(content.models[name]) for name in "AB")
    same = {key: value for key, value in first.items() if key.endswith((".text_projection", ".positional_embedding"))}
    save_file(second | same, tmp_path / "same.safetensors")
    models = {"A": content.models["A"], "B": tmp_path / "same.safetensors"}
    done = export("comfyui", replace(content, models=models), tmp_path / "x.comfyui.json", PLAIN)
    assert [path.name for path in done.files] == ["x.comfyui.json", "x.comfyui-api.json"]


def test_the_file_of_differences_says_whose_it_is(parents: Path) -> None:
    done, _ = written(parents, SD1["worked"])
    assert [path.name for path in done.files] == [
        "mine.comfyui.json",
        "mine.comfyui-api.json",
        "mine.comfyui-lora.safetensors",
    ]
    found = load_file(done.files[2])
    assert [*found] == ["diffusion_model.out.2.diff_b"]
    assert found["diffusion_model.out.2.diff_b"].tolist() == pytest.approx([-0.02, -0.12, 0.14 / 3, 0.22 / 3])
    assert b"sd_recipe_search" in done.files[2].read_bytes()


def test_sd2_has_a_node_of_its_own(tmp_path: Path) -> None:
    recipe = Recipe(steps=(MergeStep(alpha=RISING),), family="sd2")
    for seed, name in enumerate("AB", start=1):
        write_family(tmp_path / f"sd2 {name} \u30e2\u30c7\u30eb.safetensors", "sd2", seed)
    _, api = written(tmp_path, recipe)
    assert problems(api) == []
    assert "ModelMergeSD2" in {node["class_type"] for node in api.values()}
    assert largest_difference(tmp_path, Interpreter(tmp_path), recipe, api) < TOLERANCE


def test_recipe_and_parents_are_in_both_forms(parents: Path) -> None:
    done, api = written(parents, SD1["worked"])
    page = json.loads(done.files[0].read_text(encoding="utf-8"))
    facts = page["extra"]["sd_recipe_search"]
    assert Recipe.parse(facts["recipe"]) == SD1["worked"]
    assert facts["models"]["B"] == {"name": "sd1 B \u30e2\u30c7\u30eb.safetensors", "sha256": "B" * 64}
    assert [*api.values()][-1]["_meta"]["sd_recipe_search"] == facts
    (note,) = [node["widgets_values"][0] for node in page["nodes"] if node["type"] == "MarkdownNote"]
    assert all(word in note for word in ("classic", "A" * 64, "OUT05 OUT08", "mine.comfyui-lora.safetensors"))
    plain, bare = written(parents, SD1["worked"], ExportOptions(with_recipe=False))
    assert "OUT05" not in plain.files[0].read_text(encoding="utf-8")
    assert "A" * 64 not in json.dumps(bare)


@pytest.mark.parametrize(
    ("title", "saved"), [("a/b\\c: %date% \u590f?", "a_b_c_ _date_ \u590f_"), (" .. ", "merged"), ("it's", "it's")]
)
def test_the_checkpoint_has_a_name_that_every_system_takes(parents: Path, title: str, saved: str) -> None:
    content = content_of(parents, SD1["one ratio"], title)
    done = export("comfyui", content, parents / "named.json", ExportOptions(overwrite=True))
    api = json.loads(done.files[1].read_text(encoding="utf-8"))
    assert [*api.values()][-1]["inputs"]["filename_prefix"] == f"checkpoints/{saved}"
    assert done.files[1].name == "named.comfyui-api.json"


def test_no_file_is_written_where_one_is_in_the_way(parents: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.comfyui-api.json").write_text("there")
    with pytest.raises(Exception, match="already exists"):
        export("comfyui", content_of(parents, SD1["blocks"]), tmp_path / "mine.comfyui.json", PLAIN)
    assert not (tmp_path / "mine.comfyui.json").exists()


@pytest.mark.parametrize("name", ["worked", "add difference", "triple sum", "elements", "twenty"])
def test_nodes_stand_in_columns_and_none_hides_another(parents: Path, name: str) -> None:
    done, _ = written(parents, {**SD1, **SDXL}[name])
    page = json.loads(done.files[0].read_text(encoding="utf-8"))
    nodes = {node["id"]: node for node in page["nodes"]}
    for _, source, _, target, _, _ in page["links"]:
        assert nodes[source]["pos"][0] + nodes[source]["size"][0] < nodes[target]["pos"][0]
    boxes = [(*node["pos"], *node["size"]) for node in nodes.values()]
    title = 30
    for place, (x, y, width, height) in enumerate(boxes):
        for left, top, wide, high in boxes[place + 1 :]:
            beside = x + width <= left or left + wide <= x
            below = y + height + title <= top or top + high + title <= y
            assert beside or below
    assert all(node["title"] for node in nodes.values())
    assert page["last_node_id"] == max(nodes)


def test_adjust_alone_is_the_file_of_differences_alone(parents: Path) -> None:
    done, api = written(parents, SD1["adjust"])
    kinds = [node["class_type"] for node in api.values()]
    assert kinds == ["CheckpointLoaderSimple", "LoraLoaderModelOnly", "CheckpointSave"]
    assert done.tricks[0].endswith("what no node gives: what Adjust does to 6 of the UNet")


def test_long_workflows_say_how_long_they_are(parents: Path) -> None:
    short, long = (written(parents, recipe)[0].notes for recipe in (SD1["blocks"], SD1["triple sum"]))
    assert not any("wherever it is used again" in note for note in short)
    assert any("wherever it is used again" in note for note in long)

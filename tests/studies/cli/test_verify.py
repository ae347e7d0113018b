"""`recipe-search verify`: an export is what its recipe makes, or every difference is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from engine.checkpoints.checkpoint import file_sha256
from engine.exports.checkpoint import header_of
from engine.exports.content import ExportContent
from engine.exports.target import ExportOptions
from engine.merging.output import Output
from engine.merging.write import write_checkpoint
from engine.recipes.recipe import MergeStep, Recipe
from studies.cli.main import main
from tests.engine.exports.recipes import RISING, SD1
from tests.engine.models.tiny import write_tiny

KEY = "model.diffusion_model.output_blocks.5.1.transformer_blocks.0.attn1.to_q.weight"
NAMES = {"A": "first model.safetensors", "B": "夜.safetensors", "C": "c.safetensors"}


@pytest.fixture(scope="module")
def parents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parents")
    for seed, name in enumerate(NAMES.values()):
        write_tiny(folder / name, seed)
    return folder


@pytest.fixture(autouse=True)
def a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("studies.review.parents.user_memory", lambda: tmp_path / "hashes.json")


def verify(*words: object, status: int = 0) -> str:
    found = CliRunner().invoke(main, ["verify", *map(str, words)])
    if isinstance(found.exception, Exception) and not isinstance(found.exception, SystemExit):
        raise found.exception
    assert found.exit_code == status, found.output
    return found.output


def exported(parents: Path, output: Output, recipe: Recipe = SD1["worked"]) -> Path:
    models = {name: parents / file for name, file in NAMES.items() if name in recipe.models}
    hashes = {name: file_sha256(path) for name, path in models.items()}
    options = ExportOptions(output=output)
    metadata = header_of(ExportContent(recipe=recipe, title="mix", models=models, hashes=hashes), options)
    out = Path("mix.safetensors")
    write_checkpoint(recipe, models, out, output=output, metadata=metadata)
    return out


def changed(path: Path, change: dict[str, torch.Tensor | None]) -> None:
    tensors: dict[str, torch.Tensor | None] = {**load_file(path), **change}
    with safe_open(str(path), framework="pt") as file:
        metadata = file.metadata()
    save_file({name: value for name, value in tensors.items() if value is not None}, path, metadata)


@pytest.mark.parametrize(
    ("dtype", "arithmetic"), [("fp16", "exact"), ("bf16", "folded"), ("fp32", "folded"), ("computed", "exact")]
)
def test_what_was_exported_holds(parents: Path, dtype: str, arithmetic: str) -> None:
    out = exported(parents, Output(dtype=dtype, arithmetic="folded" if arithmetic == "folded" else "exact"))
    said = verify(out, "--parents", parents)
    assert "as the recipe makes it: " in said
    assert f"{'step by step' if arithmetic == 'exact' else 'folded'} in {dtype}" in said
    assert "note:" not in said


def test_a_pruned_file_with_another_vae_and_a_chain_of_three_models(parents: Path) -> None:
    shutil.copy(parents / NAMES["C"], "vae.safetensors")
    out = exported(parents, Output(prune=True, vae=Path("vae.safetensors")), SD1["chain"])
    assert "as the recipe makes it" in verify(out, "--parents", parents)
    Path("vae.safetensors").unlink()
    assert "the VAE vae.safetensors was baked in, and it is not in" in verify(out, "--parents", parents, status=2)


def test_differences_are_named_with_the_largest_first(parents: Path) -> None:
    out = exported(parents, Output(dtype="fp32"))
    before = load_file(out)
    other = "model.diffusion_model.out.2.bias"
    nudged = before[KEY].clone()
    nudged.view(-1)[3] += 2
    changed(
        out,
        {KEY: nudged, other: before[other] + 1, "cond_stage_model.transformer.text_model.final_layer_norm.bias": None},
    )
    changed(out, {"more.weight": torch.zeros(2)})
    said = verify(out, "--parents", parents, status=1)
    assert said.index(f"differs: {KEY}: 1 of ") < said.index(f"differs: {other}: 4 of 4 numbers differ, by 1 at most")
    assert "missing: cond_stage_model.transformer.text_model.final_layer_norm.bias" in said
    assert "not of the recipe: more.weight" in said
    assert "NOT as the recipe makes it" in said
    assert "2 differ, 1 missing, 1 not of the recipe" in said


def test_another_shape_and_another_dtype(parents: Path) -> None:
    out = exported(parents, Output(dtype="fp32"))
    before = load_file(out)
    other = "model.diffusion_model.out.2.bias"
    changed(out, {KEY: before[KEY].half(), other: before[other].reshape(2, 2)})
    said = verify(out, "--parents", parents, status=1)
    assert f"differs: {other}: its shape is (2, 2), the recipe makes (4,)" in said
    assert "numbers differ, float16 in place of float32" in said


def test_parents_by_name_and_wrong_parents(parents: Path) -> None:
    out = exported(parents, Output())
    a, b = (parents / NAMES[name] for name in "AB")
    assert "as the recipe makes it" in verify(out, "--parents", f"A={a}", "--parents", f"B={b}")
    said = verify(out, "--parents", f"A={b}", "--parents", f"B={b}", status=2)
    assert "this is another file than the one that was merged, whose SHA-256 is" in said
    said = verify(out, status=2)
    assert said.count("is not in") == 2
    assert NAMES["B"] in said
    assert "--parents B=PATH" in said
    said = verify(out, "--parents", parents, "--parents", f"Z={a}", status=2)
    assert "--parents Z: the recipe takes A, B" in said
    assert "is no folder and no NAME=PATH" in verify(out, "--parents", "nowhere", status=2)


def test_a_recipe_of_ones_own(parents: Path) -> None:
    out = exported(parents, Output())
    models = "\n".join(f"{name} = '{parents / NAMES[name]}'" for name in "AB")
    body = SD1["worked"].text.replace("\n\n", f"\n\n[models]\n{models}\n\n", 1)
    Path("same.toml").write_text(body, encoding="utf-8")
    assert "as the recipe makes it" in verify(out, "--recipe", "same.toml")
    Path("other.toml").write_text(body.replace("0.35", "0.36", 1), encoding="utf-8")
    said = verify(out, "--recipe", "other.toml", status=1)
    assert "the file carries another recipe" in said
    assert "differs: cond_stage_model." in said


def test_a_file_without_a_recipe(parents: Path) -> None:
    out = exported(parents, Output())
    save_file(load_file(out), out)
    said = verify(out, "--parents", parents, status=2)
    assert "there is no sd_merge_recipe in the metadata" in said
    models = "\n".join(f"{name} = '{parents / NAMES[name]}'" for name in "AB")
    text = SD1["worked"].text.replace("\n\n", f"\n\n[models]\n{models}\n\n", 1)
    Path("same.toml").write_text(text, encoding="utf-8")
    said = verify(out, "--recipe", "same.toml")
    assert "the header does not say in which dtype it was merged; fp16 is taken" in said


@pytest.mark.parametrize("name", ["folder", "nothing.safetensors", "mix.txt"])
def test_what_is_not_compared(name: str) -> None:
    Path("folder").mkdir()
    Path("mix.txt").write_text(SD1["worked"].text, encoding="utf-8")
    said = verify(name, status=2)
    assert {"folder": "folders are not compared", "mix.txt": "a kind that is not compared"}.get(
        name, "there is no such file"
    ) in said


@pytest.mark.parametrize("name", ["mix.comfyui.json", "mix.card.json"])
def test_a_file_of_which_only_its_own_recipe_is_read_is_not_compared(name: str) -> None:
    """Its weights are not read, so that nothing could differ."""
    carried = {"sd_recipe_search": {"recipe": SD1["blocks"].text, "models": {}}}
    workflow = {"nodes": [], "links": [], "extra": carried}
    Path(name).write_text(json.dumps(workflow if "comfyui" in name else carried), encoding="utf-8")
    Path("mix.toml").write_text(SD1["blocks"].text, encoding="utf-8")
    for words in ((), ("--recipe", "mix.toml")):
        assert "a kind that is not compared" in verify(name, *words, status=2)


def test_a_lora_is_not_compared(parents: Path) -> None:
    out = exported(parents, Output())
    with safe_open(str(out), framework="pt") as file:
        metadata = file.metadata()
    save_file({"lora_unet_mid_block_proj_in.lora_down.weight": torch.ones(1, 4)}, out, metadata)
    assert "a kind that is not compared" in verify(out, "--parents", parents, status=2)


# ------------------------------------------------------------------------------------------------------------ texts


def mergekit(recipe: Recipe, out_weight: float = RISING[-1]) -> Path:
    """A configuration with weights by filter, as an export writes it, of one Weight sum with two weights."""
    lines = [f"#| {line}".rstrip() for line in recipe.text.split("\n")]
    heads = [f'# model "{name}" is "dir/{NAMES[name]}", SHA-256 {name.lower() * 64}' for name in "AB"]
    sides = {"A": lambda weight: 1 - weight, "B": lambda weight: weight}
    models: list[str] = []
    for name, share in sides.items():
        path = json.dumps(f"C:\\models\\{NAMES[name]}", ensure_ascii=False)
        models += [f"- model: {path}", "  parameters:"]
        models += ["    weight:", f"    - {{filter: diffusion_model., value: {share(out_weight):.12g}}}"]
        models += ["    - {filter: position_ids, value: " + ("1.0}" if name == "A" else "0.0}")]
        models += [f"    - {{value: {share(0.35):.12g}}}"]
    out = Path("mix.mergekit.yaml")
    settings = ["merge_method: linear", "dtype: float32", "parameters: {normalize: false}", "models:"]
    out.write_text("\n".join([*heads, *lines, *settings, *models, ""]), encoding="utf-8")
    return out


FLAT = Recipe(steps=(MergeStep(alpha=(0.35, *(RISING[-1] for _ in range(25)))),))


def test_the_weights_of_a_mergekit_file_are_those_of_its_recipe() -> None:
    path = mergekit(FLAT)
    assert "as the recipe makes it" in verify(path)
    said = verify(mergekit(FLAT, 0.9), status=1)
    assert "it says 0.1 first model.safetensors + 0.9 夜.safetensors, the recipe 0.092 first" in said
    assert "686 differ" in said


def test_a_vector_of_adjust_lies_beside_the_mergekit_file() -> None:
    recipe = Recipe(steps=(*FLAT.steps, *SD1["worked"].steps[2:]))
    path = mergekit(recipe)
    text = path.read_text(encoding="utf-8")
    path.write_text(f"{text}- model: shifts.safetensors\n  parameters: {{weight: 1.0}}\n", encoding="utf-8")
    said = verify(path, status=1)
    assert "shifts.safetensors is no model of the recipe and does not lie beside the file" in said
    assert "differs: model.diffusion_model.out.2.bias" in said
    assert "1 differ" in said
    bias = torch.tensor([-0.02, -0.12, 0.14 / 3, 0.22 / 3], dtype=torch.float64)
    save_file({"model.diffusion_model.out.2.bias": bias}, "shifts.safetensors")
    assert "as the recipe makes it" in verify(path)


def test_a_text_is_compared_with_a_given_recipe() -> None:
    graph = {
        "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "a.safetensors"}},
        "2": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "b.safetensors"}},
        "3": {"class_type": "ModelMergeSimple", "inputs": {"model1": ["1", 0], "model2": ["2", 0], "ratio": 0.6}},
        "4": {"class_type": "CLIPMergeSimple", "inputs": {"clip1": ["1", 1], "clip2": ["2", 1], "ratio": 1.0}},
        "5": {"class_type": "CheckpointSave", "inputs": {"model": ["3", 0], "clip": ["4", 0], "vae": ["1", 2]}},
    }
    Path("mix.json").write_text(json.dumps(graph), encoding="utf-8")
    Path("mix.toml").write_text(Recipe.flat(0.4).text, encoding="utf-8")
    assert "as the recipe makes it" in verify("mix.json", "--recipe", "mix.toml")
    Path("mix.toml").write_text(Recipe.flat(0.5).text, encoding="utf-8")
    assert "686 differ" in verify("mix.json", "--recipe", "mix.toml", status=1)
    assert "it carries no recipe of this project" in verify("mix.json", status=2)


def test_a_file_whose_family_cannot_be_told_is_compared_where_it_is_named(parents: Path) -> None:
    out = exported(parents, Output(), Recipe.flat(0.5))
    words = ["recipe", "convert", str(out), "-", "--to", "metadata", "--as-supermerger"]
    metadata = json.loads(CliRunner().invoke(main, words).stdout)
    tensors = load_file(out)
    save_file({**tensors, "double_blocks.0": torch.zeros(1)}, out, metadata)
    given = [text for name in "AB" for text in ("--parents", f"{name}={parents / NAMES[name]}")]
    assert "name it with --family: sd1, sd2 or sdxl" in verify(out, *given, status=2)
    told = verify(out, *given, "--family", "sd1", status=1)
    assert f"{len(tensors)} equal, 1 not of the recipe" in told
    assert "is not one of" in verify(out, "--family", "sd3", status=2)

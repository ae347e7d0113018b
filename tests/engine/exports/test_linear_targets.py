"""The files for sd-mecha and mergekit: short where blocks are exact, readable by their rules, refused where wrong."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from engine.errors import CheckpointError, RecipeError
from engine.exports.content import ExportContent
from engine.exports.filters import filters_of, number_of
from engine.exports.linear import weight_text
from engine.exports.mecha.config import config_keys
from engine.exports.registry import TARGETS, export, refusals_of
from engine.exports.target import ExportOptions, WrittenExport
from engine.merging.output import Output
from engine.recipes.recipe import AdjustStep, MergeStep, Recipe
from tests.engine.exports.executed import FOLDED, write_parents
from tests.engine.exports.parents import clipped
from tests.engine.exports.recipes import NONLINEAR, SD1, SDXL, drawn

NAMES = ("mecha", "mergekit")
SHIFT = "model.diffusion_model.out.2.bias"
POSITIONS = "cond_stage_model.transformer.text_model.embeddings.position_ids"


@pytest.fixture(scope="module")
def parents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Path]]:
    return write_parents(tmp_path_factory.mktemp("parents"), whole=True)


def _content(recipe: Recipe, models: dict[str, Path], title: str = "mine") -> ExportContent:
    return ExportContent(recipe=recipe, title=title, models={name: models[name] for name in recipe.models})


def _written(
    target: str, recipe: Recipe, models: dict[str, Path], folder: Path, options: ExportOptions = FOLDED
) -> WrittenExport:
    return export(target, _content(recipe, models), folder / f"x{TARGETS[target].suffix}", options)


@pytest.mark.parametrize("target", NAMES)
def test_twenty_six_weights_are_a_short_file(target: str, parents: dict[str, dict[str, Path]], tmp_path: Path) -> None:
    for name, recipe in {**SD1, **{f"XL {name}": recipe for name, recipe in SDXL.items()}}.items():
        done = _written(target, recipe, parents[recipe.family], tmp_path / name)
        assert done.files[0].stat().st_size < 10_000, name
    assert (tmp_path / "blocks" / f"x{TARGETS[target].suffix}").stat().st_size < 5_000


def test_a_mecha_file_keeps_to_the_form(parents: dict[str, dict[str, Path]], tmp_path: Path) -> None:
    for number, recipe in enumerate((*SD1.values(), SDXL["twenty and adjust"], *drawn(3))):
        content = _written("mecha", recipe, parents[recipe.family], tmp_path / str(number)).files[0].read_bytes()
        first, *lines = content.decode("utf-8").split("\n")
        assert first == "version 0.1.0"
        assert b"\r" not in content
        assert all(lines)
        instructions = [line for line in lines if not line.startswith("#")]
        for place, line in enumerate(instructions):
            assert re.match(r"(dict|literal|model|merge) ", line)
            assert all(int(found) < place for found in re.findall(r"&(\d+)", line))


def test_hashes_and_the_recipe_stand_in_comments(parents: dict[str, dict[str, Path]], tmp_path: Path) -> None:
    models = {name: parents["sd1"][name] for name in "AB"}
    content = ExportContent(recipe=SD1["worked"], title="a\nb", models=models, hashes={"A": "1" * 64, "B": "2" * 64})
    for target in NAMES:
        text = export(target, content, tmp_path / f"x{TARGETS[target].suffix}", FOLDED).files[0].read_text("utf-8")
        assert f'# model "A" is "sd1-A-モデル.safetensors", SHA-256 {"1" * 64}' in text
        assert "# a b: every tensor" in text
        assert "#| elemental" in text
        plain = export(target, content, tmp_path / f"plain-{target}", ExportOptions(with_recipe=False)).files[0]
        assert not re.search(r"SHA-256|#\|", plain.read_text("utf-8"))


@pytest.mark.parametrize("target", NAMES)
def test_what_adjust_adds_lies_in_a_small_file(
    target: str, parents: dict[str, dict[str, Path]], tmp_path: Path
) -> None:
    recipe = Recipe(steps=(AdjustStep(values=(0.0, 0.0, 0.0, -1.0, 7.0, 1.0, 1.0, 0.0)),))
    done = _written(target, recipe, parents["sd1"], tmp_path)
    assert [path.name for path in done.files] == [f"x{TARGETS[target].suffix}", done.files[1].name]
    found = load_file(done.files[1])
    assert list(found) == [SHIFT]
    assert found[SHIFT].tolist() == pytest.approx([-0.02, -0.12, 0.0466667, 0.0733333], abs=1e-6)
    assert done.files[1].name in done.files[0].read_text("utf-8")


def _yaml(done: WrittenExport) -> dict[str, Any]:
    return yaml.safe_load(done.files[0].read_text("utf-8"))


def test_the_yaml_gives_every_tensor_its_weight(parents: dict[str, dict[str, Path]], tmp_path: Path) -> None:
    for number, recipe in enumerate((*SD1.values(), SDXL["twenty and adjust"], *drawn(3))):
        content = _content(recipe, parents[recipe.family])
        config = _yaml(export("mergekit", content, tmp_path / f"{number}.mergekit.yaml", FOLDED))
        weights = {entry["model"]: entry["parameters"]["weight"] for entry in config["models"]}
        for name in recipe.models:
            rules = weights[str(content.models[name])]
            for key in content.plan.rows:
                expected = content.weights(key).get(name, 0.0)
                assert _first(rules, key) == pytest.approx(expected, abs=1e-11), (recipe, key)


def _first(rules: Any, key: str) -> float:
    if isinstance(rules, float):
        return rules
    return next(rule["value"] for rule in rules if rule.get("filter", "") in key)


def test_the_dtype_that_is_asked_for_is_written(parents: dict[str, dict[str, Path]], tmp_path: Path) -> None:
    for dtype, said in (("fp16", "float16"), ("bf16", "bfloat16"), ("fp32", "float32"), ("computed", "float32")):
        options = ExportOptions(output=Output(dtype=dtype))
        assert _yaml(_written("mergekit", SD1["self"], parents["sd1"], tmp_path / dtype, options))["out_dtype"] == said
        usage = _written("mecha", SD1["self"], parents["sd1"], tmp_path / dtype, options).usage
        assert any(f"output_dtype=torch.{said})" in line for line in usage)


# ------------------------------------------------------------------------------------------------------ refusals


@pytest.mark.parametrize("target", NAMES)
@pytest.mark.parametrize("name", NONLINEAR)
def test_calculation_modes_are_refused_with_their_keys(
    target: str, name: str, parents: dict[str, dict[str, Path]]
) -> None:
    (found,) = refusals_of(target, _content(NONLINEAR[name], parents["sd1"]), FOLDED)
    assert "calculation mode" in found.what
    assert "model.diffusion_model.input_blocks.1.0.in_layers.2.weight" in found.keys


def test_sd2_is_refused_by_sd_mecha(parents: dict[str, dict[str, Path]]) -> None:
    recipe = Recipe(steps=(MergeStep(alpha=0.4),), family="sd2")
    (found,) = refusals_of("mecha", _content(recipe, parents["sd1"]), FOLDED)
    assert "no sd2 models" in found.what


def _model(path: Path, changes: dict[str, torch.Tensor | None], seed: int = 1) -> Path:
    """A parent with some tensors changed, added or (None) left out."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {**clipped("sd1", seed), **changes}
    save_file({key: value for key, value in tensors.items() if value is not None}, path)
    return path


def _refused(target: str, a: Path, b: Path, recipe: Recipe = SD1["blocks"]) -> dict[str, tuple[str, ...]]:
    return {found.what: found.keys for found in refusals_of(target, _content(recipe, {"A": a, "B": b}), FOLDED)}


def test_names_that_a_tool_cannot_read_are_refused(tmp_path: Path) -> None:
    a = _model(tmp_path / "a.safetensors", {})
    for name in ("a b", 'a"b', "a@b", "a+b"):
        assert "it fails where" in next(iter(_refused("mergekit", a, _model(tmp_path / f"{name}.safetensors", {}))))
    assert "= must not be" in next(iter(_refused("mecha", a, _model(tmp_path / "a=b.safetensors", {}))))
    for target in NAMES:
        other = _model(tmp_path / "b.ckpt2", {})
        assert "end in .safetensors" in next(iter(_refused(target, a, other)))


def test_a_link_to_a_file_with_another_ending_is_refused_by_sd_mecha(tmp_path: Path) -> None:
    blob = _model(tmp_path / "blob", {})
    link = tmp_path / "b.safetensors"
    link.symlink_to(blob)
    a = _model(tmp_path / "a.safetensors", {})
    assert "what a link leads to" in next(iter(_refused("mecha", a, link)))
    assert not _refused("mergekit", a, link)


def test_shapes_that_differ_are_refused(tmp_path: Path) -> None:
    key = "first_stage_model.decoder.mid.attn_1.q.weight"
    a = _model(tmp_path / "a.safetensors", {})
    b = _model(tmp_path / "b.safetensors", {key: torch.zeros(5, 5)})
    for target in NAMES:
        assert _refused(target, a, b) == {"these tensors have another shape in another model": (key,)}


def test_whole_numbers_that_differ_are_refused_by_mergekit(tmp_path: Path) -> None:
    a = _model(tmp_path / "a.safetensors", {})
    b = _model(tmp_path / "b.safetensors", {POSITIONS: torch.arange(1, 78)[None]})
    assert list(_refused("mergekit", a, b).values()) == [(POSITIONS,)]
    assert not _refused("mecha", a, b)


def test_tensors_that_sd_mecha_does_not_know_are_refused_or_named(tmp_path: Path) -> None:
    mark, other = "v_pred", "training.steps"
    a = _model(tmp_path / "a.safetensors", {other: torch.zeros(2)})
    b = _model(tmp_path / "b.safetensors", {})
    done = _written("mecha", SD1["blocks"], {"A": a, "B": b}, tmp_path)
    assert any(other in note for note in done.notes)
    a = _model(tmp_path / "a.safetensors", {mark: torch.zeros(0)})
    assert list(_refused("mecha", a, b).values()) == [(mark,)]


def test_what_mergekit_would_add_is_refused_or_named(tmp_path: Path) -> None:
    a = _model(tmp_path / "a.safetensors", {})
    b = _model(tmp_path / "b.safetensors", {"v_pred": torch.zeros(0)})
    assert list(_refused("mergekit", a, b).values()) == [("v_pred",)]
    b = _model(tmp_path / "b.safetensors", {"training.steps": torch.zeros(2)})
    done = _written("mergekit", SD1["blocks"], {"A": a, "B": b}, tmp_path)
    assert any("training.steps" in note for note in done.notes)


def test_old_names_of_the_text_encoder_are_refused_where_they_do_not_meet(tmp_path: Path) -> None:
    key = "cond_stage_model.transformer.text_model.final_layer_norm.weight"
    old = key.replace("text_model.", "")
    value = clipped("sd1", 1)[key]
    a = _model(tmp_path / "a.safetensors", {key: None, old: value})
    b = _model(tmp_path / "b.safetensors", {})
    assert list(_refused("mergekit", a, b).values()) == [(key,)]
    assert not _refused("mecha", a, b)


def test_a_key_that_the_base_lacks_is_refused_where_it_is_no_copy(tmp_path: Path) -> None:
    key = "model.diffusion_model.output_blocks.5.1.transformer_blocks.0.attn1.to_q.weight"
    a = _model(tmp_path / "a.safetensors", {key: None})
    b, c = (_model(tmp_path / f"{name}.safetensors", {}) for name in "bc")
    recipe = Recipe(
        steps=(
            MergeStep(models=("A", "B", "C"), alpha=0.4, mode="Add difference"),
            SD1["self"].steps[0],
        )
    )
    found = refusals_of("mecha", _content(recipe, {"A": a, "B": b, "C": c}), FOLDED)
    assert [one.keys for one in found] == [(key,)]
    assert not _refused("mecha", a, b, SD1["worked"])


@pytest.mark.parametrize("target", NAMES)
def test_nothing_is_written_over(target: str, parents: dict[str, dict[str, Path]], tmp_path: Path) -> None:
    done = _written(target, SD1["worked"], parents["sd1"], tmp_path)
    done.files[0].unlink()
    with pytest.raises(CheckpointError, match="already exists"):
        _written(target, SD1["worked"], parents["sd1"], tmp_path)


def test_mergekit_is_told_of_paths_from_a_folder_where_whole_ones_have_spaces(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "Stable Diffusion"
    models = {name: _model(folder / "models" / f"{name}.safetensors", {}) for name in "AB"}
    done = _written("mergekit", SD1["worked"], models, folder / "out")
    names = [entry["model"] for entry in _yaml(done)["models"]]
    assert names == ["../models/A.safetensors", "../models/B.safetensors", done.files[1].name]
    assert any(line.startswith("cd ") for line in done.usage)
    with pytest.raises(RecipeError, match="cannot read a path with a space"):
        _written("mergekit", SD1["worked"], models, tmp_path / "out")


def test_models_of_one_name_are_named_by_their_whole_paths(tmp_path: Path) -> None:
    models = {name: _model(tmp_path / name / "model.safetensors", {}) for name in "AB"}
    text = _written("mecha", SD1["blocks"], models, tmp_path).files[0].read_text("utf-8")
    assert f'model "{models["B"].as_posix()}" ' in text


# ----------------------------------------------------------------------------------------------------- the pieces


def test_filters_give_every_name_its_number_where_one_name_is_inside_another() -> None:
    values = {"model.a": 0.4, "model.b": 0.4, "stage_model.a.c": 0.5, "stage_model.b": 0.5, "z": 0.5}
    *rules, (_, default) = filters_of(values)
    assert {name: number_of(dict(rules), name, default) for name in values} == values


@pytest.mark.parametrize(("value", "text"), [(0.1 + 0.2, "0.3"), (1e-05, "1.0e-05"), (2.0, "2.0"), (-0.25, "-0.25")])
def test_numbers_are_floats_to_yaml_and_to_sd_mecha(value: float, text: str) -> None:
    assert weight_text(value) == text
    assert isinstance(yaml.safe_load(text), float)


def test_sd_mecha_knows_as_many_keys_as_its_files_have() -> None:
    assert (len(config_keys("sd1")), len(config_keys("sdxl"))) == (1831, 2531)


def test_what_is_read_as_json_is_the_name_in_the_yaml(tmp_path: Path) -> None:
    models = {name: _model(tmp_path / f"{name}-混合-'\\#{{}}.safetensors", {}) for name in "AB"}
    done = _written("mergekit", SD1["one ratio"], models, tmp_path)
    assert [entry["model"] for entry in _yaml(done)["models"]] == [str(path) for path in models.values()]
    mecha = _written("mecha", SD1["one ratio"], models, tmp_path).files[0].read_text("utf-8")
    assert f"model {json.dumps(models['A'].name, ensure_ascii=False)} " in mecha

"""Model folders: diffusers opens them offline, with the merged weights, and they make the pictures of the model."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from diffusers import DiffusionPipeline, EulerDiscreteScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline
from safetensors.torch import load_file, save_file
from torch import nn

from engine.architecture.keymap import Component, fills
from engine.checkpoints.checkpoint import file_sha256, open_checkpoint
from engine.errors import CheckpointError, RecipeError
from engine.exports.content import ExportContent
from engine.exports.diffusers_folder.weights import stored_name
from engine.exports.registry import export
from engine.exports.target import ExportOptions
from engine.live.model import part_of
from engine.merging.output import Output
from engine.prompts.tokenizer import token_ids
from engine.recipes.recipe import MergeStep, Recipe
from tests.engine.exports.recipes import RISING, SD1, SDXL
from tests.engine.models.tiny import TINY, modules, write_tiny
from tests.engine.models.tiny_families import V_MARKS, family_modules, write_family

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
"""Of the Euler scheduler of diffusers with NumPy 2."""
FamilyName = Literal["sd1", "sd2", "sdxl"]
_RECIPES: dict[FamilyName, Recipe] = {
    "sd1": SD1["worked"],
    "sd2": Recipe(steps=(MergeStep(alpha=RISING),), family="sd2"),
    "sdxl": SDXL["twenty"],
}
_PARTS: dict[str, Component] = {"unet": "unet", "vae": "vae", "text_encoder": "text", "text_encoder_2": "text_g"}
_SEEDS = ((1, "A"), (2, "B"))
_TEXTS = ("", "a cat, (masterpiece:1.2), 1girl's hat", "写真 <lora:x> &amp; naïve café", "word " * 100)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[FamilyName, dict[str, Path]]:
    """Two models of each family."""
    folder = tmp_path_factory.mktemp("models")
    found: dict[FamilyName, dict[str, Path]] = {}
    found["sd1"] = {name: write_tiny(folder / f"{name}.safetensors", seed) for seed, name in _SEEDS}
    found["sd2"] = {name: write_family(folder / f"sd2{name}.safetensors", "sd2", seed) for seed, name in _SEEDS}
    found["sdxl"] = {name: write_family(folder / f"sdxl{name}.safetensors", "sdxl", seed) for seed, name in _SEEDS}
    return found


def _content(recipe: Recipe, models: dict[str, Path], title: str = "mine") -> ExportContent:
    return ExportContent(recipe=recipe, title=title, models={name: models[name] for name in recipe.models})


def _opened(folder: Path) -> Any:
    pipeline = DiffusionPipeline.from_pretrained(folder, local_files_only=True, low_cpu_mem_usage=False)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def _picture(pipeline: Any) -> torch.Tensor:
    rng = torch.Generator().manual_seed(5)
    return pipeline("a cat", negative_prompt="dog", num_inference_steps=2, height=64, width=64, generator=rng,
                    output_type="pt").images  # fmt: skip


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_the_folder_holds_the_weights_of_the_checkpoint(
    models: dict[FamilyName, dict[str, Path]], tmp_path: Path, family: FamilyName
) -> None:
    content = _content(_RECIPES[family], models[family])
    dtype = {"sd1": "fp16", "sd2": "bf16", "sdxl": "fp32"}[family]
    options = ExportOptions(output=Output(dtype=dtype))
    checkpoint = open_checkpoint(export("checkpoint", content, tmp_path / "whole.safetensors", replace(
        options, with_recipe=False)).files[0])  # fmt: skip
    (folder,) = export("diffusers", content, tmp_path / "フォルダ 1", options).files
    pipeline = _opened(folder)
    parts = {_PARTS[name]: part for name, part in pipeline.components.items() if isinstance(part, nn.Module)}
    seen = 0
    for key in checkpoint.tensors:
        for fill in fills(key, checkpoint.widths):
            live = parts[fill.component].get_parameter(fill.name)
            assert torch.equal(live, part_of(fill, checkpoint.read(key)).reshape(live.shape).float()), key
            seen += 1
    assert seen == sum(len(list(part.parameters())) for part in parts.values())
    files = [load_file(path) for path in folder.rglob("*.safetensors")]
    assert {value.dtype for file in files for value in file.values()} == {
        {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}[dtype]
    }
    assert not list(folder.rglob("*.bin"))


def _own_pipeline(family: FamilyName, tokenizers: dict[str, Any]) -> Any:
    """A pipeline of the tests' own modules, with the scheduler of the released models."""
    parts = modules(TINY, 1) if family == "sd1" else family_modules(family, 1)
    scheduler = EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", timestep_spacing="leading", steps_offset=1
    )
    shared: dict[str, Any] = {
        "vae": parts["vae"], "text_encoder": parts["text"], "unet": parts["unet"], "scheduler": scheduler, **tokenizers,
    }  # fmt: skip
    parts["vae"].register_to_config(scaling_factor=0.13025 if family == "sdxl" else 0.18215)  # type: ignore[operator]
    if family == "sdxl":
        shared["text_encoder_2"] = parts["text_g"]
        found: Any = StableDiffusionXLPipeline(**shared)
    else:
        absent: dict[str, Any] = {"safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
        found = StableDiffusionPipeline(**shared, **absent)
    found.set_progress_bar_config(disable=True)
    return found


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
def test_the_folder_makes_the_pictures_of_modules_that_were_built_by_others(
    models: dict[FamilyName, dict[str, Path]], tmp_path: Path, family: FamilyName
) -> None:
    recipe = Recipe(steps=(MergeStep(alpha=0.0),), family=family, dialect=_RECIPES[family].dialect)
    (folder,) = export("diffusers", _content(recipe, models[family]), tmp_path / "a", ExportOptions()).files
    pipeline = _opened(folder)
    names = [name for name in pipeline.components if name.startswith("tokenizer")]
    own = _own_pipeline(family, {name: pipeline.components[name] for name in names})
    assert torch.equal(_picture(pipeline), _picture(own))


def test_tokenizers_give_the_ids_of_the_engine(models: dict[FamilyName, dict[str, Path]], tmp_path: Path) -> None:
    (folder,) = export("diffusers", _content(SDXL["twenty"], models["sdxl"]), tmp_path / "a", ExportOptions()).files
    pipeline = _opened(folder)
    for text in _TEXTS:
        for tokenizer, pad in ((pipeline.tokenizer, 49407), (pipeline.tokenizer_2, 0)):
            ids = tokenizer(text.replace("&amp;", "&"), padding="max_length", max_length=77, truncation=True).input_ids
            needed = [49406, *token_ids(text)[:75], 49407]
            assert ids == needed + [pad] * (77 - len(needed))


@pytest.mark.parametrize("family", ["sd2", "sdxl"])
def test_marked_models_get_their_scheduler(tmp_path: Path, family: Literal["sd2", "sdxl"]) -> None:
    paths = [(tmp_path / f"{name}.safetensors", seed, name) for seed, name in _SEEDS]
    own = {name: write_family(path, family, seed, more=V_MARKS) for path, seed, name in paths}
    done = export("diffusers", _content(_RECIPES[family], own), tmp_path / "v", ExportOptions())
    pipeline = _opened(done.files[0])
    config = pipeline.scheduler.config
    assert (config.prediction_type, config.rescale_betas_zero_snr, config.timestep_spacing) == (
        "v_prediction", True, "trailing",
    )  # fmt: skip
    assert done.notes[0] == "By the marks of its parents the model predicts v, on noise levels that end in pure noise."
    assert bool(_picture(pipeline).isfinite().all())


def test_recipe_and_parents_lie_in_the_folder(models: dict[FamilyName, dict[str, Path]], tmp_path: Path) -> None:
    content = _content(SD1["worked"], models["sd1"], "my\n# model")
    (folder,) = export("diffusers", content, tmp_path / "a", ExportOptions()).files
    card, own = ((folder / name).read_text(encoding="utf-8") for name in ("README.md", "recipe.json"))
    assert json.loads(own)["recipe"] == content.recipe.text
    assert json.loads(own)["models"]["B"] == {"name": "B.safetensors", "sha256": file_sha256(models["sd1"]["B"])}
    assert f"* B: `B.safetensors`, SHA-256 `{file_sha256(models['sd1']['B'])}`" in card
    assert "\n# my # model\n" in card
    (plain,) = export("diffusers", content, tmp_path / "b", ExportOptions(with_recipe=False)).files
    assert not (plain / "recipe.json").exists()
    assert "SHA-256" not in (plain / "README.md").read_text(encoding="utf-8")


def test_a_vae_is_baked_in(models: dict[FamilyName, dict[str, Path]], tmp_path: Path) -> None:
    bare = {key: value for key, value in load_file(models["sd1"]["A"]).items() if not key.startswith("first_stage")}
    vae = {key: value for key, value in load_file(models["sd1"]["B"]).items() if key.startswith("first_stage")}
    save_file(vae, tmp_path / "vae.safetensors")
    options = ExportOptions(output=Output(vae=tmp_path / "vae.safetensors"))
    (folder,) = export("diffusers", _content(SD1["self"], models["sd1"]), tmp_path / "a", options).files
    found = load_file(folder / "vae" / "diffusion_pytorch_model.safetensors")
    (fill,) = fills("first_stage_model.decoder.conv_in.weight", TINY)
    assert torch.equal(found[stored_name(fill)], vae["first_stage_model.decoder.conv_in.weight"])
    save_file(bare, tmp_path / "bare.safetensors")
    lacking = _content(SD1["self"], {"A": tmp_path / "bare.safetensors"})
    with pytest.raises(RecipeError, match=r"lacks 248 tensors that a pipeline needs: first_stage_model"):
        export("diffusers", lacking, tmp_path / "no", ExportOptions())


def test_what_no_pipeline_is_is_refused(models: dict[FamilyName, dict[str, Path]], tmp_path: Path) -> None:
    content = _content(SD1["one ratio"], models["sd1"])
    with pytest.raises(RecipeError, match="one dtype each"):
        export("diffusers", content, tmp_path / "no", ExportOptions(output=Output(dtype="computed")))
    first = "model.diffusion_model.input_blocks.0.0.weight"
    wide = load_file(models["sd1"]["A"])
    wide[first] = torch.cat([wide[first]] * 3, 1)[:, :9].contiguous()
    save_file(wide, tmp_path / "wide.safetensors")
    inpainting = _content(SD1["one ratio"], {"A": tmp_path / "wide.safetensors", "B": models["sd1"]["B"]})
    with pytest.raises(RecipeError, match=r"UNet reads 9 channels .*export it to checkpoint instead"):
        export("diffusers", inpainting, tmp_path / "no", ExportOptions())
    marked = write_family(tmp_path / "v.safetensors", "sdxl", 3, more=V_MARKS)
    mixed = _content(SDXL["twenty"], {"A": models["sdxl"]["A"], "B": marked})
    with pytest.raises(RecipeError, match="marked for different predictions"):
        export("diffusers", mixed, tmp_path / "no", ExportOptions())


def test_a_folder_is_whole_or_not_there(models: dict[FamilyName, dict[str, Path]], tmp_path: Path) -> None:
    content, out = _content(SD1["one ratio"], models["sd1"]), tmp_path / "a"
    export("diffusers", content, out, ExportOptions())
    with pytest.raises(CheckpointError, match=r"already exists.* --overwrite; choose another name"):
        export("diffusers", content, out, ExportOptions())
    (out / "vae" / "old").write_text("x")
    export("diffusers", content, out, ExportOptions(overwrite=True))
    assert not (out / "vae" / "old").exists()
    broken = load_file(models["sd1"]["B"])
    broken["model.diffusion_model.out.2.bias"][0] = torch.nan
    save_file(broken, tmp_path / "nan.safetensors")
    lost = _content(SD1["one ratio"], {**models["sd1"], "B": tmp_path / "nan.safetensors"})
    with pytest.raises(CheckpointError, match="cannot hold"):
        export("diffusers", lost, out, ExportOptions(overwrite=True))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "nan.safetensors"]
    _opened(out)


def test_other_folders_are_never_replaced(models: dict[FamilyName, dict[str, Path]], tmp_path: Path) -> None:
    content, options = _content(SD1["self"], models["sd1"]), ExportOptions(overwrite=True)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "letter").write_text("x")
    with pytest.raises(CheckpointError, match=r"without model_index\.json"):
        export("diffusers", content, tmp_path / "home", options)
    (folder,) = export("diffusers", content, tmp_path / "a", options).files
    inside = folder / "A.safetensors"
    inside.write_bytes(models["sd1"]["A"].read_bytes())
    with pytest.raises(CheckpointError, match="lies in it"):
        export("diffusers", replace(content, models={"A": inside}), folder, options)
    with pytest.raises(CheckpointError, match="is a file"):
        export("diffusers", content, tmp_path / "home" / "letter", options)
    with pytest.raises(CheckpointError, match="is the file of the model A"):
        export("diffusers", content, models["sd1"]["A"], options)
    with pytest.raises(CheckpointError, match="make it first"):
        export("diffusers", content, tmp_path / "none" / "a", options)

"""LoRAs: what they add to A is the merged model, as near as they say; under the names that diffusers reads."""

from __future__ import annotations

import hashlib
import json
import re
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from diffusers import StableDiffusionPipeline, StableDiffusionXLPipeline
from diffusers.utils.state_dict_utils import convert_state_dict_to_peft, convert_unet_state_dict_to_peft
from safetensors import safe_open
from safetensors.torch import load_file, save
from torch import Tensor, nn

from engine.architecture.configs import ModelFamily
from engine.architecture.keymap import fills
from engine.checkpoints.checkpoint import Checkpoint, file_sha256, open_checkpoint
from engine.errors import CheckpointError, RecipeError
from engine.exports.content import ExportContent
from engine.exports.lora.factors import factors_of
from engine.exports.registry import export
from engine.exports.target import ExportOptions
from engine.live.model import part_of
from engine.merging.output import Output
from engine.recipes.recipe import AdjustStep, MergeStep, Recipe
from tests.engine.exports.recipes import NONLINEAR, RISING, SD1, SDXL
from tests.engine.models.tiny import write_tiny
from tests.engine.models.tiny_families import write_family

FamilyName = Literal["sd1", "sd2", "sdxl"]
_RECIPES: dict[FamilyName, Recipe] = {
    "sd1": SD1["worked"],
    "sd2": Recipe(steps=(MergeStep(alpha=RISING),), family="sd2"),
    "sdxl": SDXL["twenty"],
}
_FP32 = Output(dtype="fp32", arithmetic="folded")
_ENTIRE = 5000


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[FamilyName, dict[str, Path]]:
    """Three models of SD1, two of the others."""
    folder = tmp_path_factory.mktemp("models")
    found: dict[FamilyName, dict[str, Path]] = {"sd1": {}, "sd2": {}, "sdxl": {}}
    for seed, name in enumerate("ABC", start=1):
        found["sd1"][name] = write_tiny(folder / f"{name}.safetensors", seed)
    for seed, name in enumerate("AB", start=1):
        found["sd2"][name] = write_family(folder / f"sd2{name}.safetensors", "sd2", seed)
        found["sdxl"][name] = write_family(folder / f"sdxl{name}.safetensors", "sdxl", seed)
    return found


def _content(recipe: Recipe, models: dict[str, Path]) -> ExportContent:
    return ExportContent(recipe=recipe, title="写真 mine", models={name: models[name] for name in recipe.models})


def _in_names_of_diffusers(path: Path, checkpoint: Checkpoint) -> dict[str, tuple[Tensor, Tensor, float]]:
    """Down, up and alpha by module, as diffusers' own loader reads a file of kohya's names."""
    if checkpoint.family == "sdxl":
        config: Any = nn.Module()
        config.layers_per_block = ModelFamily(widths=checkpoint.widths).unet_config()["layers_per_block"]
        found: Any = StableDiffusionXLPipeline.lora_state_dict(str(path), unet_config=config)
    else:
        found = StableDiffusionPipeline.lora_state_dict(str(path))
    tensors: dict[str, Tensor] = found[0]
    assert len(set(found[1].values())) == 1  # diffusers finds no alpha of its own for attention layers
    alpha: float = next(iter(found[1].values()))
    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        component, _, rest = name.partition(".")
        parts.setdefault(component, {})[rest] = value
    read: dict[str, tuple[Tensor, Tensor, float]] = {}
    for component, part in parts.items():
        convert: Any = convert_unet_state_dict_to_peft if component == "unet" else convert_state_dict_to_peft
        for name, value in convert(part).items():
            if ".lora_A." in name:
                up = convert(part)[name.replace(".lora_A.", ".lora_B.")]
                read[f"{component}.{re.sub(r'[.]lora_A[.].*', '', name)}"] = (value, up, alpha)
    return read


def _module_of(component: str, name: str, family: str) -> str:
    """The name of the module of a parameter, as diffusers' loader gives it."""
    folder = {"unet": "unet", "text": "text_encoder", "text_g": "text_encoder_2"}[component]
    level = "text_model." if component == "text" else ""
    return f"{folder}.{level}{name.removesuffix('.weight')}"


def _applied(
    base: Checkpoint, merged: dict[str, Tensor], lora: dict[str, tuple[Tensor, Tensor, float]]
) -> tuple[float, float, set[str]]:
    """Sums of squares of what the LoRA misses and of the difference, in the layers that it holds, and their names."""
    missed, size, seen = 0.0, 0.0, set[str]()
    for key in base.tensors:
        for fill in fills(key, base.widths):
            if fill.component == "vae" or not fill.name.endswith(".weight"):
                continue
            module = _module_of(fill.component, fill.name, base.family)
            if module not in lora:
                continue
            down, up, alpha = lora[module]
            a, needed = (part_of(fill, tensor.float()) for tensor in (base.read(key), merged[key]))
            added = (up.float().flatten(1) @ down.float().flatten(1)).reshape(a.shape) * (alpha / down.shape[0])
            missed += float((a + added - needed).double().square().sum())
            size += float((needed - a).double().square().sum())
            seen.add(module)
    return missed, size, seen


@pytest.mark.parametrize("family", ["sd1", "sd2", "sdxl"])
@pytest.mark.parametrize(("rank", "dtype"), [(_ENTIRE, "fp32"), (8, "fp16")])
def test_the_lora_adds_the_difference_as_near_as_it_says(
    models: dict[FamilyName, dict[str, Path]], tmp_path: Path, family: FamilyName, rank: int, dtype: str
) -> None:
    content = _content(_RECIPES[family], models[family])
    options = ExportOptions(output=Output(dtype=dtype), rank=rank)
    done = export("lora", content, tmp_path / "x-lora.safetensors", options)
    whole = export("checkpoint", content, tmp_path / "whole.safetensors", replace(options, output=_FP32)).files[0]
    base = open_checkpoint(models[family]["A"])
    lora = _in_names_of_diffusers(done.files[0], base)
    missed, size, seen = _applied(base, load_file(whole), lora)
    assert seen == set(lora)
    assert len(lora) == {"sd1": 299, "sd2": 300, "sdxl": 300}[family]
    error = (missed / size) ** 0.5
    assert f"{100 * error:.3g} % of their difference" in done.notes[0] or rank == _ENTIRE
    assert error < 1e-5 if rank == _ENTIRE else 0.5 < error < 1
    assert all(layer[0].shape[0] <= rank for layer in lora.values())


def test_what_no_lora_holds_is_named_with_its_size(models: dict[FamilyName, dict[str, Path]], tmp_path: Path) -> None:
    content = _content(Recipe(steps=(MergeStep(alpha=0.5),)), models["sd1"])
    notes = "\n".join(export("lora", content, tmp_path / "x.safetensors", ExportOptions(rank=4)).notes)
    base, other = (load_file(models["sd1"][name]) for name in "AB")
    squares = {key: float((other[key].float() - base[key].float()).double().square().sum()) for key in base}
    vae = {key: size for key, size in squares.items() if key.startswith("first_stage_model.")}
    share = 100 * (sum(vae.values()) / sum(squares.values())) ** 0.5
    assert f"it cannot hold 244 tensors of the VAE ({share:.3g} % of the norm of the difference)" in notes
    for part in ("biases", "weights of norms", "2 embeddings of tokens and positions"):
        assert re.search(rf"it cannot hold (\d+ )?{part} \(\d", notes), part
    assert "most is missed in lora_unet_" in notes


def test_other_calculation_modes_are_held_too(models: dict[FamilyName, dict[str, Path]], tmp_path: Path) -> None:
    content = _content(NONLINEAR["trainDifference"], models["sd1"])
    options = ExportOptions(output=_FP32, rank=_ENTIRE)
    (path,) = export("lora", content, tmp_path / "x.safetensors", options).files
    whole = export("checkpoint", content, tmp_path / "whole.safetensors", options).files[0]
    base = open_checkpoint(models["sd1"]["A"])
    missed, size, _ = _applied(base, load_file(whole), _in_names_of_diffusers(path, base))
    assert (missed / size) ** 0.5 < 1e-5


def test_the_metadata_is_that_of_sd_scripts(models: dict[FamilyName, dict[str, Path]], tmp_path: Path) -> None:
    content = _content(SD1["worked"], models["sd1"])
    (path,) = export("lora", content, tmp_path / "x.safetensors", ExportOptions(rank=40)).files
    with safe_open(str(path), framework="pt") as file:
        metadata: dict[str, str] = file.metadata()
    assert {name: metadata[name] for name in ("ss_network_module", "ss_network_dim", "ss_network_alpha")} == {
        "ss_network_module": "networks.lora", "ss_network_dim": "40", "ss_network_alpha": "40.0",
    }  # fmt: skip
    assert metadata["ss_base_model_version"] == "sd_v1"
    assert metadata["ss_new_sd_model_hash"] == file_sha256(models["sd1"]["A"])
    assert metadata["modelspec.architecture"] == "stable-diffusion-v1/lora"
    content_of_file = path.read_bytes()
    (length,) = struct.unpack("<Q", content_of_file[:8])
    assert metadata["sshs_model_hash"] == hashlib.sha256(content_of_file[8 + length :]).hexdigest()
    training = {name: text for name, text in metadata.items() if name.startswith("ss_")}
    older = save(load_file(path), training)[0x100000:0x110000]
    assert older
    assert metadata["sshs_legacy_hash"] == hashlib.sha256(older).hexdigest()[:8]
    own = json.loads(metadata["sd_recipe_search"])
    assert own["recipe"] == content.recipe.text
    assert (own["lora"]["of"], len(own["lora"]["errors"])) == ("A", 299)
    (plain,) = export("lora", content, tmp_path / "y.safetensors", ExportOptions(rank=4, with_recipe=False)).files
    with safe_open(str(plain), framework="pt") as file:
        assert not {"sd_recipe_search", "ss_new_sd_model_hash"} & set(file.metadata())


def test_what_holds_nothing_is_refused(models: dict[FamilyName, dict[str, Path]], tmp_path: Path) -> None:
    colours = Recipe(steps=(AdjustStep(values=(0.0, 0, 0, 1, 2, 3, 4, 5)),))
    with pytest.raises(RecipeError, match=r"no matrix .* A: model.diffusion_model.out.2.bias; export it to checkpoint"):
        export("lora", _content(colours, models["sd1"]), tmp_path / "no.safetensors", ExportOptions())
    options = ExportOptions(output=Output(dtype="computed"))
    with pytest.raises(RecipeError, match="one dtype"):
        export("lora", _content(SD1["worked"], models["sd1"]), tmp_path / "no.safetensors", options)
    with pytest.raises(CheckpointError, match=r"ends in \.safetensors"):
        export("lora", _content(SD1["worked"], models["sd1"]), tmp_path / "no.pt", ExportOptions())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", [(6, 20), (20, 6), (5, 4, 3, 3), (30, 2, 1, 1)])
def test_factors_are_the_nearest_of_their_rank(shape: tuple[int, ...]) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    strengths = torch.linalg.svdvals(weight.flatten(1).double())
    found = factors_of(weight, 2, 7, torch.float32)
    product = found.up.flatten(1) @ found.down.flatten(1) * 7 / 2
    missed = float((product - weight.flatten(1)).double().square().sum())
    assert missed == pytest.approx(float(strengths[2:].square().sum()), rel=1e-5)
    assert found.lost == pytest.approx(missed, rel=1e-5)
    assert found.error == pytest.approx((missed / float(strengths.square().sum())) ** 0.5, rel=1e-5)
    assert factors_of(weight, 99, 4, torch.float32).error < 1e-6
    deficient = weight.clone()
    deficient[1:] = deficient[0]
    assert factors_of(deficient, 3, 3, torch.float16).error < 1e-3


@pytest.mark.parametrize("shape", [(600, 700), (700, 150, 2, 2)])
def test_few_vectors_of_many_are_nearly_the_nearest(shape: tuple[int, ...]) -> None:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(2))
    strengths = torch.linalg.svdvals(weight.flatten(1).double()).square()
    found = factors_of(weight, 20, 20, torch.float32)
    nearest = float(strengths[20:].sum() / strengths.sum()) ** 0.5
    assert nearest * (1 - 1e-6) <= found.error < nearest * 1.01
    gained = 1 - found.error**2
    assert gained > 0.9 * (1 - nearest**2)
    assert torch.equal(found.down, factors_of(weight, 20, 20, torch.float32).down)

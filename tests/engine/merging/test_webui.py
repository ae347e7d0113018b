"""AUTOMATIC1111's own merger (dialect webui) against its formulas, written down once more with torch alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.errors import RecipeError
from engine.merging.exact import replay
from engine.merging.output import Output
from engine.merging.write import write_checkpoint
from engine.recipes.recipe import AdjustStep, Filter, MergeStep, Recipe, SelfStep
from engine.supermerger.convert import convert
from tests.engine.merging.golden import full_sha256
from tests.engine.merging.manifest_recipes import folded
from tests.engine.models.in_memory import InMemory
from tests.engine.models.tiny import POSITION_IDS
from tests.engine.models.tiny_families import write_family

UNET = "model.diffusion_model."
EMA = "model_ema.diffusion_modelout0weight"
SHAPES = {
    f"{UNET}input_blocks.0.0.weight": (5, 4, 3, 3),
    f"{UNET}input_blocks.1.1.proj_in.weight": (47, 33),
    f"{UNET}time_embed.0.weight": (11, 7),
    f"{UNET}label_emb.0.0.weight": (9, 5),
    "first_stage_model.decoder.conv_in.bias": (13,),
    "cond_stage_model.model.positional_embedding": (7, 5),
    "conditioner.embedders.1.model.text_projection": (5, 5),
    "conditioner.embedders.1.model.logit_scale": (),
    EMA: (17,),
}
XL_POSITIONS = "conditioner.embedders.0.transformer.text_model.embeddings.position_ids"
State = dict[str, Tensor]


def state(seed: int, dtype: torch.dtype) -> State:
    generator = torch.Generator().manual_seed(seed)
    found = {key: (torch.randn(shape, generator=generator) * 0.7).to(dtype) for key, shape in SHAPES.items()}
    found[f"{UNET}time_embed.0.weight"][0] = -0.0
    positions = torch.arange(77).expand(1, -1)
    return {**found, "betas": torch.linspace(0, 1, 5), POSITION_IDS: positions, XL_POSITIONS: positions}


def merged(a: State, b: State | None, c: State | None, ratio: float, *, half: bool) -> State:
    """What the WebUI's run_modelmerger does, as its formulas say."""

    def halved(tensor: Tensor) -> Tensor:
        return tensor.half() if half and tensor.dtype == torch.float32 else tensor

    if b is None:  # No interpolation
        return {key: halved(tensor) for key, tensor in a.items()}
    total: Callable[[Tensor, Tensor], Tensor] = lambda x, y: ((1 - ratio) * x) + (ratio * y)  # noqa: E731
    if c is not None:
        b = {
            key: (tensor - c[key] if key in c else torch.zeros_like(tensor)) if takes_part(key) else tensor
            for key, tensor in b.items()
        }
        total = lambda x, y: x + (ratio * y)  # noqa: E731
    found = {key: tensor.clone() for key, tensor in a.items()}
    for key, value in a.items():
        if not takes_part(key) or key not in b:
            continue
        if value.ndim == 4 and value.shape[1] > b[key].shape[1]:
            found[key][:, 0:4] = total(value[:, 0:4], b[key])
        else:
            found[key] = total(value, b[key])
        found[key] = halved(found[key])
    return found


def takes_part(key: str) -> bool:
    return "model" in key and key != POSITION_IDS


def replayed(recipe: Recipe, models: Mapping[str, State]) -> State:
    result = replay(recipe, {name: InMemory(model) for name, model in models.items()})
    return {key: result.read(key).clone() for key in result.shapes}


def recipe(step: MergeStep, *, half: bool) -> Recipe:
    return Recipe(steps=(step,), dialect="webui", save="fp16" if half else "computed")


DTYPES = {
    "fp16": (torch.float16, torch.float16, torch.float16),
    "fp32": (torch.float32, torch.float32, torch.float32),
    "bf16": (torch.bfloat16, torch.bfloat16, torch.bfloat16),
    "mixed": (torch.float16, torch.float32, torch.bfloat16),
}
RATIOS = [0.0, 0.3, 0.45, 0.5, 0.55, 1.0]


@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("kind", DTYPES)
def test_a_weighted_sum_is_the_webuis_bit_for_bit(kind: str, ratio: float, half: bool) -> None:
    a, b, _ = (state(seed, dtype) for seed, dtype in enumerate(DTYPES[kind]))
    b = {**b, f"{UNET}only.in.b.weight": torch.ones(3)}
    a = {**a, f"{UNET}only.in.a.weight": torch.full((3,), 0.1)}
    found = replayed(recipe(MergeStep(alpha=ratio), half=half), {"A": a, "B": b})
    assert full_sha256(found) == full_sha256(merged(a, b, None, ratio, half=half))


@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("kind", DTYPES)
def test_add_difference_is_the_webuis_bit_for_bit(kind: str, ratio: float, half: bool) -> None:
    a, b, c = (state(seed, dtype) for seed, dtype in enumerate(DTYPES[kind]))
    del c[EMA]  # zeros stand for B - C there
    step = MergeStep(models=("A", "B", "C"), mode="Add difference", alpha=ratio)
    found = replayed(recipe(step, half=half), {"A": a, "B": b, "C": c})
    assert full_sha256(found) == full_sha256(merged(a, b, c, ratio, half=half))


@pytest.mark.parametrize("half", [True, False])
@pytest.mark.parametrize("kind", DTYPES)
def test_no_interpolation_is_a_to_the_sign_of_its_zeros(kind: str, half: bool) -> None:
    a = state(0, DTYPES[kind][0])
    found = replayed(recipe(MergeStep(models=("A", "A")), half=half), {"A": a})
    assert full_sha256(found) == full_sha256(merged(a, None, None, 0, half=half))


@pytest.mark.parametrize("channels", [9, 8])
@pytest.mark.parametrize("half", [True, False])
def test_inputs_of_inpainting_models_are_merged_as_far_as_they_go(channels: int, half: bool) -> None:
    a, b, c = (state(seed, dtype) for seed, dtype in enumerate(DTYPES["mixed"]))
    a[f"{UNET}input_blocks.0.0.weight"] = torch.randn(5, channels, 3, 3).half()
    step = MergeStep(models=("A", "B", "C"), mode="Add difference", alpha=0.8)
    found = replayed(recipe(step, half=half), {"A": a, "B": b, "C": c})
    assert full_sha256(found) == full_sha256(merged(a, b, c, 0.8, half=half))


def test_a_must_be_the_inpainting_model() -> None:
    a, b = state(0, torch.float16), state(1, torch.float16)
    b[f"{UNET}input_blocks.0.0.weight"] = torch.randn(5, 9, 3, 3).half()
    with pytest.raises(RecipeError, match="B is an inpainting model and A is not: make it A"):
        replayed(recipe(MergeStep(alpha=0.5), half=True), {"A": a, "B": b})


def test_steps_follow_each_other_as_files_of_the_webui_would() -> None:
    a, b, c = (state(seed, torch.float32) for seed in range(3))
    a["model.extra.weight"] = torch.full((3,), 0.1)  # no partner in B and C: it stays float32
    first, second = MergeStep(alpha=0.3), MergeStep(models=("previous", "C"), alpha=0.6)
    chain = Recipe(steps=(first, second), dialect="webui")
    between = merged(a, b, None, 0.3, half=True)
    expected = merged(between, c, None, 0.6, half=True)
    assert full_sha256(replayed(chain, {"A": a, "B": b, "C": c})) == full_sha256(expected)


def test_the_folded_result_agrees_to_rounding() -> None:
    a, b, c = ({key: v for key, v in state(seed, torch.float32).items() if "position" not in key} for seed in range(3))
    step = MergeStep(models=("A", "B", "C"), mode="Add difference", alpha=0.37)
    models = {"A": InMemory(a), "B": InMemory(b), "C": InMemory(c)}
    found = folded(recipe(step, half=False), models, torch.float32)
    for key, wanted in merged(a, b, c, 0.37, half=False).items():
        torch.testing.assert_close(found[key], wanted, rtol=0, atol=2e-6)


@pytest.mark.parametrize("save", ["fp16", "computed"])
def test_a_file_of_computed_dtypes_is_the_webuis_file(
    tmp_path: Path, tiny_a: Path, tiny_b: Path, save: Literal["fp16", "computed"]
) -> None:
    a, b = load_file(tiny_a), {key: half_but_positions(tensor) for key, tensor in load_file(tiny_b).items()}
    save_file(b, tmp_path / "b.safetensors")
    done = Recipe(steps=(MergeStep(alpha=0.45),), dialect="webui", save=save)
    paths = {"A": tiny_a, "B": tmp_path / "b.safetensors"}
    out = write_checkpoint(done, paths, tmp_path / "out.safetensors", output=Output(dtype="computed"), metadata={})
    expected = merged(a, b, None, 0.45, half=save == "fp16")
    assert full_sha256(load_file(out.path)) == full_sha256(expected)
    usual = write_checkpoint(done, paths, tmp_path / "usual.safetensors", metadata={})
    assert load_file(usual.path)[POSITION_IDS].dtype == torch.int64


def test_position_numbers_of_sdxl_become_floats_as_in_the_webui(tmp_path: Path) -> None:
    more = {XL_POSITIONS: torch.arange(77)[None]}
    paths = {name: write_family(tmp_path / f"{name}.safetensors", "sdxl", n, more=more) for n, name in enumerate("AB")}
    done = Recipe(steps=(MergeStep(alpha=0.45),), dialect="webui", family="sdxl")
    out = write_checkpoint(done, paths, tmp_path / "out.safetensors", output=Output(dtype="computed"), metadata={})
    a, b = (load_file(path) for path in paths.values())
    expected = merged(a, b, None, 0.45, half=True)
    assert expected[XL_POSITIONS].dtype == torch.float16
    assert full_sha256(load_file(out.path)) == full_sha256(expected)
    usual = load_file(write_checkpoint(done, paths, tmp_path / "usual.safetensors", metadata={}).path)
    assert usual[XL_POSITIONS].dtype == torch.int64
    assert all(torch.equal(usual[key], tensor) for key, tensor in expected.items() if key != XL_POSITIONS)


def test_a_baked_vae_is_halved_with_the_rest(tmp_path: Path, tiny_a: Path, tiny_b: Path, tiny_b32: Path) -> None:
    out = tmp_path / "out.safetensors"
    key = "first_stage_model.decoder.conv_in.bias"
    saves: dict[Literal["fp16", "computed"], torch.dtype] = {"fp16": torch.float16, "computed": torch.float32}
    for save, dtype in saves.items():
        done = Recipe(steps=(MergeStep(alpha=0.45),), dialect="webui", save=save)
        output = Output(dtype="computed", vae=tiny_b32)
        write_checkpoint(done, {"A": tiny_a, "B": tiny_b}, out, output=output, metadata={}, overwrite=True)
        assert torch.equal(load_file(out)[key], load_file(tiny_b32)[key].to(dtype))
        assert load_file(out)[key].dtype == dtype


def half_but_positions(tensor: Tensor) -> Tensor:
    return tensor.half() if tensor.is_floating_point() else tensor


@pytest.mark.parametrize(
    "step",
    [
        MergeStep(alpha=(0.5,) * 26),
        MergeStep(alpha=0.5, elemental="OUT05:attn1:0.3"),
        MergeStep(alpha=0.5, calculation="cosineA"),
        MergeStep(alpha=0.5, filter=Filter(kind="include", blocks=("BASE",))),
        MergeStep(models=("A", "B", "C"), mode="Triple sum", alpha=0.5),
        SelfStep(factors=()),
        AdjustStep(values=(0,) * 8),
    ],
)
def test_what_the_webui_cannot_do_is_refused(step: MergeStep | SelfStep | AdjustStep) -> None:
    with pytest.raises(RecipeError, match=r"AUTOMATIC1111's own merger \(dialect webui\) cannot do this step"):
        Recipe(steps=(step,), dialect="webui")


def test_it_is_translated_to_supermerger_with_what_would_differ() -> None:
    done = convert(recipe(MergeStep(alpha=0.3), half=True), "classic")
    assert done.recipe.dialect == "classic"
    assert done.recipe.steps == (MergeStep(alpha=0.3),)
    assert done.differences == ()

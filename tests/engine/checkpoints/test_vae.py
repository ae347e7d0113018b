"""A VAE of choice: files of every kind, models without one, changes in place, and what is refused."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from engine.architecture.widths import VAE
from engine.checkpoints.vae import read_whole_vae, vae_levels
from engine.engine import Engine
from engine.errors import CheckpointError, EngineError, RenderError
from engine.recipes.recipe import Recipe
from engine.shots.shot import Shot
from tests.engine.models.tiny import modules, tensors
from tests.engine.models.tiny_families import TINY_SDXL
from tests.engine.models.tiny_models import NARROWEST

SHOT = Shot(prompt="a cat", seed=1, width=64, height=64, steps=1, cfg=2.0)
HALF = Recipe.flat(0.5, base=0.5)
FIRST = f"{VAE}decoder.conv_in.weight"


def of_vae(content: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: value for key, value in content.items() if key.startswith(VAE)}


def bare(content: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key.removeprefix(VAE): value for key, value in of_vae(content).items()}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models with a VAE (a, b), without (a-, b-), with another one baked in (a+, b+), and that other as files."""
    folder = tmp_path_factory.mktemp("vae")
    other = tensors(modules(NARROWEST, 3))
    for name, seed in (("a", 1), ("b", 2)):
        content = tensors(modules(NARROWEST, seed))
        save_file(content, folder / f"{name}.safetensors")
        without = {key: value for key, value in content.items() if not key.startswith(VAE)}
        save_file(without, folder / f"{name}-.safetensors")
        save_file(without | of_vae(other), folder / f"{name}+.safetensors")
    save_file(other, folder / "checkpoint.safetensors")
    save_file(bare(other), folder / "bare.safetensors")
    training = {"loss.logvar": torch.zeros(1), "model_ema.decay": torch.zeros(1)}
    torch.save({"state_dict": bare(other) | training}, folder / "pickle.vae.pt")
    matrices = {key: value[..., 0, 0] if "attn_1" in key and value.ndim == 4 else value for key, value in other.items()}
    save_file({key: value.contiguous() for key, value in bare(matrices).items()}, folder / "matrices.safetensors")
    return folder


def pair(files: Path, kind: str = "") -> dict[str, Path]:
    return {"A": files / f"a{kind}.safetensors", "B": files / f"b{kind}.safetensors"}


@pytest.fixture(scope="module")
def opened(files: Path) -> Iterator[Engine]:
    """A and B with the VAEs they have."""
    with Engine.open(pair(files), device="cpu") as engine:
        yield engine


@pytest.fixture
def engine(opened: Engine) -> Engine:
    opened.use_vae(None)
    opened.build(HALF)
    return opened


def live_vae(engine: Engine) -> dict[str, Tensor]:
    weights = engine.weights
    return {key: weights.read(key) for key in weights.keys if key.startswith(VAE)}


def addresses(engine: Engine) -> list[int]:
    return [value.data_ptr() for part in engine.weights.live.modules.values() for value in part.parameters()]


# ---------------------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize(
    "name", ["bare.safetensors", "checkpoint.safetensors", "pickle.vae.pt", "matrices.safetensors"]
)
def test_files_of_every_kind_are_one_vae(files: Path, name: str) -> None:
    found, wanted = read_whole_vae(files / name), of_vae(load_file(files / "checkpoint.safetensors"))
    assert found.keys() == wanted.keys()
    assert all(torch.equal(found[key].flatten(), wanted[key].float().flatten()) for key in wanted)
    assert all(value.dtype == torch.float32 for value in found.values())
    assert vae_levels(found) == NARROWEST.vae


def without_first(content: dict[str, Tensor]) -> dict[str, Tensor]:
    del content["decoder.conv_in.weight"], content["quant_conv.bias"]
    return content


def with_nan(content: dict[str, Tensor]) -> dict[str, Tensor]:
    content["decoder.conv_in.weight"][0, 0, 0, 0] = torch.nan
    return content


def with_channels(content: dict[str, Tensor]) -> dict[str, Tensor]:
    del content["quant_conv.weight"], content["quant_conv.bias"]  # FLUX has none
    return content | {"decoder.conv_in.weight": torch.zeros(32, 16, 3, 3)}


BROKEN = {
    "missing": (
        without_first,
        f"2 tensors missing: {FIRST}, {VAE}quant_conv.bias; take a whole VAE",
    ),
    "shape": (
        lambda content: content | {"decoder.conv_in.weight": torch.zeros(64, 4, 3, 3)},
        rf"1 tensor with other shapes: {FIRST} \({FIRST} is \(64, 4, 3, 3\), \(32, 4, 3, 3\) is needed\)",
    ),
    "more": (
        lambda content: content | {"decoder.up.0.block.3.conv1.bias": torch.zeros(32)},
        rf"1 tensor without a place in such a VAE: {VAE}decoder\.up\.0\.block\.3",
    ),
    "NaN": (with_nan, f"NaN or infinite weights in 1 tensor of this VAE: {FIRST}"),
    "FLUX": (with_channels, "latents of 16 channels as SD3 and FLUX have them, and SD1, SD2 and SDXL have 4"),
    "diffusers": (
        lambda content: content | {"decoder.up_blocks.0.resnets.0.conv1.bias": torch.zeros(32)},
        "is a VAE in diffusers' names",
    ),
    "none": (lambda content: {"lora_up.weight": torch.zeros(2)}, "has no VAE in it"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_what_cannot_decode_is_refused_by_name_and_changes_nothing(
    files: Path, tmp_path: Path, engine: Engine, kind: str
) -> None:
    damage, said = BROKEN[kind]
    path = tmp_path / "odd.safetensors"
    save_file(damage(load_file(files / "bare.safetensors")), path)
    before = {key: value.clone() for key, value in live_vae(engine).items()}
    with pytest.raises(CheckpointError, match=said) as caught:
        engine.use_vae(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert all(torch.equal(value, before[key]) for key, value in live_vae(engine).items())


def test_a_vae_that_cannot_decode_opens_no_engine(files: Path) -> None:
    with pytest.raises(CheckpointError, match=r"bare\.pt: cannot be read"):
        Engine.open(pair(files, "-"), device="cpu", vae=files / "bare.pt")


def test_a_vae_of_other_widths_is_refused(files: Path, tmp_path: Path, engine: Engine) -> None:
    wide = tensors(modules(type(NARROWEST)(unet=NARROWEST.unet, vae=TINY_SDXL.vae, text_layers=0, vocabulary=2), 1))
    save_file(bare(wide), tmp_path / "wide.safetensors")
    with pytest.raises(
        CheckpointError, match=r"4 tensors without a place in such a VAE: .*, and \d+ tensors with other"
    ):
        engine.use_vae(tmp_path / "wide.safetensors")


# ------------------------------------------------------------------------------------------------------- pictures


def test_a_chosen_vae_decodes_as_if_it_were_baked_in(files: Path, engine: Engine) -> None:
    with Engine.open(pair(files, "+"), device="cpu") as baked:
        baked.build(HALF)
        wanted = baked.render([SHOT])
    merged = engine.render([SHOT])
    for kind in ("", "-"):
        with Engine.open(pair(files, kind), device="cpu", vae=files / "bare.safetensors", precision="fp32") as chosen:
            chosen.build(HALF)
            assert torch.equal(chosen.render([SHOT]), wanted)
    engine.use_vae(files / "pickle.vae.pt")
    assert torch.equal(engine.render([SHOT]), wanted)
    assert not torch.allclose(merged, wanted, atol=1e-3)


def test_models_without_a_vae_need_a_file(files: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        Engine.open(pair(files, "-"), device="cpu")
    assert [problem.place[0] for problem in caught.value.problems] == ["A", "B"]
    for problem in caught.value.problems:
        assert f"lacks 248 tensors: {VAE}" in problem.what
        assert problem.remedy == (
            "give a VAE file (option --vae, or vae under [render]), or use a version of it with its VAE inside"
        )


@pytest.mark.parametrize("lacking", ["A", "B"])
def test_there_is_no_merged_vae_where_a_model_has_none(files: Path, lacking: str) -> None:
    models = pair(files) | {lacking: pair(files, "-")[lacking]}
    with Engine.open(models, device="cpu", vae=files / "bare.safetensors") as engine:
        engine.build(HALF)
        before = engine.render([SHOT])
        with pytest.raises(CheckpointError, match=f"there is no VAE in {lacking}, so none can be merged"):
            engine.use_vae(None)
        assert torch.equal(engine.render([SHOT]), before)


def test_the_vae_is_single_precision_whatever_the_model_is(files: Path) -> None:
    with Engine.open(pair(files, "-"), device="cpu", precision="bf16", vae=files / "bare.safetensors") as engine:
        assert {value.dtype for value in live_vae(engine).values()} == {torch.float32}
        assert engine.weights.live.unet.dtype == torch.bfloat16


# ------------------------------------------------------------------------------------------------------- in place


def test_it_changes_in_place_and_no_build_touches_it(files: Path, engine: Engine) -> None:
    places, merged = addresses(engine), engine.render([SHOT])
    engine.use_vae(files / "bare.safetensors")
    chosen = {key: value.clone() for key, value in live_vae(engine).items()}
    assert engine.build(Recipe.flat(0.9, base=0.1)).elements == sum(
        value.numel() for key, value in all_live(engine).items() if not key.startswith(VAE) and not is_copied(key)
    )
    engine.build(HALF)
    assert all(torch.equal(value, chosen[key]) for key, value in live_vae(engine).items())
    engine.use_vae(None)
    assert torch.equal(engine.render([SHOT]), merged)
    assert engine.build(HALF).elements == 0
    assert addresses(engine) == places


def all_live(engine: Engine) -> dict[str, Tensor]:
    weights = engine.weights
    return {key: weights.read(key) for key in weights.keys}


def is_copied(key: str) -> bool:
    """What takes no part in merges stays the first model's."""
    return "model" not in key or not ("weight" in key or "bias" in key)


def test_the_merged_vae_comes_back_for_the_recipe_of_the_hour(files: Path, engine: Engine) -> None:
    wanted: list[Tensor] = []
    for recipe in (HALF, Recipe.flat(0.2, base=1.0)):
        engine.build(recipe)
        wanted.append(engine.render([SHOT]))
    with Engine.open(pair(files), device="cpu", vae=files / "bare.safetensors") as chosen:
        chosen.build(HALF)
        chosen.build(Recipe.flat(0.2, base=1.0))
        chosen.use_vae(None)
        assert torch.equal(chosen.render([SHOT]), wanted[1])
        chosen.build(HALF)
        assert torch.equal(chosen.render([SHOT]), wanted[0])


def test_a_vae_may_be_chosen_before_the_first_build(files: Path, engine: Engine) -> None:
    engine.use_vae(files / "bare.safetensors")
    wanted = engine.render([SHOT])
    with Engine.open(pair(files), device="cpu") as fresh:
        for path in (files / "bare.safetensors", None, files / "checkpoint.safetensors"):
            fresh.use_vae(path)
        fresh.build(HALF)
        assert torch.equal(fresh.render([SHOT]), wanted)


def cut_off(*_: object) -> dict[str, Tensor]:
    """A VAE after whose first tensor somebody presses Ctrl+C."""

    class Interrupted(dict[str, Tensor]):
        def __getitem__(self, key: str) -> Tensor:
            if len(asked) == 1:
                raise KeyboardInterrupt
            asked.append(key)
            return torch.ones_like(super().__getitem__(key))

    asked: list[str] = []
    return Interrupted(of_vae(tensors(modules(NARROWEST, 4))))


@pytest.mark.parametrize("before", ["bare", None])
def test_a_vae_of_two_parts_is_never_rendered_with(
    files: Path, engine: Engine, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    """Not after the next build either, which leaves a chosen VAE alone."""
    path = files / f"{before}.safetensors" if before else None
    engine.use_vae(path)
    wanted = engine.render([SHOT])
    with monkeypatch.context() as patch:
        patch.setattr("engine.engine.read_whole_vae", cut_off)
        with pytest.raises(KeyboardInterrupt):
            engine.use_vae(files / "checkpoint.safetensors")
    engine.build(Recipe.flat(0.3, base=0.5))
    engine.build(HALF)
    with pytest.raises(RenderError, match="the change to another VAE was cut short; call use_vae again"):
        engine.render([SHOT])
    engine.use_vae(path)
    assert torch.equal(engine.render([SHOT]), wanted)


def test_a_merged_vae_whose_files_are_gone_is_not_rendered_with(files: Path, tmp_path: Path) -> None:
    models = {name: Path(shutil.copy(path, tmp_path)) for name, path in pair(files).items()}
    with Engine.open(models, device="cpu", vae=files / "bare.safetensors") as engine:
        engine.build(HALF)
        wanted = engine.render([SHOT])
        for path in models.values():
            path.write_bytes(b"")
        with pytest.raises(CheckpointError):
            engine.use_vae(None)
        with pytest.raises(RenderError, match="the change to another VAE was cut short"):
            engine.render([SHOT])
        engine.use_vae(files / "bare.safetensors")
        assert torch.equal(engine.render([SHOT]), wanted)


def test_a_closed_engine_changes_nothing(files: Path) -> None:
    engine = Engine.open(pair(files), device="cpu")
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.use_vae(None)

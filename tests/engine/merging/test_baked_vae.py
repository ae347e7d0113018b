"""A VAE from another file: baked in, added, refused where it does not fit; no pickle runs code."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.errors import CheckpointError
from engine.merging.evaluate import DTYPES
from engine.merging.output import ArithmeticName, Output
from engine.merging.write import write_checkpoint
from engine.recipes.recipe import AdjustStep, MergeStep, Recipe

RECIPE = Recipe(
    steps=(
        MergeStep(alpha=tuple((0.37 + 0.31 * n) % 1.3 - 0.1 for n in range(26))),
        AdjustStep(values=(1, -2, 1.5, -3, 0.5, 2, -1, 0.25)),
    )
)


@pytest.fixture
def parents(tiny_a: Path, tiny_b: Path) -> dict[str, Path]:
    """A and B."""
    return {"A": tiny_a, "B": tiny_b}


@pytest.mark.parametrize("arithmetic", ["exact", "folded"])
@pytest.mark.parametrize("dtype", ["fp16", "fp32"])
def test_a_vae_is_added_where_the_models_have_none(
    tmp_path: Path, parents: dict[str, Path], arithmetic: ArithmeticName, dtype: str
) -> None:
    vae = {key: value for key, value in load_file(parents["B"]).items() if key.startswith("first_stage_model.")}
    save_file({**vae, "first_stage_model.loss.logvar": torch.zeros(1)}, tmp_path / "vae.safetensors")
    bare = {name: tmp_path / f"bare{name}.safetensors" for name in parents}
    for name, path in parents.items():
        save_file({key: value for key, value in load_file(path).items() if key not in vae}, bare[name])
    output = Output(dtype=dtype, arithmetic=arithmetic, vae=tmp_path / "vae.safetensors")
    found = load_file(write_checkpoint(RECIPE, bare, tmp_path / "out.safetensors", output=output, metadata={}).path)
    assert {key for key in found if key.startswith("first_stage_model.")} == set(vae)
    assert all(torch.equal(found[key], value.to(DTYPES[dtype])) for key, value in vae.items())


@pytest.mark.parametrize("kind", ["bare", "checkpoint", "pickle"])
def test_a_vae_is_baked_in(tmp_path: Path, parents: dict[str, Path], kind: str) -> None:
    prefix = "first_stage_model."
    other = {key: value * 2 for key, value in load_file(parents["B"]).items() if key.startswith(prefix)}
    bare = {key.removeprefix(prefix): value for key, value in other.items()}
    path = tmp_path / ("vae.pt" if kind == "pickle" else "vae.safetensors")
    if kind == "pickle":
        torch.save({"state_dict": bare | {"loss.logvar": torch.zeros(1)}}, path)
    else:
        save_file(bare if kind == "bare" else other, path)
    out = write_checkpoint(RECIPE, parents, tmp_path / "out.safetensors", output=Output(vae=path), metadata={}).path
    plain = write_checkpoint(RECIPE, parents, tmp_path / "plain.safetensors", metadata={}).path
    found, without = load_file(out), load_file(plain)
    assert all(torch.equal(found[key], value) for key, value in other.items())
    assert all(torch.equal(found[key], value) for key, value in without.items() if not key.startswith(prefix))


def test_a_vae_that_does_not_fit_is_refused(tmp_path: Path, parents: dict[str, Path]) -> None:
    out = tmp_path / "out.safetensors"
    for content, message in (
        ({"decoder.conv_in.bias": torch.zeros(7)}, "1 tensor of this VAE with other shapes"),
        ({"decoder.nothing.bias": torch.zeros(7)}, "has no tensor that this checkpoint's VAE has"),
        ({"lora_up.weight": torch.zeros(7)}, "has no VAE in it"),
        (
            {"decoder.conv_in.bias": torch.zeros(64), "decoder.up_blocks.0.resnets.0.conv1.bias": torch.zeros(64)},
            "is a VAE in diffusers' names",
        ),
    ):
        save_file(content, tmp_path / "vae.safetensors")
        output = Output(vae=tmp_path / "vae.safetensors")
        with pytest.raises(CheckpointError, match=message):
            write_checkpoint(RECIPE, parents, out, output=output, metadata={})
    (tmp_path / "vae.pt").write_bytes(b"no pickle")
    torch.save({"state_dict": torch.zeros(7)}, tmp_path / "odd.pt")
    raw = (tmp_path / "vae.safetensors").read_bytes()
    (tmp_path / "odd.safetensors").write_bytes(raw.replace(b'"shape":[64]', b'"shape":[65]'))
    for name, message in (
        ("vae.pt", "something else than plain tensors"),
        ("odd.pt", "has no VAE in it"),
        ("odd.safetensors", "cannot be opened"),
        ("none.pt", "cannot be read"),
        ("none.safetensors", "no such file"),
    ):
        with pytest.raises(CheckpointError, match=message):
            write_checkpoint(RECIPE, parents, out, output=Output(vae=tmp_path / name), metadata={})
    assert not out.exists()
    out.write_text("mine")
    output = Output(vae=tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match="no such file"):
        write_checkpoint(RECIPE, parents, out, output=output, metadata={}, overwrite=True)
    assert out.read_text() == "mine"


def test_code_in_a_pickle_does_not_run(tmp_path: Path, parents: dict[str, Path]) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "trapped",))

    torch.save({"state_dict": {"decoder.conv_in.bias": Trap()}}, tmp_path / "vae.pt")
    with pytest.raises(CheckpointError, match="something else than plain tensors"):
        write_checkpoint(
            RECIPE, parents, tmp_path / "o.safetensors", output=Output(vae=tmp_path / "vae.pt"), metadata={}
        )
    assert not (tmp_path / "trapped").exists()

"""The encoder: local files only, nothing random, nothing unsafe, no picture depends on another."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from scorers.encoders.encoder import Encoder
from scorers.encoders.files import read_config
from scorers.encoders.layouts import Origin
from scorers.encoders.weights_file import WeightsFile
from scorers.errors import ScorerError, ScorerWarning
from tests.scorers.tiny_encoders import embedded, transformers_clip

Files = tuple[Path, Path]


@pytest.fixture
def images_of_noise() -> Tensor:
    """Two pictures."""
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def test_embeddings_are_unit_and_free_of_batch_and_order(encoder: Encoder, paint: Callable[..., Tensor]) -> None:
    images = paint(1, 12, 0.5).repeat(2, 1, 1, 1)[:20]
    together = embedded(encoder, images)
    alone = torch.cat([embedded(encoder, image[None]) for image in images])
    assert together.norm(dim=1) == pytest.approx(1, abs=1e-5)
    assert (together - alone).abs().max() < 2e-6
    assert (embedded(encoder, images.flip(0)).flip(0) - together).abs().max() < 2e-6


def test_weights_are_those_of_the_file(clip_files: Files, encoder: Encoder, tmp_path: Path) -> None:
    state = load_file(clip_files[1])
    plain, wrapped = tmp_path / "plain.pt", tmp_path / "wrapped.pth"
    torch.save(state, plain)
    torch.save({"state_dict": {f"module.{key}": value for key, value in state.items()}, "epoch": 3}, wrapped)
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    for path in (plain, wrapped):
        assert torch.equal(embedded(Encoder.open(clip_files[0], path), images), embedded(encoder, images))


def test_opening_moves_no_seed(clip_files: Files) -> None:
    torch.manual_seed(7)
    wanted = torch.rand(3)
    torch.manual_seed(7)
    Encoder.open(*clip_files)
    assert torch.equal(torch.rand(3), wanted)


def refused(config: str | Path, weights: Path) -> str:
    """The message with which a pair of files is refused."""
    with pytest.raises(ScorerError) as caught:
        Encoder.open(config, weights)
    return str(caught.value)


def test_missing_files_and_unknown_names_are_named(clip_files: Files, tmp_path: Path) -> None:
    assert "no such weights file" in refused(clip_files[0], tmp_path / "gone.safetensors")
    assert "a folder" in refused(clip_files[0], tmp_path)
    assert "no such encoder config" in refused(tmp_path / "gone.json", clip_files[1])
    assert "did you mean ViT-L-1" in refused("ViT-L-41", clip_files[1])


def test_config_that_is_none_is_refused(clip_files: Files, tmp_path: Path) -> None:
    broken, other = tmp_path / "broken.json", tmp_path / "other.json"
    broken.write_text("{")
    other.write_text("[1, 2]")
    assert "not a JSON" in refused(broken, clip_files[1])
    assert "lacks embed_dim, vision_cfg, text_cfg" in refused(other, clip_files[1])


def test_published_preprocessing_is_used(clip_config: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "published.json"
    given = {"mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "resize_mode": "squash"}
    path.write_text(json.dumps({"model_cfg": clip_config, "preprocess_cfg": given}))
    assert {key: read_config(path).preprocess[key] for key in given} == given
    siglip = read_config("ViT-SO400M-14-SigLIP-384").preprocess
    assert (siglip["mean"], siglip["resize_mode"]) == ([0.5, 0.5, 0.5], "squash")


def test_other_architecture_is_refused_with_the_first_keys(
    clip_files: Files, clip_config: dict[str, Any], tmp_path: Path
) -> None:
    clip_config["vision_cfg"] |= {"layers": 3, "width": 64}
    config = tmp_path / "smaller.json"
    config.write_text(json.dumps(clip_config))
    message = refused(config, clip_files[1])
    assert "12 not of this architecture: visual.transformer.resblocks.3." in message
    assert "of another shape: visual.class_embedding (96,) instead of (64,)" in message
    clip_config["vision_cfg"]["layers"] = 5
    config.write_text(json.dumps(clip_config))
    assert "missing: visual.transformer.resblocks.4." in refused(config, clip_files[1])


def test_damaged_weights_are_refused(clip_files: Files, tmp_path: Path) -> None:
    cut, renamed, poisoned = (tmp_path / f"{name}.safetensors" for name in ("cut", "renamed", "poisoned"))
    cut.write_bytes(clip_files[1].read_bytes()[:100_000])
    state = load_file(clip_files[1])
    torch.save(state, renamed)
    state["ln_final.weight"][3] = float("nan")
    save_file(state, poisoned)
    assert "not a whole safetensors file" in refused(clip_files[0], cut)
    assert "a pickle" in refused(clip_files[0], renamed)
    assert "NaN or infinite numbers: ln_final.weight" in refused(clip_files[0], poisoned)


class Running:
    """Something that would make a file when it is read from a pickle."""

    def __init__(self, made: Path) -> None:
        self.made = made

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.made,)


def test_pickles_with_more_than_tensors_are_not_run(clip_files: Files, tmp_path: Path) -> None:
    unsafe, empty, odd = tmp_path / "unsafe.pt", tmp_path / "empty.pt", tmp_path / "weights.onnx"
    torch.save({"state_dict": load_file(clip_files[1]), "args": Running(tmp_path / "ran")}, unsafe)
    empty.write_bytes(b"")
    odd.write_bytes(b"x")
    assert "not a file of plain tensors" in refused(clip_files[0], unsafe)
    assert not (tmp_path / "ran").exists()
    assert "not a file of plain tensors" in refused(clip_files[0], empty)
    torch.save({"epoch": 3}, empty)
    assert "not a table of tensors" in refused(clip_files[0], empty)
    assert "must be .safetensors" in refused(clip_files[0], odd)


def test_long_prompts_are_cut_with_one_warning(encoder: Encoder) -> None:
    fits, long = " ".join(["cat"] * 75), " ".join(["cat"] * 76)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.embed_texts([fits])
    with pytest.warns(ScorerWarning, match="prompt of 76 tokens, the encoder reads the first 75"):
        encoder.embed_texts([long])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoder.embed_texts([long])


def test_weights_are_the_same_however_often_their_file_is_opened(
    clip_files: Files, encoder: Encoder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("scorers.encoders.weights_file.PIECE", 100_000)
    torch.save(load_file(clip_files[1]), tmp_path / "weights.pt")
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    for path in (clip_files[1], tmp_path / "weights.pt"):
        again = Encoder.open(clip_files[0], path)
        assert torch.equal(embedded(again, images), embedded(encoder, images))
        assert torch.equal(again.embed_texts(["a cat"]), encoder.embed_texts(["a cat"]))


def test_a_file_that_is_replaced_while_it_is_read_is_refused(
    clip_files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other = tmp_path / "weights.safetensors", tmp_path / "other.safetensors"
    shutil.copy(clip_files[1], path)
    save_file({key: value + 1 for key, value in load_file(path).items()}, other)
    file = WeightsFile(path)
    first, second = (Origin(names=(name,)) for name in ("token_embedding.weight", "visual.proj"))
    monkeypatch.setattr("scorers.encoders.weights_file.PIECE", 1000)
    file.take(first)
    other.replace(path)
    with pytest.raises(ScorerError, match="was replaced while it was read"):
        file.take(second)


def test_parts_that_cannot_be_joined_are_refused(tmp_path: Path, clip_config: dict[str, Any]) -> None:
    state = dict(transformers_clip(clip_config).state_dict())
    name = "vision_model.encoder.layers.0.self_attn.k_proj.weight"
    state[name] = state[name][:, :-1].contiguous()
    config, path = tmp_path / "tiny.json", tmp_path / "odd.safetensors"
    config.write_text(json.dumps(clip_config))
    save_file({key: value.contiguous() for key, value in state.items()}, path)
    assert "its tensors do not fit together" in refused(config, path)


@pytest.mark.parametrize(("precision", "apart"), [("fp16", 2e-3), ("bf16", 2e-2)])
def test_half_precision_is_near_and_another_version(
    clip_files: Files, encoder: Encoder, paint: Callable[..., Tensor], precision: str, apart: float
) -> None:
    half = Encoder.open(*clip_files, precision=precision)
    images = paint(1, 6, 0.5)
    difference = (embedded(half, images) - embedded(encoder, images)).norm(dim=1).max()
    assert 1e-5 < difference < apart
    assert (half.embed_texts(["a cat"]) - encoder.embed_texts(["a cat"])).norm() < apart
    assert embedded(half, images).dtype == torch.float32
    assert half.version != encoder.version
    assert half.logit_scale == encoder.logit_scale
    assert sum(p.nbytes for p in half._visual.parameters()) * 2 == sum(p.nbytes for p in encoder._visual.parameters())


def test_numbers_too_large_for_half_precision_are_named(
    clip_files: Files, images_of_noise: Tensor, tmp_path: Path
) -> None:
    for name, sentence in (("conv1", "too large ones for half precision"), ("ln_pre", "not finite in fp16")):
        factor = 1e7 if name == "conv1" else 5e4
        path = tmp_path / f"{name}.safetensors"
        state = load_file(clip_files[1])
        state[f"visual.{name}.weight"] *= factor
        save_file(state, path)
        assert embedded(Encoder.open(clip_files[0], path), images_of_noise).isfinite().all()
        with pytest.raises(ScorerError, match=sentence):
            embedded(Encoder.open(clip_files[0], path, precision="fp16"), images_of_noise)

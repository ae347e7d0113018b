from __future__ import annotations

import hashlib
import json
import os
import pickle
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from engine.architecture.keymap import unused
from engine.architecture.layout import Widths, shapes
from engine.checkpoints.checkpoint import check_finite, check_pair, file_sha256, open_checkpoint, open_complete
from engine.errors import CheckpointError
from tests.engine.models.tiny import POSITION_IDS, TINY, write_tiny
from tests.engine.models.tiny_families import TINY_SD2, TINY_SDXL

UNET_KEY = "model.diffusion_model.input_blocks.0.0.weight"


def save(path: Path, content: dict[str, Tensor]) -> Path:
    save_file(content, path)
    return path


def hollow(changed: dict[str, Tensor] | None = None, *, widths: Widths = TINY) -> dict[str, Tensor]:
    """Right names and shapes with zeros inside."""
    zeros = {key: torch.zeros(shape, dtype=torch.float16) for key, shape in shapes(widths).items()}
    return zeros | (changed or {})


def test_a_tiny_file_opens(tiny_a: Path) -> None:
    checkpoint = open_checkpoint(tiny_a)
    assert checkpoint.family == "sd1"
    assert checkpoint.widths == TINY
    assert checkpoint.metadata == {"format": "pt"}
    assert checkpoint.tensors[UNET_KEY].shape == (32, 4, 3, 3)
    assert checkpoint.tensors[UNET_KEY].dtype == "F16"
    assert checkpoint.read(UNET_KEY).dtype == torch.float16
    assert checkpoint.read(POSITION_IDS).tolist() == [list(range(77))]


def test_a_full_size_header_opens(tmp_path: Path) -> None:
    """Only the header is real; the data is a hole in the file."""
    path, offset, content = tmp_path / "full.safetensors", 0, dict[str, object]()
    for key, shape in shapes(Widths()).items():
        end = offset + 2 * torch.Size(shape).numel()
        content[key] = {"dtype": "F16", "shape": shape, "data_offsets": [offset, end]}
        offset = end
    raw = json.dumps(content).encode()
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(raw)) + raw)
        file.truncate(8 + len(raw) + offset)
    assert open_checkpoint(path).widths == Widths()


def test_old_text_names_are_known(tmp_path: Path, tiny_a: Path) -> None:
    original = open_checkpoint(tiny_a)
    new, old = "cond_stage_model.transformer.text_model.", "cond_stage_model.transformer."
    path = save(tmp_path / "old.safetensors", {key.replace(new, old): original.read(key) for key in original.tensors})
    checkpoint = open_checkpoint(path)
    key = f"{new}final_layer_norm.weight"
    assert checkpoint.stored_name(key) == f"{old}final_layer_norm.weight"
    assert torch.equal(checkpoint.read(key), original.read(key))
    check_pair(original, checkpoint)


class _Pickled:
    pass


HEADERS = {
    "wrong header": b'{"a":{"dtype":"F16"}}',
    "endless shape": b'{"a":{"dtype":"F16","shape":[1e400],"data_offsets":[0,0]}}',
    "half a shape": b'{"a":{"dtype":"F16","shape":[1.5],"data_offsets":[0,0]}}',
    "endless data": b'{"a":{"dtype":"F16","shape":[1],"data_offsets":[0,1e400]}}',
    "deep header": b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "list": b"{}"[:1] + b'"a":[]}',
    "half a letter": b'{"\xed\xa0\x80":1}',
}


def bad_file(kind: str, folder: Path, tiny: Path) -> Path:
    path = folder / "bad.safetensors"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "cut":
        path.write_bytes(tiny.read_bytes()[:-1000])
    elif kind == "cut header":
        path.write_bytes(tiny.read_bytes()[:1000])
    elif kind == "zip pickle":
        torch.save({"state_dict": {}}, path)
    elif kind == "raw pickle":
        path.write_bytes(pickle.dumps({"state_dict": [1] * 100}))
    elif kind == "damaged":
        path.write_bytes(struct.pack("<Q", 10) + b"{" + b"x" * 30)
    elif kind in HEADERS:
        raw = HEADERS[kind]
        path.write_bytes(struct.pack("<Q", len(raw)) + raw)
    elif kind != "missing":
        path.write_bytes(
            {"page": b"<!DOCTYPE html>...", "lfs": b"version https://git-lfs.github.com", "empty": b""}.get(
                kind, b"x" * 99
            )
        )
    return path


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("missing", "there is no such file"),
        ("folder", "this is a folder"),
        ("cut", r"cut short: the header speaks of [\d,]+ bytes, the file has [\d,]+"),
        ("cut header", "cut short: the header speaks of at least"),
        ("zip pickle", "this is a PyTorch pickle .* convert it"),
        ("raw pickle", "this is a PyTorch pickle .* convert it"),
        ("damaged", "the safetensors header is damaged"),
        *((kind, "the safetensors header is damaged") for kind in HEADERS),
        ("pipe", "this is a pipe, not a file"),
        ("page", "this is a web page"),
        ("lfs", "Git LFS pointer"),
        ("empty", "the file has only 0 bytes"),
        ("other", "this is not a safetensors file .it begins with"),
    ],
)
def test_what_is_no_checkpoint_is_said(tmp_path: Path, tiny_a: Path, kind: str, message: str) -> None:
    path = bad_file(kind, tmp_path, tiny_a)
    with pytest.raises(CheckpointError, match=message) as caught:
        open_checkpoint(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("key", "name"),
    [
        ("model.diffusion_model.joint_blocks.0.x_block.attn.qkv.weight", "an SD3 checkpoint"),
        ("model.diffusion_model.double_blocks.0.img_attn.qkv.weight", "a FLUX checkpoint"),
        ("lora_unet_down_blocks_0.lora_down.weight", "a LoRA"),
        ("down_blocks.0.resnets.0.conv1.weight", "a model in the diffusers layout"),
        ("decoder.up.0.block.0.conv1.weight", "a VAE alone"),
        ("something.weight", "no Stable Diffusion checkpoint that is known"),
    ],
)
def test_other_architectures_are_named(tmp_path: Path, key: str, name: str) -> None:
    with pytest.raises(CheckpointError, match=f"this is {name}"):
        open_complete(save(tmp_path / "other.safetensors", {key: torch.zeros(2, 2)}))


def test_an_inpainting_model_opens_for_merging_and_not_for_rendering(tmp_path: Path) -> None:
    content = hollow({UNET_KEY: torch.zeros(32, 9, 3, 3, dtype=torch.float16)})
    path = save(tmp_path / "inpaint.safetensors", content)
    assert open_checkpoint(path).widths.inputs == 9
    with pytest.raises(CheckpointError, match=r"reads 9 channels \(inpainting\).* no pictures can be made"):
        open_complete(path)


@pytest.mark.parametrize("widths", [TINY_SD2, TINY_SDXL], ids=["sd2", "sdxl"])
def test_other_families_open_and_need_not_hold_what_nothing_reads(tmp_path: Path, widths: Widths) -> None:
    whole = hollow(widths=widths)
    lean = {key: value for key, value in whole.items() if key not in unused(widths)}
    opened = [open_complete(save(tmp_path / f"{len(content)}.safetensors", content)) for content in (whole, lean)]
    assert [checkpoint.widths for checkpoint in opened] == [widths, widths]
    check_pair(*opened)
    assert opened[0].family == widths.family


def test_a_missing_encoder_of_sdxl_is_named(tmp_path: Path) -> None:
    whole = hollow(widths=TINY_SDXL)
    content = {key: value for key, value in whole.items() if not key.startswith("conditioner.embedders.1.")}
    with pytest.raises(CheckpointError, match=r"it lacks 389 tensors: .*with its text encoder inside"):
        open_complete(save(tmp_path / "half.safetensors", content))


@pytest.mark.parametrize(
    ("part", "count", "advice"),
    [
        ("first_stage_model.", 248, "with its VAE inside"),
        ("cond_stage_model.", 196, "with its text encoder inside"),
        ("output_blocks.7.", 38, "use a complete file"),
    ],
)
def test_missing_tensors_are_counted_and_named(tmp_path: Path, part: str, count: int, advice: str) -> None:
    """Without a part its widths are unknown too, so SD1.5's are named."""
    path = save(tmp_path / "part.safetensors", {key: value for key, value in hollow().items() if part not in key})
    with pytest.raises(CheckpointError, match=rf"it lacks {count} tensors: .* and {count - 5} more; .*{advice}"):
        open_complete(path)
    assert open_checkpoint(path).family == "sd1", "what is missing does not keep it from being merged"


def test_impossible_shapes_and_dtypes_are_named(tmp_path: Path) -> None:
    key = "model.diffusion_model.out.2.bias"
    odd = save(tmp_path / "odd.safetensors", hollow({key: torch.zeros(3, dtype=torch.float16)}))
    with pytest.raises(CheckpointError, match=rf"1 tensor with shapes .*{key} is \(3,\), \(4,\) is needed"):
        open_complete(odd)
    eight = save(tmp_path / "eight.safetensors", hollow({key: torch.zeros(4, dtype=torch.float8_e4m3fn)}))
    with pytest.raises(CheckpointError, match=rf"only F16, BF16, F32 can be merged, not {key} \(F8_E4M3\)"):
        open_complete(eight)
    strange = save(tmp_path / "strange.safetensors", hollow({"betas": torch.zeros(4, dtype=torch.complex64)}))
    with pytest.raises(CheckpointError, match=r"can be merged, not betas \(C64\)"):
        open_checkpoint(strange)


def test_parents_of_other_widths_do_not_pair(tmp_path: Path, tiny_a: Path) -> None:
    wide = Widths(unet=(32, 64, 128, 128), vae=TINY.vae, text=64, text_layers=3, text_hidden=256)
    other = open_checkpoint(save(tmp_path / "wide.safetensors", hollow(widths=wide)))
    with pytest.raises(CheckpointError, match=r"of other shapes.*UNet 32,64,64,64.*UNet 32,64,128,128"):
        check_pair(open_checkpoint(tiny_a), other)


def test_parents_of_other_depths_do_not_pair(tmp_path: Path, tiny_a: Path) -> None:
    shallow = Widths(unet=TINY.unet, vae=TINY.vae, text=64, text_layers=2, text_hidden=256)
    other = open_checkpoint(save(tmp_path / "shallow.safetensors", hollow(widths=shallow)))
    with pytest.raises(CheckpointError, match=r"and 16 missing in the second: .*layers\.2\."):
        check_pair(open_checkpoint(tiny_a), other)


def test_equal_widths_pair_whatever_else_is_inside(tmp_path: Path, tiny_a: Path) -> None:
    more = hollow({"model_ema.decay": torch.zeros(3), "betas": torch.zeros(3)})
    check_pair(open_checkpoint(tiny_a), open_checkpoint(save(tmp_path / "more.safetensors", more)))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_broken_weights_are_found(tmp_path: Path, value: float) -> None:
    broken = torch.zeros(32, 4, 3, 3, dtype=torch.float16)
    broken[3, 2, 1, 0] = value
    seen: list[tuple[int, int]] = []
    checkpoint = open_checkpoint(save(tmp_path / "nan.safetensors", hollow({UNET_KEY: broken})))
    with pytest.raises(CheckpointError, match=f"NaN or infinite weights in 1 tensor: {UNET_KEY}"):
        check_finite(checkpoint, lambda done, total: seen.append((done, total)))
    assert seen[-1][0] == seen[-1][1]


def test_sound_weights_pass(tiny_a: Path) -> None:
    check_finite(open_checkpoint(tiny_a))


def test_the_hash_is_of_the_whole_file(tiny_a: Path) -> None:
    assert file_sha256(tiny_a) == hashlib.sha256(tiny_a.read_bytes()).hexdigest()
    with pytest.raises(CheckpointError, match="cannot be read"):
        file_sha256(tiny_a.with_name("none"))


def test_another_dtype_opens(tmp_path: Path) -> None:
    assert (
        open_checkpoint(write_tiny(tmp_path / "x.safetensors", 3, dtype=torch.bfloat16)).tensors[UNET_KEY].dtype
        == "BF16"
    )

from __future__ import annotations

import hashlib
import os
from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from engine.errors import RenderError
from engine.prompts.chunks import NamedEmbedding
from engine.prompts.embedding_file import SINGLE, read_embedding
from engine.prompts.embeddings import EmbeddingFolder
from engine.prompts.tokenizer import token_ids

ROWS = torch.arange(12.0).reshape(3, 4)


class Evil:
    """Something that runs code when it is unpickled."""

    def __reduce__(self) -> Any:
        return (print, ("code ran",))


def saved(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


# ----------------------------------------------------------------------------------------------------- one file


def test_a_safetensors_file_with_one_tensor(tmp_path: Path):
    path = tmp_path / "a.safetensors"
    save_file({"emb_params": ROWS.half()}, path)
    found = read_embedding(path)
    assert set(found) == {SINGLE}
    assert torch.equal(found[SINGLE], ROWS)
    assert found[SINGLE].dtype == torch.float32


def test_a_pair_for_sdxl(tmp_path: Path):
    path = tmp_path / "a.safetensors"
    save_file({"clip_l": ROWS, "clip_g": torch.ones(3, 6)}, path)
    found = read_embedding(path)
    assert {name: tuple(value.shape) for name, value in found.items()} == {"clip_l": (3, 4), "clip_g": (3, 6)}


@pytest.mark.parametrize(
    "content",
    [
        {"string_to_token": {"*": 265}, "string_to_param": {"*": ROWS}, "name": "a", "step": 5, "sd_checkpoint": None},
        {"string_to_param": {"*": torch.nn.Parameter(ROWS)}},
        {"string_to_param": torch.nn.ParameterDict({"*": torch.nn.Parameter(ROWS)}), "string_to_token": {"*": 265}},
        {"<a>": ROWS},
        OrderedDict({"<a>": ROWS}),
    ],
)
@pytest.mark.parametrize("name", ["a.pt", "a.bin"])
def test_files_of_pytorch(tmp_path: Path, name: str, content: Any):
    assert torch.equal(read_embedding(saved(tmp_path / name, content))[SINGLE], ROWS)


def test_one_row_may_be_flat(tmp_path: Path):
    assert read_embedding(saved(tmp_path / "a.bin", {"<a>": ROWS[0]}))[SINGLE].shape == (1, 4)


def test_code_in_a_file_is_refused_and_not_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = saved(tmp_path / "a.pt", {"string_to_param": {"*": ROWS}, "more": Evil()})
    with pytest.raises(RenderError, match=r"a\.pt: needs code of its own.*; convert it to \.safetensors"):
        read_embedding(path)
    assert "code ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": ROWS, "b": ROWS}, "holds a, b; an embedding holds one tensor"),
        ({"string_to_param": {}}, "holds nothing"),
        ({"step": 5}, "holds step"),
        ([ROWS], "holds a list, no embedding"),
        ({"a": ROWS[None]}, r"float32 of shape \(1, 3, 4\), not rows"),
        ({"a": ROWS.int()}, r"int32 of shape \(3, 4\), not rows"),
        ({"a": ROWS[:0]}, r"shape \(0, 4\), not rows"),
        ({"a": ROWS / 0}, "NaN or infinite"),
        ({"a": ROWS.to_sparse()}, r"sparse_coo float32 of shape \(3, 4\), not rows"),
        ({"a": torch.zeros(1).expand(1 << 20, 1 << 20)}, r"float32 of shape \(1048576, 1048576\), not rows"),
        ({"clip_l": ROWS, "clip_g": ROWS[:2]}, "clip_l has 3, clip_g has 2"),
    ],
)
def test_other_contents_are_refused(tmp_path: Path, content: Any, message: str):
    with pytest.raises(RenderError, match=message) as caught:
        read_embedding(saved(tmp_path / "a.pt", content))
    assert "a.pt" in str(caught.value)


@pytest.mark.parametrize("name", ["a.pt", "a.bin", "a.safetensors"])
@pytest.mark.parametrize("content", [b"", b"no such thing", b"PK\x03\x04 cut short"])
def test_damaged_files_are_refused(tmp_path: Path, name: str, content: bytes):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(RenderError, match=name):
        read_embedding(path)


# ------------------------------------------------------------------------------------------------------- a folder


@pytest.fixture
def folder(tmp_path: Path) -> EmbeddingFolder:
    (tmp_path / "deep").mkdir()
    save_file({"emb_params": ROWS}, tmp_path / "EasyNegativeV2.safetensors")
    save_file({"emb_params": ROWS[:1]}, tmp_path / "deep" / "negative_hand-neg.safetensors")
    saved(tmp_path / "negative.pt", {"string_to_param": {"*": ROWS[:2]}})
    (tmp_path / "EasyNegativeV2.preview.png").write_bytes(b"picture")
    (tmp_path / "empty.pt").touch()
    (tmp_path / "a folder.pt").mkdir()
    (tmp_path / "broken.pt").write_bytes(b"nothing")
    return EmbeddingFolder(tmp_path)


def test_names_are_the_stems_of_the_files_inside(folder: EmbeddingFolder):
    assert folder.names == ("EasyNegativeV2", "a folder", "broken", "empty", "negative", "negative_hand-neg")


@pytest.mark.parametrize(
    ("name", "what"), [("a folder", "this is a folder, not a file"), ("empty", "cannot be read as a PyTorch file")]
)
def test_what_is_no_file_of_vectors_is_refused_when_it_is_named(folder: EmbeddingFolder, name: str, what: str):
    with pytest.raises(RenderError, match=what):
        folder.hashes([f"a {name}"], [""])


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.pt")
    with pytest.raises(RenderError, match="this is a pipe, not a file"):
        EmbeddingFolder(tmp_path).hashes(["a pipe"], [""])


def test_the_longest_name_at_a_place_is_found(folder: EmbeddingFolder):
    ids = token_ids("a negative_hand-neg, negative")
    assert folder.named_at(ids, 0) is None
    assert folder.named_at(ids, 1) == NamedEmbedding(name="negative_hand-neg", vectors=1, tokens=6)
    assert folder.named_at(ids, len(ids) - 1) == NamedEmbedding(name="negative", vectors=2, tokens=1)


def test_a_damaged_file_is_only_refused_when_it_is_named(folder: EmbeddingFolder):
    with pytest.raises(RenderError, match=r"broken\.pt"):
        folder.named_at(token_ids("broken"), 0)


def test_one_name_for_two_files_is_refused_when_it_is_named(tmp_path: Path):
    saved(tmp_path / "Cat.pt", {"a": ROWS})
    save_file({"a": ROWS}, tmp_path / "cat.safetensors")
    with pytest.raises(
        RenderError, match=r"several embeddings answer to .*Cat\.pt, cat\.safetensors; move all but one"
    ):
        EmbeddingFolder(tmp_path).named_at(token_ids("cat"), 0)


def test_an_unknown_name_and_an_unknown_folder_are_refused(folder: EmbeddingFolder):
    with pytest.raises(RenderError, match='holds no embedding "other"'):
        folder.vectors("other")
    with pytest.raises(RenderError, match="no such folder of embeddings"):
        EmbeddingFolder(folder.folder / "gone")


def test_hashes_are_of_the_files_that_texts_name(folder: EmbeddingFolder):
    prompts = ["a [cat:negative:500] AND b", "plain"]
    found = folder.hashes(prompts, ["(easynegativev2:1.2)"])
    assert set(found) == {"EasyNegativeV2", "negative"}
    content = (folder.folder / "negative.pt").read_bytes()
    assert found["negative"] == hashlib.sha256(content).hexdigest()

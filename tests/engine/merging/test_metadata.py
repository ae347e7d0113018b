from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from engine.checkpoints.checkpoint import file_sha256
from engine.checkpoints.header import read_header
from engine.errors import CheckpointError, RecipeError
from engine.merging.metadata import METADATA_KEY, Parent, merge_metadata, origin_of, unpacked
from engine.merging.write import write_checkpoint
from engine.recipes.recipe import AdjustStep, MergeStep, Recipe

WHOLE = Recipe(
    steps=(
        MergeStep(alpha=(0.1, *(n / 40 for n in range(25))), elemental="OUT05:attn1:0.88", name="alpha"),
        MergeStep(models=("alpha", "B", "A"), calculation="extract", alpha=0.3, beta=0.2, gamma=0.7),
        MergeStep(models=("previous", "previous"), calculation="plus random", alpha=0.001, seed=5),
        AdjustStep(values=(1, -2, 1.5, -3, 0.5, 2, -1, 0.25)),
    )
)
"""Everything that SuperMerger's own metadata leaves out: Adjust, gamma, a seed, a chain, the dialect."""


def parent(path: Path, metadata: dict[str, str] | None = None) -> Parent:
    save_file({"model.diffusion_model.out.0.bias": torch.randn(700_000)}, path, metadata=metadata)
    return Parent(path=path, sha256=file_sha256(path))


def entries(metadata: dict[str, str]) -> dict[str, Any]:
    return json.loads(metadata["sd_merge_models"])


def test_the_recipe_is_whole(tmp_path: Path) -> None:
    parents = {name: parent(tmp_path / f"{name}.safetensors") for name in "AB"}
    metadata = merge_metadata(WHOLE, parents, {"dtype": "fp16"})
    assert all(isinstance(value, str) for value in metadata.values())
    own = json.loads(metadata[METADATA_KEY])
    assert Recipe.parse(own["recipe"]) == WHOLE
    assert own["recipe_key"] == WHOLE.key
    assert own["dtype"] == "fp16"
    assert own["models"]["B"] == {"name": "B.safetensors", "sha256": parents["B"].sha256}
    assert metadata["modelspec.merged_from"] == "A, B"


def test_the_ancestry_has_a1111s_shape(tmp_path: Path) -> None:
    grandparent = {"abc": {"name": "old.safetensors", "legacy_hash": "12345678", "sd_merge_recipe": None}}
    older = {"sd_merge_recipe": json.dumps({"type": "webui"}), "sd_merge_models": json.dumps(grandparent)}
    parents = {"A": parent(tmp_path / "A.safetensors", older), "B": parent(tmp_path / "B.safetensors")}
    found = entries(merge_metadata(Recipe.flat(0.5), parents, {}))
    assert list(found) == [parents["A"].sha256, "abc", parents["B"].sha256]
    assert found["abc"] == grandparent["abc"]
    first = found[parents["A"].sha256]
    assert first["sd_merge_recipe"] == {"type": "webui"}
    assert first["name"] == "A.safetensors"
    assert len(first["legacy_hash"]) == 8
    assert found[parents["B"].sha256]["sd_merge_recipe"] is None


def test_the_first_short_hash_is_the_webuis(tmp_path: Path) -> None:
    (tmp_path / "short").write_bytes(b"x" * 100)
    assert Parent(path=tmp_path / "short", sha256="").legacy_hash == "e3b0c442", "of nothing, as everywhere"
    with pytest.raises(CheckpointError, match="cannot be read"):
        _ = Parent(path=tmp_path / "none", sha256="").legacy_hash


@pytest.mark.parametrize(("text", "value"), [(None, None), ("", None), ("{", None), ('{"a": 1}', {"a": 1})])
def test_json_in_a_header_is_unpacked(text: str | None, value: object) -> None:
    assert unpacked(text) == value
    if text and value:
        assert unpacked(json.dumps(text)) == value, "packed twice, as SuperMerger's 'save current merge' does"


def test_json_too_deep_is_none() -> None:
    assert unpacked("[" * 100_000) is None


@pytest.mark.parametrize("models", [["A"], {"A": "first"}, 5])
def test_an_own_entry_that_was_changed_is_said(tmp_path: Path, models: object) -> None:
    entry = {"recipe": Recipe.flat(0.5).text, "models": models}
    one = parent(tmp_path / "x.safetensors", {METADATA_KEY: json.dumps(entry)})
    with pytest.raises(RecipeError, match=f"models in {METADATA_KEY} is .*; the header was changed"):
        origin_of(read_header(one.path))


def test_a_text_that_utf8_cannot_hold_does_not_stop_a_merge(tmp_path: Path, tiny_a: Path) -> None:
    """Half a character in a parent's recipe, as JSON allows it."""
    save_file(load_file(tiny_a), tmp_path / "a.safetensors", metadata={"sd_merge_recipe": '{"custom_name": "\\ud83d"}'})
    one = Parent(path=tmp_path / "a.safetensors", sha256="0" * 64)
    recipe = Recipe(steps=(AdjustStep(values=(0, 0, 0, 1, 0, 0, 0, 0)),))
    metadata = merge_metadata(recipe, {"A": one}, {})
    out = write_checkpoint(recipe, {"A": one.path}, tmp_path / "o.safetensors", metadata=metadata).path
    assert entries(read_header(out).metadata)["0" * 64]["sd_merge_recipe"] == {"custom_name": "?"}


def test_a_checkpoint_gives_its_recipe_back(tmp_path: Path, tiny_a: Path, tiny_b: Path) -> None:
    files = {"A": tiny_a, "B": tiny_b}
    parents = {name: Parent(path=path, sha256=file_sha256(path)) for name, path in files.items()}
    recipe = Recipe(steps=WHOLE.steps[:1])
    out = write_checkpoint(recipe, files, tmp_path / "o.safetensors", metadata=merge_metadata(recipe, parents, {})).path
    origin = origin_of(read_header(out))
    assert origin is not None
    assert origin.recipe == recipe
    assert origin.models == {name: one.sha256 for name, one in parents.items()}
    assert origin.names == {"A": tiny_a.name, "B": tiny_b.name}
    assert origin_of(read_header(tiny_a)) is None


def test_a_recipe_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    one = parent(tmp_path / "x.safetensors", {METADATA_KEY: json.dumps({"recipe": "format = 9"})})
    with pytest.raises(RecipeError, match="format: is 9"):
        origin_of(read_header(one.path))

"""The golden merges: what SuperMerger itself made of random tensors; tests/golden/merges/README.md has the list."""

from __future__ import annotations

import csv
import gzip
import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

FOLDER = Path(__file__).parents[2] / "golden" / "merges"
MANIFEST: dict[str, Any] = json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))
CASES: list[dict[str, Any]] = MANIFEST["cases"]
FILTERS: list[dict[str, Any]] = json.loads((FOLDER / "filters.json").read_text(encoding="utf-8"))["cases"]
EMPTY = "__empty__"


@cache
def load_model(stem: str) -> dict[str, Tensor]:
    """The tensors of one input in the order of its file. Shared by all callers: they must not be modified."""
    return _load(FOLDER / f"{stem}.safetensors")


def models_of(case: Mapping[str, Any]) -> dict[str, dict[str, Tensor]]:
    """The inputs that a case names, by name."""
    return {case[name]: load_model(case[name]) for name in ("model_A", "model_B", "model_C") if case[name]}


def expected(case: Mapping[str, Any]) -> dict[str, Tensor] | None:
    """The whole result of a case: model A with the stored tensors on top; None where no result was stored."""
    if not case.get("file"):
        return None
    return {**load_model(case["model_A"]), **_stored(case["file"])}


def full_sha256(state_dict: Mapping[str, Tensor]) -> str:
    """The manifest's `sha256_full`: over sorted keys, of key, dtype, shape and raw little-endian bytes."""
    digest = hashlib.sha256()
    for key in sorted(state_dict):
        tensor = state_dict[key].detach().cpu().contiguous()
        digest.update(key.encode())
        digest.update(str(tensor.dtype).encode())
        digest.update(str(tuple(tensor.shape)).encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@cache
def block_rows() -> tuple[dict[str, str], ...]:
    """The rows of the block map, each by the names of its columns."""
    with gzip.open(FOLDER / "block_map.tsv.gz", "rt", encoding="utf-8", newline="") as text:
        return tuple(csv.DictReader(text, delimiter="\t"))


@cache
def _stored(name: str) -> dict[str, Tensor]:
    return {key: tensor for key, tensor in _load(FOLDER / name).items() if key != EMPTY}


def _load(path: Path) -> dict[str, Tensor]:
    """Load in the order of the file's own header: safetensors releases differ in the order they hand keys out."""
    tensors = load_file(path)
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return {key: tensors[key] for key in header if key != "__metadata__"}

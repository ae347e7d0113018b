"""The new file: its header, its tensors in order, and how it is written."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from engine.exports.script.parts.formulas import ScriptError
from engine.exports.script.parts.results import Model, look_up

SIZES = {
    "U64": 8, "I64": 8, "F64": 8, "F32": 4, "U32": 4, "I32": 4, "BF16": 2, "F16": 2, "U16": 2, "I16": 2,
    "F8_E4M3": 1, "F8_E5M2": 1, "I8": 1, "U8": 1, "BOOL": 1,
}  # fmt: skip
"""Bytes of a number, by dtype, in the order in which the safetensors library writes tensors."""
DTYPES = {
    "F16": torch.float16, "BF16": torch.bfloat16, "F32": torch.float32, "F64": torch.float64, "I64": torch.int64,
    "I32": torch.int32, "I16": torch.int16, "I8": torch.int8, "U8": torch.uint8, "BOOL": torch.bool,
}  # fmt: skip
"""What torch calls them."""


class Output:
    """The tensors of the new file: which there are, where each comes from, in which dtype and order."""

    def __init__(
        self,
        models: Mapping[str, Model],
        result: Any,
        tensors: Mapping[str, tuple[str, str] | None],
        root: str,
        vae: Mapping[str, Tensor],
    ):
        self.models, self.result, self.tensors, self.vae = models, result, tensors, vae
        names = models[root].names
        kept = {key: look_up(tensors, key)[1] for key in result.shapes if look_up(tensors, key)}
        self.name = {key: names.get(key, key) for key in kept}
        self.order = sorted(kept, key=lambda key: (list(SIZES).index(kept[key]), self.name[key]))
        self.dtype = kept

    def header(self, metadata: Mapping[str, str]) -> bytes:
        """The beginning of the file."""
        content: dict[str, Any] = {"__metadata__": {"format": "pt", **metadata}}
        place = 0
        for key in self.order:
            shape, dtype = self.result.shapes[key], self.dtype[key]
            end = place + int(np.prod(shape, dtype=np.int64)) * SIZES[dtype]
            content[self.name[key]] = {"dtype": dtype, "shape": shape, "data_offsets": (place, end)}
            place = end
        text = json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode(errors="replace")
        text += b" " * (-len(text) % 8)
        return struct.pack("<Q", len(text)) + text

    def read(self, key: str) -> Tensor:
        """A tensor as it goes into the file."""
        origin, dtype = look_up(self.tensors, key)
        if origin.startswith("copy of "):
            return self.models[origin[len("copy of ") :]].read(key)
        if origin == "positions":
            shape = self.result.shapes[key]
            return torch.arange(shape[-1]).expand(shape)
        value = (self.vae[key] if origin == "vae" else self.result.read(key)).to(DTYPES[dtype])
        if value.is_floating_point() and "model" in key and not bool(value.isfinite().all()):
            raise ScriptError(f"{key}: the merge gives weights that {dtype} cannot hold, or a parent has NaN weights")
        return value


def data_of(tensor: Tensor) -> Any:
    """The bytes of a tensor."""
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data


def write(path: Path, output: Output, metadata: Mapping[str, str]) -> str:
    """Write the file under a temporary name, then give it its own; returns its SHA-256."""
    header = output.header(metadata)
    digest = hashlib.sha256(header)
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as file:
            file.write(header)
            for number, key in enumerate(output.order, start=1):
                data = data_of(output.read(key))
                digest.update(data)
                file.write(data)
                show(f"\rtensor {number} of {len(output.order)}")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return digest.hexdigest()


def show(text: str) -> None:
    """Write a line that the next one takes the place of."""
    if sys.stderr.isatty():
        sys.stderr.write(text)
        sys.stderr.flush()

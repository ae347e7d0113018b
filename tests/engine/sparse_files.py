"""Checkpoints of real size that take no space: their headers are whole, and of their data no byte is written."""

from __future__ import annotations

from pathlib import Path

from engine.architecture.layout import shapes
from engine.architecture.widths import REAL, FamilyName
from engine.checkpoints.checkpoint import Checkpoint, open_checkpoint
from engine.checkpoints.header import TensorInfo, header_bytes


def sparse_checkpoint(path: Path, family: FamilyName, *, dtype: str = "F16") -> Checkpoint:
    """A checkpoint whose shapes are the real ones; its weights are holes, which read as zeros.

    Args:
        path: the new file.
        family: which released architecture.
        dtype: of all its tensors, as safetensors names it.
    """
    infos = {key: TensorInfo(shape=shape, dtype=dtype) for key, shape in shapes(REAL[family]).items()}
    header = header_bytes(infos, {})
    path.write_bytes(header)
    with path.open("r+b") as file:
        file.truncate(len(header) + sum(info.size for info in infos.values()))
    return open_checkpoint(path)

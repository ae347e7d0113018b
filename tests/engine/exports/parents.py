"""Random parents with real keys of SD1 or SDXL, each dimension clipped: small, with tensors of every block."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

import torch
from safetensors.torch import save_file
from torch import Tensor

from engine.architecture.layout import shapes
from engine.architecture.widths import SD1, SDXL, SDXL_TEXT_L, TEXT, Shape

_POSITIONS = {"sd1": f"{TEXT}embeddings.position_ids", "sdxl": f"{SDXL_TEXT_L}embeddings.position_ids"}
_LARGEST = 5
_LEFT_OUT = re.compile(
    r"layers\.([1-9]|10)\.|resblocks\.([1-9]|[12]\d|30)\.|transformer_blocks\.[2-9]\.|coder\.(up|down)\."
    r"|blocks\.\d+\.\d\..*(layers|norm\d?)\.\d?.*bias$|to_(k|v)\."
)


def clipped(
    family: Literal["sd1", "sdxl"], seed: int, dtype: torch.dtype = torch.float32, *, whole: bool = False
) -> dict[str, Tensor]:
    """The tensors of a parent, with ``position_ids`` and a noise table as real files have them.

    Args:
        family: whose keys.
        seed: of the numbers.
        dtype: of all but the last two.
        whole: every key, instead of one or two of each kind in each block.
    """
    noise = torch.Generator().manual_seed(seed)
    widths = SD1 if family == "sd1" else SDXL
    kept = {key: shape for key, shape in shapes(widths).items() if whole or not _LEFT_OUT.search(key)}
    found = {key: torch.randn(_small(shape), generator=noise).mul(0.1).to(dtype) for key, shape in kept.items()}
    return {**found, _POSITIONS[family]: torch.arange(77)[None], "alphas_cumprod": torch.linspace(0.99, 0.005, 10)}


def _small(shape: Shape) -> Shape:
    return tuple(min(size, _LARGEST) for size in shape)


def write_clipped(
    path: Path,
    family: Literal["sd1", "sdxl"],
    seed: int,
    dtype: torch.dtype = torch.float32,
    *,
    whole: bool = False,
) -> Path:
    """Write a parent; see ``clipped``."""
    save_file(clipped(family, seed, dtype, whole=whole), path, metadata={"format": "pt"})
    return path

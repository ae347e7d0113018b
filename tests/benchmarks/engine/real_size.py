"""Checkpoints of real size with random weights.

By hand: ``python -m tests.benchmarks.engine.real_size FOLDER --family sd1 --seed 1``.

Names and shapes are the real ones, values plausible: norms around 1, everything else around 0 with deviation 0.02.
Files of two seeds are like two fine-tunes of one model: equal but for a deviation of 0.005. Writing needs the memory of
a few random blocks (256 MB), whatever the size of the file: every tensor is cut from the same block at another place.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import torch
from torch import Tensor

from engine.architecture.layout import Widths, shapes
from engine.architecture.widths import REAL, FamilyName
from engine.checkpoints.header import TensorInfo, header_bytes
from tests.engine.file_buffers import buffers

BLOCK = 1 << 25  # elements: 64 MB in fp16
STEP = 7_368_787  # a prime: where the next tensor begins within the block
SPREAD, APART = 0.02, 0.005
DTYPES = {"fp16": ("F16", torch.float16), "bf16": ("BF16", torch.bfloat16), "fp32": ("F32", torch.float32)}
_PIECE = 1 << 20


def write_real_size(
    path: Path, family: FamilyName = "sd1", *, seed: int, dtype: str = "fp16", widths: Widths | None = None
) -> Path:
    """Write a checkpoint with random weights and return its path.

    Args:
        path: the new file.
        family: which released architecture.
        seed: which fine-tune of the family's one random base.
        dtype: fp16, bf16 or fp32.
        widths: other widths than the released ones.
    """
    widths = widths or REAL[family]
    stored, kind = DTYPES[dtype]
    weights = shapes(widths)
    positions = {key: found for key, found in buffers(widths).items() if key.endswith("position_ids")}
    infos = {key: TensorInfo(shape=info.shape, dtype=info.dtype) for key, info in positions.items()}
    infos |= {key: TensorInfo(shape=shape, dtype=stored) for key, shape in sorted(weights.items())}
    block = random_block(seed, kind)
    with path.open("wb") as file:
        file.write(header_bytes(infos, {"format": "pt"}))
        for info in positions.values():
            _put(file, torch.arange(info.shape[-1]))
        for number, (key, shape) in enumerate(sorted(weights.items())):
            for piece in values(key, shape, block, number):
                _put(file, piece)
    return path


def random_block(seed: int, dtype: torch.dtype) -> Tensor:
    """The numbers that all tensors of this seed are cut from."""
    block = _noise(0, SPREAD).add_(_noise(1 + seed, APART))
    return block.to(dtype)


def values(key: str, shape: tuple[int, ...], block: Tensor, number: int) -> Iterator[Tensor]:
    """One tensor, flat and in pieces: a cut of the block, raised to 1 for norms."""
    place, left = number * STEP % BLOCK, torch.Size(shape).numel()
    norm = len(shape) == 1 and key.endswith(".weight")
    while left:
        piece = block[place : place + left]
        yield piece + 1 if norm else piece
        place, left = 0, left - len(piece)


def _noise(seed: int, spread: float) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(BLOCK, generator=generator, dtype=torch.float32).mul_(spread)


def _put(file: BinaryIO, tensor: Tensor) -> None:
    file.writelines(piece.contiguous().view(torch.uint8).numpy().data for piece in tensor.split(_PIECE))


def main() -> None:
    """Write one file and say where."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--family", choices=sorted(REAL), default="sd1")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--dtype", choices=sorted(DTYPES), default="fp16")
    chosen = parser.parse_args()
    name = f"{chosen.family}-{chosen.seed}-{chosen.dtype}.safetensors"
    path = write_real_size(chosen.folder / name, chosen.family, seed=chosen.seed, dtype=chosen.dtype)
    print(f"{path}: {path.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()

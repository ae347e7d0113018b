"""Regions of memory: a live buffer and one for each parent, all in the same order, by block, then element.

Each key starts at a multiple of 128 elements (256 bytes in fp16), so that neighbours are one contiguous segment.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from engine.checkpoints.checkpoint import BytesRead, Checkpoint
from engine.modes.rows import TensorRow
from engine.recipes.blocks import BLOCKS, ELEMENTS, block_of

ALIGNMENT = 128
"""Keys start at multiples of so many elements."""


def element_of(key: str) -> str:
    """Return the element of a block that a key belongs to, for the order in memory."""
    return next((element for element in ELEMENTS if element in key), "")


def memory_order(keys: Iterable[str]) -> list[str]:
    """Return the keys by block, then element, then name."""
    return sorted(keys, key=lambda key: (BLOCKS.index(block_of(key)), element_of(key), key))


def offsets_of(sizes: Mapping[str, int]) -> tuple[dict[str, int], int]:
    """Return where each key starts, in elements, and the length of the buffer."""
    starts: dict[str, int] = {}
    end = 0
    for key, size in sizes.items():
        starts[key] = end
        end += -(-size // ALIGNMENT) * ALIGNMENT
    return starts, end


class Region:
    """Some keys with one live dtype.

    Attributes:
        sizes: elements by key, in memory order.
        starts: the first element of each key.
        length: elements of every buffer.
        live: the live buffer.
        parents: a buffer for each parent, by the parent's name; empty until they are loaded.
    """

    def __init__(self, sizes: dict[str, int], dtype: torch.dtype, device: torch.device) -> None:
        self.sizes = sizes
        self.starts, self.length = offsets_of(sizes)
        self.live = torch.zeros(self.length, dtype=dtype, device=device)
        self.parents: dict[str, Tensor] = {}

    def view(self, key: str, buffer: Tensor) -> Tensor:
        """Return a key's part of a buffer, flat."""
        return buffer[self.starts[key] : self.starts[key] + self.sizes[key]]

    def load(self, checkpoint: Checkpoint, dtype: torch.dtype) -> Iterator[tuple[Tensor, int]]:
        """Fill a new parent buffer key by key; yields it and the bytes read so far."""
        buffer = torch.zeros(self.length, dtype=dtype, device=self.live.device)
        done = 0
        for key in self.sizes:
            self.view(key, buffer).copy_(checkpoint.read(key).reshape(-1))
            done += checkpoint.tensors[key].size
            yield buffer, done

    def runs(self, changed: Mapping[str, TensorRow]) -> Iterator[tuple[TensorRow, list[str]]]:
        """Yield runs of neighbouring changed keys with equal plain rows, which one pass can rewrite."""
        run: list[str] = []
        for key in self.sizes:
            if run and (changed.get(key) != changed[run[0]] or not changed[key].is_plain):
                yield changed[run[0]], run
                run = []
            if key in changed:
                run.append(key)
        if run:
            yield changed[run[0]], run

    def span(self, run: Sequence[str]) -> slice:
        """Return the elements of neighbouring keys, with the gaps between them."""
        return slice(self.starts[run[0]], self.starts[run[-1]] + self.sizes[run[-1]])


def load_parents(regions: list[Region], checkpoints: Mapping[str, Checkpoint], progress: BytesRead | None) -> None:
    """Read the parents into one buffer for each file and region; two names of one file share it."""
    loaded: dict[tuple[Path, int], Tensor] = {}
    files = {checkpoint.path.resolve(): checkpoint for checkpoint in checkpoints.values()}
    total = sum(c.tensors[key].size for c in files.values() for region in regions for key in region.sizes)
    before = 0
    for path, checkpoint in files.items():
        for number, region in enumerate(regions):
            done = 0
            for buffer, done in region.load(checkpoint, _parent_dtype(region, files.values())):
                loaded[path, number] = buffer
                if progress:
                    progress(before + done, total)
            before += done
    for number, region in enumerate(regions):
        region.parents = {name: loaded[c.path.resolve(), number] for name, c in checkpoints.items()}


def _parent_dtype(region: Region, checkpoints: Iterable[Checkpoint]) -> torch.dtype:
    """fp16 where all parents have only that, else float32, which holds all other dtypes exactly."""
    half = all(checkpoint.tensors[key].dtype == "F16" for checkpoint in checkpoints for key in region.sizes)
    return torch.float16 if half else torch.float32

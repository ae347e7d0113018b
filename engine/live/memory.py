"""Regions of memory: the live buffers, in the order of blocks, then elements, and how their keys lie in them.

Each key starts at a multiple of 1,024 elements, so that neighbours are one contiguous run, and any piece of a buffer
that begins at such a multiple and is as long belongs to one key.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from engine.checkpoints.checkpoint import Checkpoint
from engine.live.allocation import Memory
from engine.modes.rows import TensorRow
from engine.recipes.blocks import BLOCKS, ELEMENTS, block_of

ALIGNMENT = 1024
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Neighbouring keys of a region that get the same row, which one pass can rewrite; one key, if it is not plain.

    Attributes:
        row: what they get.
        keys: in memory order.
        start, end: the elements of the region, with the gaps between the keys.
    """

    row: TensorRow
    keys: tuple[str, ...]
    start: int
    end: int


class Region:
    """Some keys with one live dtype.

    Attributes:
        sizes: elements by key, in memory order.
        starts: the first element of each key.
        length: elements of the live buffer.
        live: the live buffer. Its content is unknown at first.
    """

    def __init__(self, sizes: dict[str, int], dtype: torch.dtype, memory: Memory) -> None:
        self.sizes = sizes
        self.starts, self.length = offsets_of(sizes)
        self.live = memory.on_device(self.length, dtype)
        self._order = list(sizes)
        self._begins = list(self.starts.values())

    def view(self, key: str, buffer: Tensor) -> Tensor:
        """Return a key's part of a buffer that is as long as the live one, flat."""
        return buffer[self.starts[key] : self.starts[key] + self.sizes[key]]

    def runs(self, changed: Mapping[str, TensorRow], homes: Mapping[str, object]) -> Iterator[Run]:
        """Yield the changed keys in runs.

        Args:
            changed: the new row of every key that gets one.
            homes: by key, what is the same object for keys whose parents lie together.
        """
        run: list[str] = []
        for key in self._order:
            row = changed.get(key)
            if run and (row is None or not self._go_on(run[0], key, changed, homes)):
                yield self._run(changed[run[0]], run)
                run = []
            if row is not None:
                run.append(key)
        if run:
            yield self._run(changed[run[0]], run)

    @staticmethod
    def _go_on(first: str, key: str, changed: Mapping[str, TensorRow], homes: Mapping[str, object]) -> bool:
        """Whether a key can be rewritten together with the first of a run."""
        before, row = changed[first], changed[key]
        return homes[first] is homes[key] and (before is row or before == row) and row.is_plain

    def _run(self, row: TensorRow, keys: Sequence[str]) -> Run:
        last = keys[-1]
        return Run(row=row, keys=tuple(keys), start=self.starts[keys[0]], end=self.starts[last] + self.sizes[last])

    def read(self, checkpoint: Checkpoint, start: int, out: Tensor) -> None:
        """Fill a piece of main memory with what a file has for the elements from a start on; gaps are left as they are.

        Args:
            checkpoint: the file.
            start: an element of the region.
            out: flat, on the CPU; in the dtype of the file, or in another that it is converted to.

        Raises:
            CheckpointError: the file cannot be read, or was changed.
        """
        end = start + len(out)
        number = bisect_right(self._begins, start) - 1
        for key, begin in zip(self._order[number:], self._begins[number:], strict=True):
            if begin >= end:
                break
            first, last = max(start, begin), min(end, begin + self.sizes[key])
            if first < last:
                checkpoint.read_into(key, out[first - start : last - start], first - begin)

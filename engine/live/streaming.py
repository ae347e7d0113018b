"""Parents on their way to the device, in pieces: each is copied while the one before is computed with."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from engine.checkpoints.checkpoint import Checkpoint
from engine.live.allocation import OUT_OF_MEMORY, Memory
from engine.live.memory import ALIGNMENT, Region

CPU_PIECE = 1 << 18
"""Elements of a piece that is read from a file and used where it lies: those of two models stay in a core's cache."""
GPU_PIECE = 1 << 23
"""Elements of a piece that is copied to a device: 16 MB in fp16, which a copy needs to be quick."""
LEAST_PIECE = 16 * ALIGNMENT
"""Elements of the smallest piece that is tried where memory is short."""
SLOTS = 2
"""Pieces in scratch: while one is computed with, the next is on its way."""


class Source(Protocol):
    """Where a piece comes from: a file's part of a stretch."""

    @property
    def start(self) -> int:
        """The element of the region that its tensors begin with."""
        ...

    @property
    def tensors(self) -> Sequence[Tensor]:
        """For each file, flat, in main memory; none where the files have to be read."""
        ...

    @property
    def dtypes(self) -> Sequence[torch.dtype]:
        """Of each file's tensors."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Elements of a region, all from one place.

    Attributes:
        region: where they belong.
        source: where they come from.
        files: the numbers of the files that are needed.
        start, end: the elements.
        number: whatever tells the user which of several pieces this was cut from.
    """

    region: Region
    source: Source
    files: tuple[int, ...]
    start: int
    end: int
    number: int = 0


Use = Callable[[Piece, Mapping[int, Tensor]], object]
"""What is done with a piece, once the files' elements of it are on the device."""


class Streamer:
    """Brings pieces to the device through two slots of scratch for each file.

    Args:
        memory: where the scratch comes from.
        files: what pieces are read from.
        widest: for each file, the bytes of its largest number.
    """

    def __init__(self, memory: Memory, files: Sequence[Checkpoint], widest: Sequence[int]) -> None:
        self._memory, self._files, self._widest = memory, files, widest
        self.piece = GPU_PIECE if memory.separate else CPU_PIECE
        self._on_device: list[list[Tensor]] = []
        self._on_host: list[list[Tensor]] = []
        self._traffic = _Traffic(memory.device) if memory.device.type == "cuda" else None

    @property
    def scratch(self) -> int:
        """Bytes of scratch on the device."""
        return sum(tensor.numel() for slot in self._on_device for tensor in slot)

    def cut(self, piece: Piece) -> Iterator[Piece]:
        """Yield a piece in parts that fit into the scratch.

        Raises:
            torch.OutOfMemoryError, MemoryError: there is too little memory for any scratch.
        """
        self._make_scratch()
        for start in range(piece.start, piece.end, self.piece):
            end = min(start + self.piece, piece.end)
            yield replace(piece, start=start, end=end)

    def stream(self, pieces: Iterable[Piece], use: Use) -> None:
        """Bring pieces to the device one after another and use each.

        Args:
            pieces: as ``cut`` gives them.
            use: called with a piece and the files' elements of it, on the device; they are overwritten afterwards.

        Raises:
            CheckpointError: a file cannot be read, or was changed.
        """
        if self._traffic:
            self._traffic.begin()
        waiting: list[tuple[Piece, int, dict[int, Tensor]]] = []
        for number, piece in enumerate(pieces):
            slot = number % len(self._on_device)
            waiting.append((piece, slot, self._send(piece, slot)))
            if len(waiting) == len(self._on_device):
                self._use(*waiting.pop(0), use)
        for entry in waiting:
            self._use(*entry, use)

    def fill(self, region: Region, source: Source, number: int, out: Tensor) -> None:
        """Fill a stretch of memory with what a file has for it.

        Args:
            region: where the stretch belongs.
            source: with the dtypes of the files, and the element that the stretch begins with.
            number: of the file.
            out: flat, on the device or in main memory, in the file's dtype.

        Raises:
            CheckpointError: the file cannot be read, or was changed.
            torch.OutOfMemoryError, MemoryError: there is too little memory for any scratch.
        """
        if out.device.type == "cpu":
            region.read(self._files[number], source.start, out)
            return
        start = source.start
        whole = Piece(region=region, source=source, files=(number,), start=start, end=start + len(out))
        self.stream(
            self.cut(whole), lambda piece, tensors: out[piece.start - start : piece.end - start].copy_(tensors[number])
        )

    def _use(
        self,
        piece: Piece,
        slot: int,
        tensors: Mapping[int, Tensor],
        use: Use,
    ) -> None:
        if self._traffic:
            self._traffic.wait_for_copy(slot)
        use(piece, tensors)
        if self._traffic:
            self._traffic.used(slot)

    def _send(self, piece: Piece, slot: int) -> dict[int, Tensor]:
        """Start the way of a piece; returns where it will lie."""
        if not self._memory.separate:  # what is in main memory is used where it lies, so it never comes here
            return {number: self._read(piece, number, self._on_device[slot][number]) for number in piece.files}
        if self._traffic and not piece.source.tensors:
            self._traffic.wait_for_staging(slot)
        staged = {number: self._staged(piece, number, slot) for number in piece.files}
        found: dict[int, Tensor] = {}
        with self._traffic.copying(slot) if self._traffic else nullcontext():
            for number, tensor in staged.items():
                found[number] = _as(self._on_device[slot][number], tensor.dtype, len(tensor))
                found[number].copy_(tensor, non_blocking=True)
        return found

    def _staged(self, piece: Piece, number: int, slot: int) -> Tensor:
        """A file's elements of a piece in main memory."""
        if piece.source.tensors:
            return piece.source.tensors[number][piece.start - piece.source.start : piece.end - piece.source.start]
        return self._read(piece, number, self._on_host[slot][number])

    def _read(self, piece: Piece, number: int, scratch: Tensor) -> Tensor:
        out = _as(scratch, piece.source.dtypes[number], piece.end - piece.start)
        piece.region.read(self._files[number], piece.start, out)
        return out

    def _make_scratch(self) -> None:
        """Allocate the slots; smaller pieces where memory is short."""
        whole = self.piece
        while not self._on_device:
            try:
                self._on_device, self._on_host = self._slots()
            except OUT_OF_MEMORY:
                if self.piece <= LEAST_PIECE:
                    self.piece = whole
                    raise
                self.piece //= 2
            self._memory.give_back()

    def _slots(self) -> tuple[list[list[Tensor]], list[list[Tensor]]]:
        sizes = [self.piece * size for size in self._widest]
        slots = range(SLOTS if self._memory.separate else 1)
        device = [[self._memory.on_device(size, torch.uint8) for size in sizes] for _ in slots]
        if not self._memory.separate:
            return device, []
        return device, [[self._memory.on_host(size, torch.uint8) for size in sizes] for _ in slots]


class _Traffic:
    """Keeps copies and arithmetic of a GPU, which run side by side, from touching a slot at the same time."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._copied = [torch.cuda.Event() for _ in range(SLOTS)]
        self._used = [torch.cuda.Event() for _ in range(SLOTS)]

    def begin(self) -> None:
        """No copy begins before what was asked of the device so far is done: it may use the memory of the slots."""
        for slot in range(SLOTS):
            self.used(slot)

    @contextmanager
    def copying(self, slot: int) -> Generator[None]:
        """Copies within go their own way, once the slot is free."""
        self._stream.wait_event(self._used[slot])
        with torch.cuda.stream(self._stream):
            yield
            self._copied[slot].record(self._stream)

    def wait_for_copy(self, slot: int) -> None:
        """What is asked of the device from now on begins when the slot is filled."""
        torch.cuda.current_stream(self._device).wait_event(self._copied[slot])

    def used(self, slot: int) -> None:
        """The slot is free when what was asked of the device so far is done."""
        self._used[slot].record(torch.cuda.current_stream(self._device))

    def wait_for_staging(self, slot: int) -> None:
        """Wait until what lay in main memory for the slot is copied, so that it can be overwritten."""
        self._copied[slot].synchronize()


def _as(scratch: Tensor, dtype: torch.dtype, elements: int) -> Tensor:
    """The beginning of a piece of scratch as so many numbers."""
    return scratch[: elements * dtype.itemsize].view(dtype)

"""Weighted sums on a GPU: one pass over memory and one launch for a whole build, by a Triton kernel.

The kernel is compiled for each combination of dtypes, and compared with the plain steps on the CPU before it is used:
where a single bit differs, or where there is no Triton (Windows), the plain steps do it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from engine.arithmetic.weighted_sums import PlainSums, Term, base_first
from engine.errors import first_line
from engine.kernels.checking import KINDS, numbers, same_bits, weights

log = logging.getLogger(__name__)

MOST_TERMS = 8
"""Sums of more terms are left to the plain steps."""
_ALIGNED = 16  # bytes; the kernel reads and writes so many at once

DeviceSum = tuple[Sequence[Term], Tensor]
"""Terms in the order of ``base_first``, and where the sum goes: flat tensors of one length."""


@dataclass(frozen=True, slots=True)
class _Pattern:
    """What a kernel is compiled for: the dtypes of the terms, and that of the result."""

    kinds: tuple[int, ...]
    stored: int


@dataclass(frozen=True, slots=True)
class _Kernel:
    """The kernel, the elements of its tiles, and the halvings by which it finds a sum."""

    launch: Any
    tile: int
    search: int


class DeviceSums:
    """Sums on one device.

    Args:
        device: of all tensors.
        round_to: the dtype every result is rounded to.
    """

    def __init__(self, device: torch.device, round_to: torch.dtype) -> None:
        self._device, self._round_to = device, round_to
        self._checked: dict[_Pattern, bool] = {}

    def write(self, sums: Sequence[DeviceSum]) -> list[bool]:
        """Write the sums that the kernel can compute; return for each whether it was written."""
        patterns = [_pattern(*one) for one in sums]
        batches: dict[_Pattern, list[DeviceSum]] = {}
        for one, pattern in zip(sums, patterns, strict=True):
            if pattern and self._is_usable(pattern):
                batches.setdefault(pattern, []).append(one)
        for pattern, batch in batches.items():
            _launch(batch, pattern, KINDS[self._round_to], self._device)
        return [pattern in batches for pattern in patterns]

    def _is_usable(self, pattern: _Pattern) -> bool:
        if pattern not in self._checked:
            self._checked[pattern] = _kernel() is not None and self._agrees(pattern)
        return self._checked[pattern]

    def _agrees(self, pattern: _Pattern) -> bool:
        """Whether the kernel gives the bits of the plain steps on the CPU, for numbers of all magnitudes."""
        dtypes = list(KINDS)
        tensors = [numbers(seed).to(dtypes[kind]) for seed, kind in enumerate(pattern.kinds)]
        near = [tensor.to(self._device) for tensor in tensors]
        outs: list[tuple[Tensor, Tensor]] = []
        for shares in weights(len(tensors)):
            expected = torch.empty(tensors[0].numel(), dtype=dtypes[pattern.stored])
            PlainSums(torch.device("cpu"), self._round_to).write(_in_place(tensors, shares), expected)
            outs.append((expected, torch.zeros_like(expected, device=self._device)))
        batch = [(_in_place(near, shares), out) for shares, (_, out) in zip(weights(len(near)), outs, strict=True)]
        try:
            _launch(batch, pattern, KINDS[self._round_to], self._device)
            same = all(same_bits(out.cpu(), expected) for expected, out in outs)
        except _compile_errors() as error:
            _report(f"does not run here ({first_line(error)})")
            return False
        if not same:
            _report("gives other bits than the CPU")
        return same


def _in_place(tensors: list[Tensor], shares: Sequence[float]) -> list[Term]:
    """Terms in the order of the tensors, with the first as the base."""
    total = base_first(list(zip(tensors, shares, strict=True)))[0][1]
    return [(tensors[0], total), *zip(tensors[1:], shares[1:], strict=True)]


def _pattern(terms: Sequence[Term], out: Tensor) -> _Pattern | None:
    """The pattern of a sum; None where the kernel cannot compute it."""
    tensors = [tensor for tensor, _ in terms]
    if not out.numel() or not 0 < len(terms) <= MOST_TERMS or not all(map(_is_readable, (out, *tensors))):
        return None
    return _Pattern(tuple(KINDS[tensor.dtype] for tensor in tensors), KINDS[out.dtype])


def _is_readable(tensor: Tensor) -> bool:
    return tensor.dtype in KINDS and tensor.is_contiguous() and tensor.data_ptr() % _ALIGNED == 0


@cache
def _kernel() -> _Kernel | None:
    """The kernel; None without Triton."""
    try:
        from engine.kernels.triton_sums import KERNEL, SEARCH, TILE
    except ImportError:
        log.info("there is no Triton here, so models are built in several passes")
        return None
    return _Kernel(KERNEL, TILE, SEARCH)


def _compile_errors() -> tuple[type[Exception], ...]:
    from engine.kernels.triton_sums import COMPILE_ERRORS

    return COMPILE_ERRORS


@cache
def _report(what: str) -> None:
    """Say it once, however many combinations of dtypes it happens with."""
    log.warning("the Triton kernel %s, so models are built in several passes", what)


def _launch(batch: Sequence[DeviceSum], pattern: _Pattern, rounding: int, device: torch.device) -> None:
    """Compute a batch of sums of one pattern."""
    kernel = _kernel()
    if kernel is None:
        raise RuntimeError("there is no Triton here")
    for start in range(0, len(batch), 1 << kernel.search):
        some = batch[start : start + (1 << kernel.search)]
        table, tiles = list[list[int]](), 0
        for terms, out in some:
            table.append([*(tensor.data_ptr() for tensor, _ in terms), out.data_ptr(), out.numel(), tiles])
            tiles += -(-out.numel() // kernel.tile)
        kernel.launch[(tiles,)](
            _sent(torch.tensor(table), device),
            _sent(torch.tensor([[weight for _, weight in terms] for terms, _ in some], dtype=torch.float32), device),
            len(some),
            search=kernel.search,
            count=len(pattern.kinds),
            kinds=sum(kind * 3**place for place, kind in enumerate(pattern.kinds)),
            rounding=rounding,
            stored=pattern.stored,
            tile=kernel.tile,
            enable_fp_fusion=False,
        )


def _sent(table: Tensor, device: torch.device) -> Tensor:
    """The table on the device; nothing waits for its way there."""
    return table.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else table

"""The Triton kernel of weighted sums; import it only where Triton is installed.

A launch computes a batch of sums that are alike in the number and the dtypes of their terms. Each has a row of weights
and a row of whole numbers: addresses of its tensors and of its result, its length, the number of its first tile.
"""

from __future__ import annotations

# Triton has no types, and its functions are compiled from their source: they are no Python that a checker can follow.
# pyright: basic, reportGeneralTypeIssues=false, reportArgumentType=false, reportMissingImports=false
from subprocess import SubprocessError
from typing import Any

import triton
import triton.language as tl
from triton.errors import TritonError

__all__ = ["COMPILE_ERRORS", "KERNEL", "SEARCH", "TILE"]

TILE = 2048
"""Elements that one program of the grid computes."""
SEARCH = 10
"""Halvings by which a program finds its sum: a launch has 2**10 sums at most."""


@triton.jit
def _typed(address, kind: tl.constexpr):
    if kind == 0:
        return address.to(tl.pointer_type(tl.float16))
    elif kind == 1:  # noqa: RET505 - only one of the branches is compiled
        return address.to(tl.pointer_type(tl.bfloat16))
    else:
        return address.to(tl.pointer_type(tl.float32))


@triton.jit
def _load(address, offsets, length, kind: tl.constexpr, masked: tl.constexpr):
    places = tl.multiple_of(_typed(address, kind) + offsets, 16)
    if masked:
        return tl.load(places, mask=offsets < length, other=0.0).to(tl.float32)
    else:  # noqa: RET505
        return tl.load(places).to(tl.float32)


@triton.jit
def _rounded(value, kind: tl.constexpr):
    if kind == 0:
        return value.to(tl.float16)
    elif kind == 1:  # noqa: RET505 - in whole numbers, for some GPUs and Triton's interpreter round otherwise
        bits = value.to(tl.uint32, bitcast=True)
        upper = tl.where(value != value, 0x7FC0, (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)  # noqa: PLR0124
        return upper.to(tl.uint16).to(tl.bfloat16, bitcast=True)
    else:
        return value


@triton.jit
def _tile(
    addresses, weights, offsets, length,
    count: tl.constexpr, kinds: tl.constexpr, rounding: tl.constexpr, stored: tl.constexpr, masked: tl.constexpr,
):  # fmt: skip
    base = _load(tl.load(addresses), offsets, length, kinds % 3, masked)
    total = base * tl.load(weights)
    last = total
    for number in tl.static_range(1, count):
        value = _load(tl.load(addresses + number), offsets, length, (kinds // 3**number) % 3, masked)
        part = (value - base) * tl.load(weights + number)
        total = total + part if number > 1 else part
    if count > 1:
        total = total + last
    if rounding != stored:
        total = _rounded(total, rounding).to(tl.float32)
    places = tl.multiple_of(_typed(tl.load(addresses + count), stored) + offsets, 16)
    if masked:
        tl.store(places, _rounded(total, stored), mask=offsets < length)
    else:
        tl.store(places, _rounded(total, stored))


@triton.jit(do_not_specialize=["sums"])
def sums_kernel(
    table, weights, sums,
    search: tl.constexpr, count: tl.constexpr, kinds: tl.constexpr, rounding: tl.constexpr, stored: tl.constexpr,
    tile: tl.constexpr,
):  # fmt: skip
    """Compute one tile of one sum: the last whose first tile is not behind this program's number."""
    program = tl.program_id(0)
    width: tl.constexpr = count + 3
    row = 0
    end = sums
    for _ in tl.static_range(search):
        middle = (row + end) // 2
        is_before = tl.load(table + middle * width + count + 2) <= program
        row = tl.where(is_before, middle, row)
        end = tl.where(is_before, end, middle)
    entries = table + row * width
    length = tl.load(entries + count + 1)
    start = (program - tl.load(entries + count + 2)) * tile
    offsets = tl.max_contiguous(start + tl.arange(0, tile), tile)
    if start + tile <= length:
        _tile(entries, weights + row * count, offsets, length, count, kinds, rounding, stored, False)
    else:
        _tile(entries, weights + row * count, offsets, length, count, kinds, rounding, stored, True)


KERNEL: Any = sums_kernel
"""The kernel, as it is launched: ``KERNEL[(tiles,)](...)``."""
COMPILE_ERRORS: tuple[type[Exception], ...] = (TritonError, RuntimeError, OSError, SubprocessError)
"""What Triton raises where it cannot compile or launch; it needs a C compiler, too."""

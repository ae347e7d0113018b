"""Weighted sums in one pass over memory, by a C function that is compiled at first use.

It is compared with the plain chain of steps before it is used, in every combination of dtypes: where a single bit
differs it is left out, which costs speed and nothing else.
"""

from __future__ import annotations

import ctypes
import itertools
import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

from engine.arithmetic.weighted_sums import PlainSums, Term, base_first
from engine.kernels.checking import KINDS, numbers, same_bits, weights
from engine.kernels.compiler import library

log = logging.getLogger(__name__)

COMPILED_FROM = 1 << 24
"""Elements of a model, or of one tensor, from which compiling pays; smaller models never start a compiler."""
MOST_TERMS = 16
"""The C function takes so many terms."""
LARGEST_WEIGHT = 3e38
"""Weights beyond float32 are left to the plain steps, which refuse them."""

SOURCE = Path(__file__).with_name("weighted_sum.c")
_PAST_CACHE_FROM = 1 << 18  # elements; a result that no cache keeps is written around it, which saves a read
_WIDE = 32  # bytes of one such write
_THREAD_SHARE = 1 << 20  # elements that are worth a thread
_UNIT = 1 << 10  # shares are multiples of it, so that all begin as aligned as the first


class _CTerm(ctypes.Structure):
    _fields_ = (("data", ctypes.c_void_p), ("kind", ctypes.c_int32), ("weight", ctypes.c_float))


class CompiledSums:
    """The C function of a library.

    Args:
        loaded: the library of ``weighted_sum.c``.
    """

    def __init__(self, loaded: ctypes.CDLL) -> None:
        self._function = loaded.weighted_sum
        self._function.restype = None
        size, number = ctypes.c_int64, ctypes.c_int
        self._function.argtypes = (
            ctypes.POINTER(_CTerm), number, size, size, number, ctypes.c_void_p, number, number,
        )  # fmt: skip

    def takes(self, terms: Sequence[Term], out: Tensor) -> bool:
        """Whether the function can compute a sum: contiguous tensors on the CPU, of the three dtypes."""
        tensors = (out, *(tensor for tensor, _ in terms))
        return (
            0 < len(terms) <= MOST_TERMS
            and all(tensor.dtype in KINDS and tensor.is_contiguous() and tensor.is_cpu for tensor in tensors)
            and all(abs(weight) < LARGEST_WEIGHT for _, weight in terms)
        )

    def write(self, terms: Sequence[Term], round_to: torch.dtype, out: Tensor) -> None:
        """Write a sum, see ``PlainSums.write``; large ones are shared among torch's number of threads.

        Args:
            terms: flat and as long as ``out``, in the order of ``base_first``.
            round_to: the dtype of the one rounding.
            out: flat.
        """
        count, address = out.numel(), out.data_ptr()
        given = (_CTerm * len(terms))(*((t.data_ptr(), KINDS[t.dtype], weight) for t, weight in terms))
        past_cache = count >= _PAST_CACHE_FROM and address % _WIDE == 0

        def share(start: int, end: int) -> None:
            self._function(
                given, len(terms), start, end, KINDS[round_to], address, KINDS[out.dtype], past_cache
            )  # fmt: skip

        threads = max(1, min(torch.get_num_threads(), count // _THREAD_SHARE))
        if threads == 1:
            share(0, count)
            return
        length = -(-count // threads // _UNIT) * _UNIT
        starts = range(0, count, length)
        with ThreadPoolExecutor(threads) as pool:
            for done in [pool.submit(share, start, min(start + length, count)) for start in starts]:
                done.result()


@cache
def compiled_sums() -> CompiledSums | None:
    """The C function, compiled and checked once a process; None where there is none to be had."""
    loaded = library(SOURCE)
    if loaded is None:
        return None
    sums = CompiledSums(loaded)
    if agrees(sums):
        return sums
    log.warning("%s gives other bits than torch here, so models are built in several passes", SOURCE.name)
    return None


def agrees(sums: CompiledSums) -> bool:
    """Whether the function gives the bits of the plain steps, for all dtypes and numbers of all magnitudes."""
    drawn = [numbers(seed) for seed in range(3)]
    for kinds in itertools.product(KINDS, repeat=2):
        tensors = [drawn[0].to(kinds[0]), drawn[1].to(kinds[1]), drawn[2]]
        if not all(_agrees_for(sums, tensors, *stored) for stored in itertools.product(KINDS, repeat=2)):
            return False
    return True


def _agrees_for(sums: CompiledSums, tensors: list[Tensor], round_to: torch.dtype, stored: torch.dtype) -> bool:
    plain = PlainSums(torch.device("cpu"), round_to)
    for shares in (shares for count in (1, 2, 3) for shares in weights(count)):
        terms = base_first(list(zip(tensors, shares, strict=False)))
        found, expected = (torch.empty(tensors[0].numel(), dtype=stored) for _ in range(2))
        sums.write(terms, round_to, found)
        plain.write(terms, expected)
        if not same_bits(found, expected):
            return False
    return True

"""Runs the kernel for GPUs in Triton's interpreter, on the CPU: ``python -m tests.engine.kernels.interpreted``.

``TRITON_INTERPRET=1`` must be set before Triton is imported, so this is a process of its own. It prints one line for
each thing that holds, and stops at the first that does not.
"""

from __future__ import annotations

import itertools
import warnings

import torch
from torch import Tensor

from engine.arithmetic.weighted_sums import PlainSums, Term, base_first
from engine.kernels.checking import KINDS, numbers, same_bits
from engine.kernels.device_sums import DeviceSum, DeviceSums

CPU = torch.device("cpu")
DTYPES = list(KINDS)
LENGTHS = (1, 16, 2047, 2048, 2049, 3 * 2048, 5000)


def drawn(seed: int, count: int, dtype: torch.dtype) -> Tensor:
    return torch.randn(count, generator=torch.Generator().manual_seed(seed)).to(dtype)


def plain(terms: list[Term], round_to: torch.dtype, stored: torch.dtype) -> Tensor:
    expected = torch.empty(terms[0][0].numel(), dtype=stored)
    PlainSums(CPU, round_to).write(terms, expected)
    return expected


def check_dtypes() -> None:
    """All dtypes to read, to round to and to store in, with numbers of all magnitudes."""
    for round_to, *kinds, stored in itertools.product(DTYPES, repeat=4):
        terms = base_first([(numbers(seed).to(kind), 0.3 + 0.4 * seed) for seed, kind in enumerate(kinds)])
        out = torch.zeros(terms[0][0].numel(), dtype=stored)
        assert DeviceSums(CPU, round_to).write([(terms, out)]) == [True]
        assert same_bits(out, plain(terms, round_to, stored)), (round_to, kinds, stored)


def check_a_batch() -> None:
    """Sums of all lengths and of several patterns at once; what lies beside a result stays as it is."""
    rooms = [torch.full((length + 16,), 7.0) for length in LENGTHS]
    batch: list[DeviceSum] = []
    for number, room in enumerate(rooms):
        dtypes = (torch.float16, DTYPES[number % 2], torch.float32)[: 1 + number % 3]
        terms = [(drawn(seed, len(room) - 16, dtype), 0.2 + 0.3 * seed) for seed, dtype in enumerate(dtypes)]
        batch.append((base_first(terms), room[:-16]))
    assert all(DeviceSums(CPU, torch.float16).write(batch))
    for terms, out in batch:
        assert torch.equal(out, plain(list(terms), torch.float16, torch.float32)), len(out)
    assert all(bool((room[-16:] == 7).all()) for room in rooms)


def check_more_sums_than_a_launch_takes() -> None:
    outs = [torch.zeros(3) for _ in range(1030)]
    terms = base_first([(drawn(0, 3, torch.float16), 0.3), (drawn(1, 3, torch.float16), 0.7)])
    assert all(DeviceSums(CPU, torch.float16).write([(terms, out) for out in outs]))
    expected = plain(terms, torch.float16, torch.float32)
    assert all(torch.equal(out, expected) for out in outs)


def check_what_is_left_out() -> None:
    """Strides, addresses and dtypes that the kernel cannot read, and a sum of nothing."""
    tensor, out = drawn(0, 64, torch.float16), torch.zeros(32)
    left: list[DeviceSum] = [
        ([(tensor[::2], 1.0)], out),
        ([(tensor[1:33], 1.0)], out),
        ([(tensor[:32].double(), 1.0)], out),
        ([], out),
        ([(tensor[:0], 1.0)], out[:0]),
    ]
    assert not any(DeviceSums(CPU, torch.float16).write(left))
    assert not out.any()


if __name__ == "__main__":
    warnings.simplefilter("ignore", RuntimeWarning)  # numpy's, of infinities
    for check in (check_dtypes, check_a_batch, check_more_sums_than_a_launch_takes, check_what_is_left_out):
        check()
        print(check.__name__)

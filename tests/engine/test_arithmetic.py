from __future__ import annotations

import pytest
import torch

from engine.arithmetic import CPU_PIECE, Arithmetic, all_finite
from engine.plan import Row

CPU = torch.device("cpu")


def evaluated(row: Row, first: torch.Tensor, second: torch.Tensor, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    out = torch.empty(first.numel(), dtype=dtype)
    Arithmetic(CPU, dtype).evaluate(row, first, second, out)
    return out


def pair(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, generator=generator), torch.randn(count, generator=generator)


@pytest.mark.parametrize("ratio", [-0.3, 0.2, 0.4999, 0.5, 0.8, 1.4])
def test_a_ratio_mixes(ratio: float) -> None:
    a, b = pair(1000)
    found = evaluated(Row(first="A", second="B", ratio=ratio, scale=0.9), a, b)
    exact = 0.9 * (a.double() + ratio * (b.double() - a.double()))
    assert torch.allclose(found.double(), exact, rtol=0, atol=1e-6)


def test_the_ends_are_exact_even_with_huge_differences() -> None:
    a, b = torch.tensor([1.0, -0.0, 3e-8]), torch.tensor([3e8, 7.0, -1e8])
    for ratio, expected in ((0.0, a), (1.0, b)):
        found = evaluated(Row(first="A", second="B", ratio=ratio), a, b)
        assert torch.equal(found.view(torch.int32), expected.view(torch.int32))


def test_the_cut_into_pieces_does_not_matter() -> None:
    """Segments and single tensors are cut differently; the exported file is still the live model, bit for bit."""
    a, b = pair(2 * CPU_PIECE + 77)
    row = Row(first="A", second="B", ratio=0.37, scale=0.88)
    whole = evaluated(row, a.half(), b.half(), torch.float16)
    for start, end in ((0, 5), (3, CPU_PIECE + 9), (CPU_PIECE - 1, 2 * CPU_PIECE + 77)):
        part = evaluated(row, a[start:end].half(), b[start:end].half(), torch.float16)
        assert torch.equal(part, whole[start:end])


def test_a_shift_is_added_last() -> None:
    a, b = torch.ones(4), torch.zeros(4)
    found = evaluated(Row(first="A", second="B", ratio=0.5, scale=2.0, shift=(0.1, 0.2, 0.3, 0.4)), a, b)
    assert torch.allclose(found, torch.tensor([1.1, 1.2, 1.3, 1.4]))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_one_bad_number_is_found_anywhere(dtype: torch.dtype, value: float) -> None:
    tensor = torch.randn(203, generator=torch.Generator().manual_seed(0)).to(dtype)
    assert all_finite(tensor)
    for place in range(0, 203, 7):
        broken = tensor.clone()
        broken[place] = value
        assert not all_finite(broken), place


def test_nothing_is_finite() -> None:
    assert all_finite(torch.empty(0))

from __future__ import annotations

from itertools import pairwise

import pytest
import torch
from torch import Tensor

from engine.arithmetic.weighted_sums import CPU_PIECE
from engine.checkpoints.tensors import all_finite
from engine.merging.evaluate import Arithmetic
from engine.modes.plus_random import PLUS_RANDOM
from engine.modes.record import CalculationMode, Operands, PrepassKey
from engine.modes.rows import TensorRow, combined, model, scaled
from engine.modes.train_difference import TRAIN_DIFFERENCE

CPU = torch.device("cpu")


def mix(ratio: float) -> TensorRow:
    return combined(((model("A"), 1 - ratio), (model("B"), ratio)))


def evaluated(row: TensorRow, dtype: torch.dtype, **tensors: Tensor) -> Tensor:
    out = torch.empty(next(iter(tensors.values())).numel(), dtype=dtype)
    Arithmetic(CPU, dtype).evaluate(row, lambda name: tensors[name], out)
    return out


def three(count: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    a, b, c = (torch.randn(count, generator=generator) for _ in range(3))
    return a, b, c


@pytest.mark.parametrize("ratio", [-0.3, 0.2, 0.4999, 0.5, 0.8, 1.4])
def test_a_ratio_mixes(ratio: float) -> None:
    a, b, _ = three(1000)
    found = evaluated(scaled(mix(ratio), 0.9), torch.float32, A=a, B=b)
    exact = 0.9 * (a.double() + ratio * (b.double() - a.double()))
    assert torch.allclose(found.double(), exact, rtol=0, atol=1e-6)


@pytest.mark.parametrize("mode", [PLUS_RANDOM, TRAIN_DIFFERENCE], ids=lambda mode: mode.name)
def test_noise_and_zeros_are_made_where_the_models_are(mode: CalculationMode) -> None:
    """On the device ``meta``, which like a GPU adds nothing that lies on the CPU."""
    meta, prepass = torch.device("meta"), PLUS_RANDOM.prepass
    assert mode.folded is not None
    assert prepass is not None
    row = mode.folded(Operands(models=(model("A"), model("B"), TensorRow(())), alpha=0.1, run=1))
    known = {1: prepass.find([PrepassKey(key="key", shape=(4, 3), dtype=torch.float16)], 0)}
    out, tensor = torch.empty(12, device=meta), torch.empty(4, 3, device=meta)
    Arithmetic(meta, torch.float16).evaluate_key("key", row, lambda _: tensor, (4, 3), out, known)


def test_three_models_are_summed() -> None:
    a, b, c = three(1000)
    row = combined(((model("A"), 1.0), (model("B"), 0.7), (model("C"), -0.7)))
    exact = a.double() + 0.7 * (b.double() - c.double())
    assert torch.allclose(evaluated(row, torch.float32, A=a, B=b, C=c).double(), exact, rtol=0, atol=1e-6)


def test_equal_models_stay_equal_bit_for_bit() -> None:
    a, _, _ = three(1000)
    for weights in ((0.35, 0.65), (0.1, 0.9), (1.3, -0.3)):
        row = TensorRow((("A", weights[0]), ("B", weights[1])))
        assert torch.equal(evaluated(row, torch.float32, A=a, B=a.clone()), a)


def test_the_ends_are_exact_even_with_huge_differences() -> None:
    a, b = torch.tensor([1.0, -0.0, 3e-8]), torch.tensor([3e8, 7.0, -1e8])
    for ratio, expected in ((0.0, a), (1.0, b)):
        found = evaluated(mix(ratio), torch.float32, A=a, B=b)
        assert torch.equal(found.view(torch.int32), expected.view(torch.int32))


def test_the_cut_into_pieces_does_not_matter() -> None:
    """Segments and single tensors are cut differently; a folded file is still the live model, bit for bit."""
    a, b, c = (tensor.half() for tensor in three(2 * CPU_PIECE + 77))
    row = scaled(combined(((mix(0.37), 0.8), (model("C"), 0.2))), 0.88)
    whole = evaluated(row, torch.float16, A=a, B=b, C=c)
    for start, end in ((0, 5), (3, CPU_PIECE + 9), (CPU_PIECE - 1, 2 * CPU_PIECE + 77)):
        part = evaluated(row, torch.float16, A=a[start:end], B=b[start:end], C=c[start:end])
        assert torch.equal(part, whole[start:end])


def test_a_shift_is_added_last() -> None:
    row = TensorRow((("A", 1.0),), shift=(0.1, 0.2, 0.3, 0.4))
    found = evaluated(row, torch.float32, A=torch.ones(4))
    assert torch.allclose(found, torch.tensor([1.1, 1.2, 1.3, 1.4]))


def test_an_empty_row_is_zero() -> None:
    assert torch.equal(evaluated(TensorRow(()), torch.float16, A=torch.ones(3)), torch.zeros(3, dtype=torch.float16))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_one_bad_number_is_found_anywhere(dtype: torch.dtype, value: float) -> None:
    tensor = torch.randn(203, generator=torch.Generator().manual_seed(0)).to(dtype)
    assert all_finite(tensor)
    for place, _ in pairwise(range(0, 203, 7)):
        broken = tensor.clone()
        broken[place] = value
        assert not all_finite(broken), place


def test_nothing_is_finite() -> None:
    assert all_finite(torch.empty(0))

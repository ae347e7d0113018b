"""Interpolation and products, against exact fractions and, where the processor fuses, against torch itself."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.arithmetic.rounding import PIECE, lerp, lerp_by, product, times
from tests.engine.merging.capabilities import FUSING, current
from tests.engine.merging.closeness import is_same

RATIOS = (-1.1, -0.2, 1e-3, 0.25, 1 / 3, 0.4999, 0.5, 0.7, 0.95, 1.3, 2.7)
DTYPES = (torch.float16, torch.bfloat16, torch.float32)
fusing = pytest.mark.skipif(current() not in FUSING, reason="here torch.lerp rounds its product too")


def pair(count: int, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """A and B with differences of every size."""
    generator = torch.Generator().manual_seed(1)
    a, b, size = (torch.randn(count, generator=generator) for _ in range(3))
    return (a * 0.1).to(dtype), (b * torch.exp(size * 3)).to(dtype)


@fusing
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ratio", RATIOS)
def test_it_is_torchs_where_torch_fuses(dtype: torch.dtype, ratio: float) -> None:
    a, b = pair(2 * PIECE + 3, dtype)
    assert is_same(lerp(a, b, ratio, dtype), torch.lerp(a, b, ratio))


@fusing
@pytest.mark.parametrize("shape", [(500, 7), (7,), (500, 1)])
def test_it_is_torchs_with_a_weight_for_each_column(shape: tuple[int, ...]) -> None:
    a, b = (tensor.reshape(500, 7) for tensor in pair(3500, torch.float32))
    weight = torch.rand(shape, generator=torch.Generator().manual_seed(2)) * 1.4 - 0.2
    assert is_same(lerp_by(a, b, weight), torch.lerp(a, b, weight.expand(500, 7)))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("ratio", RATIOS)
def test_product_and_sum_round_together(dtype: torch.dtype, ratio: float) -> None:
    """The result is the float32 nearest to the exact sum of what the difference rounds to."""
    a, b = pair(300, dtype)
    share, start = np.float32(ratio), a
    if abs(share) >= 0.5:
        share, start = share - np.float32(1), b
    steps = (b.float() - a.float()).tolist()
    for found, base, step in zip(lerp(a, b, ratio).numpy(), start.tolist(), steps, strict=True):
        exact = Fraction(base) + Fraction(float(share)) * Fraction(step)
        assert 2 * abs(Fraction(float(found)) - exact) <= Fraction(float(np.spacing(np.abs(found))))


def test_weights_in_a_tensor_give_what_a_number_gives() -> None:
    a, b = pair(100, torch.float32)
    for ratio in RATIOS:
        assert is_same(lerp_by(a, b, torch.full((100,), ratio)), lerp(a, b, ratio))


def test_the_ends_may_have_other_dtypes_and_shapes_of_any_kind() -> None:
    a, b = torch.tensor(1.0, dtype=torch.float16), torch.tensor(3.0)
    assert is_same(lerp(a, b, 0.25, torch.float16), torch.tensor(1.5, dtype=torch.float16))
    columns = torch.arange(6.0).reshape(2, 3).T
    assert is_same(lerp(columns, columns + 2, 0.5), columns + 1)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_product_with_a_number_takes_the_number_as_float32(dtype: torch.dtype) -> None:
    a, _ = pair(1000, dtype)
    exact = a.double() * float(np.float32(0.1))
    assert is_same(times(0.1, a), exact.float().to(dtype))


def test_a_single_number_in_a_tensor_does_not_decide_the_dtype() -> None:
    a, share = pair(1000, torch.float16)[0], torch.tensor(0.1)
    assert is_same(product(a, share), times(0.1, a))
    assert product(a, share.expand(1000)).dtype == torch.float32

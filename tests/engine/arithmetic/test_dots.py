from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from engine.arithmetic.dots import Dots, total


def pair(*shape: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(3)
    a = torch.randn(shape, generator=generator)
    return a, a + torch.randn(shape, generator=generator)


@pytest.mark.parametrize("shape", [(1,), (2,), (5000,), (70_001,), (40, 3), (3, 70_000), (700, 20, 3, 3), (0, 4)])
def test_they_are_the_exact_sums(shape: tuple[int, ...]) -> None:
    a, b = pair(*shape)
    dots = Dots.of(a, b)
    assert dots.ab.shape == shape[1:]
    for found, left, right in ((dots.ab, a, b), (dots.aa, a, a), (dots.bb, b, b)):
        columns = (left.double() * right.double()).reshape(shape[0], dots.ab.numel()).T[:50].tolist()
        exact = torch.tensor([math.fsum(column) for column in columns], dtype=torch.float64)
        assert torch.allclose(found.reshape(-1)[:50], exact, rtol=1e-14, atol=1e-13)


def test_the_order_of_a_sum_is_fixed() -> None:
    """Halves onto halves: of five, the fourth goes to the first and the fifth to the second."""
    terms = torch.tensor([1.0, 2.0**-53, 1.0, 2.0**-53, 2.0**-53], dtype=torch.float64)
    first, second, third = 1 + 2.0**-53, 2.0**-53 + 2.0**-53, 1.0
    assert total(terms).item() == (first + third) + second
    assert total(torch.zeros(0, 2)).tolist() == [0, 0]


@pytest.mark.parametrize("shape", [(6,), (50, 7), (20, 5, 3)])
def test_cosines_are_torchs(shape: tuple[int, ...]) -> None:
    a, b = pair(*shape)
    assert torch.allclose(Dots.of(a, b).cosines().float(), F.cosine_similarity(a, b, dim=0), rtol=0, atol=3e-7)
    whole = torch.dot(a.reshape(-1), b.reshape(-1)) / (a.norm() * b.norm())
    assert torch.allclose(Dots.of(a, b).whole().float(), whole, rtol=0, atol=3e-7)
    a, b = F.normalize(a, dim=0), F.normalize(b, dim=0)
    normalized = Dots.of(*pair(*shape)).normalized()
    assert torch.allclose(normalized.cosines().float(), F.cosine_similarity(a, b, dim=0), rtol=0, atol=3e-7)
    whole = torch.dot(a.reshape(-1), b.reshape(-1)) / (a.norm() * b.norm())
    assert torch.allclose(normalized.whole().float(), whole, rtol=0, atol=3e-7)


@pytest.mark.parametrize("size", [0.0, 1e-15, 1e-9])
def test_columns_of_next_to_nothing_are_treated_as_torch_treats_them(size: float) -> None:
    a, b = torch.tensor([[1.0, size], [2.0, size]]), torch.tensor([[3.0, 1.0], [4.0, 1.0]])
    assert torch.allclose(Dots.of(a, b).cosines().float(), F.cosine_similarity(a, b, dim=0), rtol=1e-5)
    assert torch.allclose(
        Dots.of(a, b).normalized().cosines().float(),
        F.cosine_similarity(F.normalize(a, dim=0), F.normalize(b, dim=0), dim=0),
        rtol=1e-5,
    )
    assert Dots.of(torch.zeros(3, 2), torch.ones(3, 2)).whole().isnan()

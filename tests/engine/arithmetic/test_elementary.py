from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from engine.arithmetic.elementary import cos_sin, exp, log, power


def units_off(found: Tensor, exact: list[float]) -> float:
    """The largest distance in units in the last place of float64."""
    return max(abs(one - other) / math.ulp(other) for one, other in zip(found.tolist(), exact, strict=True))


def spread(low: float, high: float, count: int = 20_000) -> Tensor:
    return torch.rand(count, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * (high - low) + low


def test_log() -> None:
    ends = torch.tensor([1.0, 2.0**-149, 1e300, 0.7071067811865475, 1 - 2.0**-53], dtype=torch.float64)
    numbers = torch.cat((spread(0, 4), ends))
    assert units_off(log(numbers), [math.log(number) for number in numbers.tolist()]) <= 2
    assert log(torch.ones(1, dtype=torch.float64)).item() == 0


def test_exp() -> None:
    numbers = torch.cat((spread(-690, 690), spread(-1, 1)))
    assert units_off(exp(numbers), [math.exp(number) for number in numbers.tolist()]) <= 2
    assert exp(torch.tensor([-1e9, 0, float("nan")]).double()).tolist()[:2] == [pytest.approx(0, abs=1e-300), 1]


def test_cosine_and_sine() -> None:
    angles = spread(0, 2 * math.pi)
    cos, sin = cos_sin(angles)
    assert max(abs(one - math.cos(angle)) for one, angle in zip(cos.tolist(), angles.tolist(), strict=True)) <= 2**-52
    assert max(abs(one - math.sin(angle)) for one, angle in zip(sin.tolist(), angles.tolist(), strict=True)) <= 2**-52


@pytest.mark.parametrize("exponent", [0.3, 0.5, 1.0, 2.5, 40.0])
def test_powers_are_rounded_once(exponent: float) -> None:
    base = spread(0, 1).float()
    exact = torch.tensor([number**exponent for number in base.tolist()], dtype=torch.float64).float()
    assert torch.equal(power(base, exponent), exact)


def test_powers_at_the_ends() -> None:
    ends = torch.tensor([0.0, 1.0, 2.0**-149])
    assert power(ends, 0).tolist() == [1, 1, 1]
    assert power(ends, 2).tolist() == [0, 1, 0]
    assert power(torch.tensor([float("nan")]), 0.3).isnan().all()
    for function in (log, exp):
        assert function(torch.tensor([float("nan")]).double()).isnan().all()

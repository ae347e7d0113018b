"""trainDifference: adds B - C to A, more where B differs much from A."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.modes.record import AfterAdjust, CalculationMode, Operands, as_float32, as_term
from engine.modes.rows import TensorRow, calculated

if TYPE_CHECKING:
    from torch import Tensor

FACTOR = 1.8
"""What SuperMerger multiplies alpha by."""


def _trained(x: Operands[Tensor]) -> Tensor:
    import torch

    a, b, c = x.models
    difference = b - c
    distance, other = difference.abs(), (b - a).abs()
    total = distance + other
    scale = torch.where(total != 0, other / total, torch.zeros(()))
    return a + torch.sign(difference) * scale * distance * (x.alpha * FACTOR)


def _exact(x: Operands[Tensor]) -> Tensor | None:
    """In float32; a tensor that is equal in B and C stays A's."""
    import torch

    wide = as_float32(x)
    return None if torch.equal(wide.b, wide.c) else _trained(wide)


def _unless_equal(x: Operands[Tensor]) -> Tensor:
    """The first, or the second unless the third and the fourth are equal."""
    import torch

    kept, changed, b, c = x.models
    return kept if torch.equal(b, c) else changed


def _adjusted_unless_equal(x: Operands[TensorRow], before: TensorRow, adjusted: TensorRow) -> TensorRow:
    return adjusted if adjusted == before else calculated(_unless_equal, x.a, adjusted, x.b, x.c)


TRAIN_DIFFERENCE = CalculationMode(
    name="trainDifference",
    exact=_exact,
    folded=as_term(_trained, models=3),
    inputs="ABC",
    after_adjust=AfterAdjust(exact=lambda _, adjusted: adjusted, folded=_adjusted_unless_equal),
    joins_adjust=False,
)

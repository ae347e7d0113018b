"""tensor and tensor2: rows (tensor) or columns (tensor2) of one model among those of the other."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from engine.modes.record import CalculationMode, Formula, Operands, as_term
from engine.modes.sums import WEIGHT_SUM

if TYPE_CHECKING:
    from torch import Tensor

_WIDE = 100  # tensor2 counts along dim 1 only where that is longer


def _spliced(x: Operands[Tensor], *, columns: bool) -> Tensor:
    """With alpha + beta up to 1, alpha of them from B, beginning at beta; with more, B with what is left out from A."""
    a, b, alpha, beta = x.a, x.b, x.alpha, x.beta
    if a.ndim == 0:
        return a
    dim = 1 if columns and a.ndim > 1 else 0
    count = a.shape[1] if dim == 1 and a.shape[1] > _WIDE else a.shape[0]
    under = alpha + beta <= 1
    start, end = (count * beta, count * (alpha + beta)) if under else (count * (alpha + beta - 1), count * beta)
    whole, part = (a, b) if under else (b, a)
    found = whole.clone()
    where = (slice(int(start), int(end)),) if dim == 0 else (slice(None), slice(int(start), int(end)))
    found[where] = part[where].to(found.dtype)
    return found


def _splice_mode(name: str, *, columns: bool) -> CalculationMode:
    formula: Formula = partial(_spliced, columns=columns)
    return CalculationMode(
        name=name,
        exact=formula,
        folded=as_term(formula, models=2),
        beta="blocks",
        neutral_beta=(0.0, 1.0),
        made_for=WEIGHT_SUM.name,
    )


TENSOR = _splice_mode("tensor", columns=False)
TENSOR_2 = _splice_mode("tensor2", columns=True)

"""smoothAdd: adds the smoothed second model. "smoothAdd MT" adds it after Adjust."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.modes.record import AfterAdjust, CalculationMode, Operands
from engine.modes.rows import TensorRow, calculated, combined
from engine.modes.sums import ADD_DIFFERENCE

if TYPE_CHECKING:
    from torch import Tensor


def _smoothed(x: Operands[Tensor]) -> Tensor:
    from engine.arithmetic.smoothing import smoothed

    return smoothed(x.a.cpu())


def _added(x: Operands[Tensor], base: Tensor) -> Tensor:
    from engine.arithmetic.smoothing import smoothed

    return base + x.alpha * smoothed(x.b.float())


def _added_row(x: Operands[TensorRow], base: TensorRow) -> TensorRow:
    return combined(((base, 1.0), (calculated(_smoothed, x.b), x.alpha)))


SMOOTH_ADD = CalculationMode(
    name="smoothAdd",
    exact=lambda x: _added(x, x.a),
    folded=lambda x: _added_row(x, x.a),
    made_for=ADD_DIFFERENCE.name,
)
SMOOTH_ADD_MT = CalculationMode(
    name="smoothAdd MT",
    exact=lambda x: x.a,
    folded=lambda x: x.a,
    after_adjust=AfterAdjust(exact=_added, folded=lambda x, _, adjusted: _added_row(x, adjusted)),
    joins_adjust=False,
    made_for=ADD_DIFFERENCE.name,
)

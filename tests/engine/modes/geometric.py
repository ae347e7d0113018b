"""A calculation mode as somebody else would write it: a file with one record, in a package of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.modes.record import CalculationMode, Operands, as_term, in_float32

if TYPE_CHECKING:
    from torch import Tensor


def geometric(x: Operands[Tensor]) -> Tensor:
    """The weighted geometric mean of A and B, with the sign of A."""
    return x.a.sign() * x.a.abs() ** (1 - x.alpha) * x.b.abs() ** x.alpha


GEOMETRIC = CalculationMode(
    name="geometric",
    exact=in_float32(geometric),
    folded=as_term(geometric, models=2),
    alpha_limits=(0, 1),
    made_for="Weight sum",
)

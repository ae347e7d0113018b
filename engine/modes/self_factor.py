"""self: multiplies A's own tensors by alpha."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from engine.modes.record import CalculationMode, Operands
from engine.modes.rows import scaled

if TYPE_CHECKING:
    from torch import Tensor


def _exact(x: Operands[Tensor]) -> Tensor:
    from engine.arithmetic.rounding import times

    return times(x.alpha, x.a)


SELF = CalculationMode(
    name="self",
    exact=_exact,
    folded=lambda x: scaled(x.a, x.alpha),
    inputs="A",
    neutral=1.0,
    neutral_beta=(-inf, inf),
    linear=True,
    ratio_noun="times",
    not_searched=("multiplies A alone by the ratios", "choose sites under [space.self]"),
)

"""extract: adds to A what B and C have in common (beta 0), or what only one of them has (beta 1)."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from engine.modes.record import CalculationMode, Operands, as_term, in_float32

if TYPE_CHECKING:
    from torch import Tensor


def _extracted(x: Operands[Tensor]) -> Tensor:
    import torch

    from engine.arithmetic.dots import Dots
    from engine.arithmetic.elementary import power
    from engine.arithmetic.rounding import lerp

    first, second = x.b - x.a, x.c - x.a
    rows = (torch.atleast_1d(tensor).movedim(-1, 0) for tensor in (first, second))
    agreement = Dots.of(*rows).cosines().float().clamp(-1, 1).unsqueeze(-1)
    strength = power((agreement + 1) / 2, x.gamma)
    return x.a + lerp(first, second, x.alpha) * lerp(strength, 1 - strength, x.beta)


EXTRACT = CalculationMode(
    name="extract",
    exact=in_float32(_extracted),
    folded=as_term(_extracted, models=3),
    inputs="ABC",
    beta="number",
    gamma=True,
    alpha_limits=(0, 1),
    beta_limits=(0, 1),
    gamma_limits=(0, inf),
    neutral=None,
    not_in=("2023",),
)

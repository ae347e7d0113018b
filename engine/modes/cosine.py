"""cosineA and cosineB: more of A where the models point the same way.

Both first compare every tensor of the models, column by column of dim 0. The share of A in a column is where its
similarity lies in the range of all of them, less alpha. cosineA compares columns at length one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from engine.errors import RecipeError
from engine.modes.record import CalculationMode, Formula, Operands, Prepass, PrepassKey, as_float32, as_term
from engine.modes.sums import WEIGHT_SUM

if TYPE_CHECKING:
    from torch import Tensor

    from engine.arithmetic.dots import Dots


@dataclass(frozen=True, slots=True, kw_only=True)
class CosineRange:
    """The lowest and the highest similarity between two models, but for one in a hundred on either side."""

    low: float
    high: float


def _dots(a: Tensor, b: Tensor, *, normalized: bool) -> Dots:
    """By column; a single number counts as a column of one."""
    import torch

    from engine.arithmetic.dots import Dots

    dots = Dots.of(torch.atleast_1d(a), torch.atleast_1d(b))
    return dots.normalized() if normalized else dots


def _similarity(dots: Dots) -> Tensor:
    """Half the similarity by column, half that of the whole; float32."""
    return ((dots.cosines() + dots.whole()) / 2).float()


def _collected(a: Tensor, b: Tensor, *, normalized: bool) -> Tensor:
    """What the pre-pass collects of one tensor: one number for every column, float32, on the CPU."""
    dots = _dots(a, b, normalized=normalized)
    return (dots.cosines().float() if normalized else _similarity(dots)).cpu()


def _similarity_range(keys: Iterable[PrepassKey], _seed: int, *, name: str, normalized: bool) -> CosineRange:
    """The range of all similarities: NaN left out, then below the 1st and above the 99th percentile."""
    import numpy as np
    import numpy.typing as npt

    collected = [_collected(*key.tensors, normalized=normalized) for key in keys]
    values: npt.NDArray[np.float64] = np.concatenate([one.reshape(-1).double().numpy() for one in collected] or [[]])
    values = values[~np.isnan(values)]
    for percentile, keep_above in ((1, True), (99, False)):
        if values.size:
            limit = np.percentile(values, percentile, method="midpoint")
            values = values[values >= limit] if keep_above else values[values <= limit]
    if not values.size:
        raise RecipeError(f"{name}: the models have too few tensors in common to compare", remedy="write normal")
    return CosineRange(low=float(values.min()), high=float(values.max()))


def _share(x: Operands[Tensor], *, normalized: bool) -> Tensor:
    """The share of A, 0 to 1, for every column of dim 0; NaN where a tensor is all zeros."""
    import torch

    limits: CosineRange = x.known
    found = _similarity(_dots(x.a, x.b, normalized=normalized)) - limits.low
    # Divided by a tensor: by a number, a GPU would multiply by its reciprocal.
    share = found / torch.full_like(found, limits.high - limits.low)
    return (share - (abs(x.alpha) if normalized else x.alpha)).clip(min=0.0, max=1.0)


def _interpolated(x: Operands[Tensor], *, normalized: bool) -> Tensor:
    from engine.arithmetic.rounding import lerp_by

    return lerp_by(x.b, x.a, _share(x, normalized=normalized))


def _exact(x: Operands[Tensor], *, normalized: bool) -> Tensor:
    from engine.arithmetic.rounding import product

    if not x.rounding.old:
        return _interpolated(as_float32(x), normalized=normalized).to(x.a.dtype)
    share = _share(as_float32(x), normalized=normalized)
    return product(x.b, 1 - share) + product(x.a, share)


def _cosine_mode(name: str, *, normalized: bool) -> CalculationMode:
    formula: Formula = partial(_interpolated, normalized=normalized)
    return CalculationMode(
        name=name,
        exact=partial(_exact, normalized=normalized),
        folded=as_term(formula, models=2),
        neutral=None,
        skips=("first_stage_model",),
        prepass=Prepass(compares=True, find=partial(_similarity_range, name=name, normalized=normalized)),
        made_for=WEIGHT_SUM.name,
    )


COSINE_A = _cosine_mode("cosineA", normalized=True)
COSINE_B = _cosine_mode("cosineB", normalized=False)

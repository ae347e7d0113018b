"""The merge modes, weighted sums of two or three models, and the calculation mode ``normal``, which is just these.

The exact forms are SuperMerger's arithmetic, dtype by dtype, at the commits named in ``engine.recipes.dialects``. What
it leaves to ``torch.lerp``, and to products with a number, is done by ``engine.arithmetic.rounding``, which gives the
same bits on every processor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from engine.errors import RecipeError
from engine.modes.record import CalculationMode, MergeMode, Operands, Rounding

if TYPE_CHECKING:
    from torch import Tensor

_REMEDY = 'write dialect = "classic", which merges them, or convert the models to one dtype'


def weight_sum(x: Operands[Tensor]) -> Tensor:
    """``(1 - alpha) * A + alpha * B``; in A's dtype, but B itself for alpha 1."""
    from engine.arithmetic.rounding import lerp, times

    if not x.rounding.any_ratio and x.alpha in {0, 1}:
        return x.b if x.alpha else x.a
    if x.rounding.old:
        return times(1 - x.alpha, x.a) + times(x.alpha, x.b)
    return lerp(x.a, x.b, x.alpha, x.a.dtype)


def difference(b: Tensor, c: Tensor | None, rounding: Rounding) -> Tensor:
    """B - C, rounded to B's dtype since November 2023; zeros where C lacks the key."""
    import torch

    if c is None:
        return torch.zeros_like(b) if rounding.native_dtype else torch.zeros_like(b, dtype=torch.float16)
    if rounding.native_dtype:
        return b - c
    return (b.float() - c.float()).to(b.dtype)


def add_difference(x: Operands[Tensor]) -> Tensor:
    """``A + alpha * D``, where D is the second model.

    Raises:
        RecipeError: dialect ``head`` with dtypes that it cannot add.
    """
    from engine.arithmetic.rounding import times

    if x.rounding.native_dtype:
        return x.a + times(x.alpha, x.b)
    if not x.rounding.native_sums:
        return (x.a.float() + x.alpha * x.b.float()).to(x.a.dtype)
    found = x.a + times(x.alpha, x.b)
    if found.dtype != x.a.dtype:
        what = f"dialect {x.rounding.dialect} cannot add models of {x.a.dtype} and {x.b.dtype}"
        raise RecipeError(what, remedy=_REMEDY)
    return found


def triple_sum(x: Operands[Tensor]) -> Tensor:
    """``(1 - alpha - beta) * A + alpha * B + beta * C``.

    Raises:
        RecipeError: dialect ``head`` with mixed dtypes.
    """
    from engine.arithmetic.rounding import lerp, times

    a, b, c, total = x.a, x.b, x.c, x.alpha + x.beta
    if x.rounding.old or total == 0:
        return times(1 - x.alpha - x.beta, a) + times(x.alpha, b) + times(x.beta, c)
    inner = lerp(b, c, x.beta / total)
    if not x.rounding.native_sums:
        return lerp(a, inner, total, a.dtype)
    if not a.dtype == b.dtype == c.dtype:
        what = f"dialect {x.rounding.dialect} cannot sum models of {a.dtype}, {b.dtype} and {c.dtype}"
        raise RecipeError(what, remedy=_REMEDY)
    return lerp(a, inner.to(b.dtype), total, a.dtype)


def sum_twice(x: Operands[Tensor]) -> Tensor:
    """``(1 - beta) * ((1 - alpha) * A + alpha * B) + beta * C``."""
    from engine.arithmetic.rounding import lerp, times

    a, b, c = x.models
    if x.rounding.old:
        return times(1 - x.beta, times(1 - x.alpha, a) + times(x.alpha, b)) + times(x.beta, c)
    return lerp(lerp(a, b, x.alpha), c, x.beta, a.dtype)


WEIGHT_SUM = MergeMode(
    name="Weight sum",
    mark="Weight",
    models=2,
    exact=weight_sum,
    weights=lambda alpha, _: (1 - alpha, alpha),
    formula="A*(1-alpha)+B*alpha",
)
ADD_DIFFERENCE = MergeMode(
    name="Add difference",
    mark="Add",
    models=3,
    exact=add_difference,
    weights=lambda alpha, _: (1.0, alpha),
    formula="A+(B-C)*alpha",
    subtracts=True,
)
TRIPLE_SUM = MergeMode(
    name="Triple sum",
    mark="Triple",
    models=3,
    exact=triple_sum,
    weights=lambda alpha, beta: (1 - alpha - beta, alpha, beta),
    formula="A*(1-alpha-beta)+B*alpha+C*beta",
    beta=True,
)
SUM_TWICE = MergeMode(
    name="sum Twice",
    mark="Twice",
    models=3,
    exact=sum_twice,
    weights=lambda alpha, beta: ((1 - beta) * (1 - alpha), (1 - beta) * alpha, beta),
    formula="(A*(1-alpha)+B*alpha)*(1-beta)+C*beta",
    beta=True,
)
NORMAL = CalculationMode(name="normal", linear=True, elementwise=True, merges_inputs=True)

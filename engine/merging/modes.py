"""SuperMerger's merge modes with calculation mode ``normal``, in its own arithmetic, dtype by dtype.

Each function takes tensors of any floating dtype and gives a new one. What SuperMerger leaves to ``torch.lerp``, and to
products with a number, is done by ``engine.arithmetic.rounding``, which gives the same bits on every processor.
"""

from __future__ import annotations

import torch
from torch import Tensor

from engine.arithmetic.rounding import lerp, times
from engine.errors import RecipeError
from engine.recipes.dialects import Dialect

WAY_OUT = 'write dialect = "classic", which merges them, or convert the models to one dtype'


def weight_sum(a: Tensor, b: Tensor, alpha: float, *, native: bool) -> Tensor:
    """``(1 - alpha) * A + alpha * B``; in A's dtype, but B itself for alpha 1.

    Args:
        a: of A.
        b: of B.
        alpha: the share of B.
        native: in the models' own dtype, as until October 2023; else in float32.
    """
    if alpha == 0:
        return a
    if alpha == 1:
        return b
    if native:
        return times(1 - alpha, a) + times(alpha, b)
    return lerp(a, b, alpha, a.dtype)


def difference(b: Tensor, c: Tensor | None, dialect: Dialect) -> Tensor:
    """B - C, rounded to B's dtype since November 2023; zeros where C lacks the key."""
    if c is None:
        return torch.zeros_like(b) if dialect.native_dtype else torch.zeros_like(b, dtype=torch.float16)
    if dialect.native_dtype:
        return b - c
    return (b.float() - c.float()).to(b.dtype)


def add_difference(a: Tensor, d: Tensor, alpha: float, dialect: Dialect) -> Tensor:
    """``A + alpha * D``.

    Raises:
        RecipeError: dialect ``head`` with dtypes that it cannot add.
    """
    if dialect.native_dtype:
        return a + times(alpha, d)
    if not dialect.native_sums:
        return (a.float() + alpha * d.float()).to(a.dtype)
    found = a + times(alpha, d)
    if found.dtype != a.dtype:
        raise RecipeError(f"dialect {dialect.name} cannot add models of {a.dtype} and {d.dtype}; {WAY_OUT}")
    return found


def triple_sum(a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float, dialect: Dialect, *, old: bool) -> Tensor:
    """``(1 - alpha - beta) * A + alpha * B + beta * C``.

    Raises:
        RecipeError: dialect ``head`` with mixed dtypes.
    """
    total = alpha + beta
    if old or total == 0:
        return times(1 - alpha - beta, a) + times(alpha, b) + times(beta, c)
    inner = lerp(b, c, beta / total)
    if not dialect.native_sums:
        return lerp(a, inner, total, a.dtype)
    if not a.dtype == b.dtype == c.dtype:
        raise RecipeError(f"dialect {dialect.name} cannot sum models of {a.dtype}, {b.dtype} and {c.dtype}; {WAY_OUT}")
    return lerp(a, inner.to(b.dtype), total, a.dtype)


def sum_twice(a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float, *, old: bool) -> Tensor:
    """``(1 - beta) * ((1 - alpha) * A + alpha * B) + beta * C``."""
    if old:
        return times(1 - beta, times(1 - alpha, a) + times(alpha, b)) + times(beta, c)
    return lerp(lerp(a, b, alpha), c, beta, a.dtype)

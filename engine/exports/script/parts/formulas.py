"""The formulas of the linear modes, as ``engine.modes.sums`` has them, in fewer words."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

PIECE = 1 << 20
"""How many numbers are computed at a time."""


class ScriptError(Exception):
    """Something that a person has to see to."""


def times(factor: float, tensor: Tensor) -> Tensor:
    """A number times a tensor, in float32, rounded to the tensor's dtype."""
    return (tensor.float() * factor).to(torch.result_type(tensor, factor))


def lerp(start: Tensor, end: Tensor, weight: float, dtype: torch.dtype = torch.float32) -> Tensor:
    """``start + weight * (end - start)``: difference in float32, product and sum rounded together, then to dtype."""
    share, base = np.float32(weight), start
    if abs(share) >= 0.5:
        share, base = share - np.float32(1), end
    first, second, base = start.reshape(-1), end.reshape(-1), base.reshape(-1)
    found = torch.empty(first.shape, dtype=dtype)
    for begin in range(0, found.numel(), PIECE):
        piece = slice(begin, begin + PIECE)
        steps = (second[piece].float() - first[piece].float()).double()
        found[piece] = (base[piece].double() + float(share) * steps).float().to(dtype)
    return found.reshape(start.shape)


def weight_sum(a: Tensor, b: Tensor, alpha: float) -> Tensor:
    """(1 - alpha) * A + alpha * B, rounded to A's dtype."""
    if alpha in {0, 1}:
        return b if alpha else a
    return lerp(a, b, alpha, a.dtype)


def weight_sum_in_own_dtype(a: Tensor, b: Tensor, alpha: float) -> Tensor:
    """(1 - alpha) * A + alpha * B, each product rounded to the dtype of the models."""
    if alpha in {0, 1}:
        return b if alpha else a
    return weight_sum_of_any_ratio(a, b, alpha)


def weight_sum_of_any_ratio(a: Tensor, b: Tensor, alpha: float) -> Tensor:
    """(1 - alpha) * A + alpha * B, each product rounded to the dtype of the models, for 0 and 1 too."""
    return times(1 - alpha, a) + times(alpha, b)


def add_difference(a: Tensor, difference: Tensor, alpha: float) -> Tensor:
    """A + alpha * (B - C) in float32, rounded to A's dtype."""
    return (a.float() + alpha * difference.float()).to(a.dtype)


def add_difference_in_own_dtype(a: Tensor, difference: Tensor, alpha: float) -> Tensor:
    """A + alpha * (B - C), the product rounded to the dtype of the models."""
    return a + times(alpha, difference)


def add_difference_of_one_dtype(a: Tensor, difference: Tensor, alpha: float) -> Tensor:
    """A + alpha * (B - C), the product rounded to the dtype of the models, which must be one."""
    found = add_difference_in_own_dtype(a, difference, alpha)
    if found.dtype != a.dtype:
        raise ScriptError(f"the models have tensors of {a.dtype} and {difference.dtype}: convert them to one dtype")
    return found


def triple_sum_in_own_dtype(a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float) -> Tensor:
    """(1 - alpha - beta) * A + alpha * B + beta * C, each product rounded to the dtype of the models."""
    return times(1 - alpha - beta, a) + times(alpha, b) + times(beta, c)


def triple_sum(a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float) -> Tensor:
    """(1 - alpha - beta) * A + alpha * B + beta * C: first B and C in float32, then A with these."""
    total = alpha + beta
    if total == 0:
        return triple_sum_in_own_dtype(a, b, c, alpha, beta)
    return lerp(a, lerp(b, c, beta / total), total, a.dtype)


def triple_sum_of_one_dtype(a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float) -> Tensor:
    """(1 - alpha - beta) * A + alpha * B + beta * C: first B and C, rounded, then A with these."""
    total = alpha + beta
    if total == 0:
        return triple_sum_in_own_dtype(a, b, c, alpha, beta)
    if not a.dtype == b.dtype == c.dtype:
        raise ScriptError(f"the models have tensors of {a.dtype}, {b.dtype} and {c.dtype}: convert them to one dtype")
    return lerp(a, lerp(b, c, beta / total).to(b.dtype), total, a.dtype)


def sum_twice(a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float) -> Tensor:
    """(1 - beta) * ((1 - alpha) * A + alpha * B) + beta * C, rounded to A's dtype."""
    return lerp(lerp(a, b, alpha), c, beta, a.dtype)


def sum_twice_in_own_dtype(a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float) -> Tensor:
    """(1 - beta) * ((1 - alpha) * A + alpha * B) + beta * C, each product rounded to the dtype of the models."""
    return times(1 - beta, times(1 - alpha, a) + times(alpha, b)) + times(beta, c)


def multiplied(a: Tensor, alpha: float) -> Tensor:
    """Alpha times A, rounded to A's dtype."""
    return times(alpha, a)


def train_difference(a: Tensor, b: Tensor, c: Tensor, alpha: float) -> Tensor | None:
    """A and B - C, more of it where B differs much from A, in float32; None where B and C are equal."""
    a, b, c = a.float(), b.float(), c.float()
    if torch.equal(b, c):
        return None
    difference, other = b - c, (b - a).abs()
    total = difference.abs() + other
    scale = torch.where(total != 0, other / total, torch.zeros(()))
    return a + torch.sign(difference) * scale * difference.abs() * (alpha * 1.8)


def halved(a: Tensor, _alpha: float) -> Tensor:
    """A, float32 rounded to float16."""
    return a.half() if a.dtype == torch.float32 else a


def difference(b: Tensor, c: Tensor | None) -> Tensor:
    """B - C, rounded to B's dtype; zeros where C has no such tensor."""
    if c is None:
        return torch.zeros_like(b, dtype=torch.float16)
    return (b.float() - c.reshape(b.shape).float()).to(b.dtype)


def difference_in_own_dtype(b: Tensor, c: Tensor | None) -> Tensor:
    """B - C in the dtype of the models; zeros where C has no such tensor."""
    return torch.zeros_like(b) if c is None else b - c.reshape(b.shape)

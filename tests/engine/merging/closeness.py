"""How far two tensors lie apart, counted in the rounding that merges are allowed."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def is_same(left: Tensor, right: Tensor) -> bool:
    """Equal bit for bit, dtype and shape included."""
    same = left.dtype == right.dtype and left.shape == right.shape
    return same and torch.equal(left.reshape(-1).view(torch.uint8), right.reshape(-1).view(torch.uint8))


def off(found: Tensor, wanted: Tensor, *inputs: Tensor) -> float:
    """By how many times the tolerance a tensor is wrong: 2e-7 * max(1, |x|) in float32, one step in float16.

    Results are made of sums that may cancel: with `inputs`, the tolerance is that of the largest number among them
    and the result. What differs in dtype, shape or the place of a NaN is infinitely wrong.
    """
    nowhere = found.dtype != wanted.dtype or found.shape != wanted.shape
    if nowhere or not torch.equal(found.isnan(), wanted.isnan()):
        return float("inf")
    size = wanted.double().abs()
    for tensor in inputs:
        size = size.clamp(min=_largest(tensor))
    if wanted.dtype == torch.float16:
        step = torch.exp2(torch.floor(torch.log2(size.clamp(min=2.0**-14))) - 10)
    else:
        step = 2e-7 * size.clamp(min=1)
    return _largest((found.double() - wanted.double()) / step)


def steps_off(found: Tensor, wanted: Tensor, inputs: Iterable[Tensor], dtype: torch.dtype) -> float:
    """How far apart, in units in the last place of ``dtype`` at the size of the largest number around."""
    numbers = [t.double().abs().nan_to_num(0.0, 0.0, 0.0).max() for t in (wanted, *inputs) if t.numel()]
    size = max([torch.tensor(2.0**-14, dtype=torch.float64), *numbers])
    unit = torch.exp2(torch.floor(torch.log2(size))) * torch.finfo(dtype).eps
    apart = (found.double() - wanted.double()).abs()
    both_nan = found.isnan() & wanted.isnan()
    return float((apart.masked_fill(both_nan, 0.0) / unit).max()) if apart.numel() else 0.0


def _largest(tensor: Tensor) -> float:
    return float(tensor.double().abs().nan_to_num(nan=0.0).max()) if tensor.numel() else 0.0

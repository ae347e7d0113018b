"""Steps of a merge that need care to round alike on every processor: products with a number, and interpolation.

``torch.lerp`` fuses its product and its sum, so that they round together, where the processor's vectors can, and rounds
both where they cannot. SuperMerger's merges are made on processors that fuse, so that is what is computed here, out of
additions, multiplications and conversions as IEEE 754 defines them, each a call of its own.
"""

from __future__ import annotations

import threading

import numpy as np
import torch
from torch import Tensor

PIECE = 1 << 17
"""How many elements are computed at a time: so few that the scratch stays in the cache of a core."""


def times(factor: float, tensor: Tensor) -> Tensor:
    """A number times a tensor, in float32, rounded to the tensor's dtype; float32 of whole numbers."""
    return (tensor.float() * factor).to(torch.result_type(tensor, factor))


def product(left: Tensor, right: Tensor) -> Tensor:
    """A product in float32, rounded to the dtype that torch gives to it."""
    return (left.float() * right.float()).to(torch.result_type(left, right))


def lerp(start: Tensor, end: Tensor, weight: float, dtype: torch.dtype = torch.float32) -> Tensor:
    """``start + weight * (end - start)`` as torch computes it where it fuses, for a weight that is a number.

    The difference is rounded to float32, then product and sum together, then the result to ``dtype``. From a weight of
    one half on the sum begins at the other end: ``end + (weight - 1) * (end - start)``. The product of two float32 is
    exact in float64, so no processor can fuse it with the sum to another result. The sum rounds to float64 and then to
    float32: about one element in 2**29 differs by one unit in the last place of float32 from a sum that rounds once.

    Args:
        start: float16, bfloat16 or float32.
        end: as ``start``.
        weight: not only 0 to 1.
        dtype: of the result.
    """
    found = torch.empty(start.shape, dtype=dtype, device=start.device)
    first, second, flat = start.reshape(-1), end.reshape(-1), found.view(-1)
    share, base = np.float32(weight), 0
    if abs(share) >= 0.5:
        share, base = share - np.float32(1), 1
    for begin in range(0, flat.numel(), PIECE):
        piece = slice(begin, begin + PIECE)
        _lerp_piece(first[piece], second[piece], float(share), base, flat[piece])
    return found


def _lerp_piece(start: Tensor, end: Tensor, share: float, base: int, out: Tensor) -> None:
    first, steps, double, total = (room[: out.numel()] for room in _SCRATCH.of(out.device))
    first.copy_(start)
    steps.copy_(end)
    total.copy_(steps if base else first)
    double.copy_(steps.sub_(first))
    out.copy_(steps.copy_(total.add_(double, alpha=share)))


class _Scratch(threading.local):
    """Memory of a thread for one piece, used again and again: fresh memory costs more than the arithmetic."""

    def __init__(self) -> None:
        self._rooms: dict[torch.device, tuple[Tensor, ...]] = {}

    def of(self, device: torch.device) -> tuple[Tensor, ...]:
        """Two of float32, two of float64."""
        if device not in self._rooms:
            kinds = (torch.float32, torch.float32, torch.float64, torch.float64)
            self._rooms[device] = tuple(torch.empty(PIECE, dtype=kind, device=device) for kind in kinds)
        return self._rooms[device]


_SCRATCH = _Scratch()


def lerp_by(start: Tensor, end: Tensor, weight: Tensor) -> Tensor:
    """``lerp`` of float32 tensors by weights of their own, which fit the shape of ``start``."""
    near, steps = weight.abs() < 0.5, (end - start).double()
    share = torch.where(near, weight, weight - 1)
    return torch.where(near, start, end).double().add_(steps.mul_(share)).float()

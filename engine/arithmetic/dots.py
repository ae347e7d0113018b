"""Dot products and cosines of float32 tensors, the same bits on every processor and with any number of threads.

A sum is rounded at every addition, so its order is part of its definition. Here it is fixed by the shape alone: rows
come in blocks, the blocks are added one after the other, and the rows of what they add up to are halved until one is
left. Products of two float32 are exact in float64, and the sums are so close that the result is rounded but once.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_BLOCK = 1 << 16  # elements of a block of rows; another number gives other last bits
_NORMAL_FLOOR, _COSINE_FLOOR = 1e-12, 1e-8  # the least that torch's normalize and cosine_similarity divide by


@dataclass(frozen=True, slots=True, kw_only=True)
class Dots:
    """Dot products of two tensors' columns along ``dim`` 0: float64, in the shape of the other dimensions.

    Attributes:
        ab: of the one with the other.
        aa: of the first with itself.
        bb: of the second with itself.
    """

    ab: Tensor
    aa: Tensor
    bb: Tensor

    @classmethod
    def of(cls, a: Tensor, b: Tensor) -> Dots:
        """Of two float32 tensors of the same shape, which has at least one dimension."""
        count, shape = a.shape[0], a.shape[1:]
        a, b = a.reshape(count, shape.numel()), b.reshape(count, shape.numel())
        rows = min(count, max(1, _BLOCK // max(1, shape.numel())))
        sums = torch.zeros(rows, 3, shape.numel(), dtype=torch.float64, device=a.device)
        for start in range(0, count, max(1, rows)):
            x, y = a[start : start + rows].double(), b[start : start + rows].double()
            for place, (left, right) in enumerate(((x, y), (x, x), (y, y))):
                sums[: len(x), place].add_(left * right)
        ab, aa, bb = total(sums).reshape(3, *shape)
        return cls(ab=ab, aa=aa, bb=bb)

    def normalized(self) -> Dots:
        """Those of the columns at length one, as ``torch.nn.functional.normalize`` makes them."""
        a, b = (dot.sqrt().clamp(min=_NORMAL_FLOOR) for dot in (self.aa, self.bb))
        return Dots(ab=self.ab / (a * b), aa=self.aa / (a * a), bb=self.bb / (b * b))

    def cosines(self) -> Tensor:
        """By column, as ``torch.nn.functional.cosine_similarity`` defines it: 0 where a column is all zeros."""
        a, b = (dot.sqrt().clamp(min=_COSINE_FLOOR) for dot in (self.aa, self.bb))
        return self.ab / (a * b)

    def whole(self) -> Tensor:
        """The cosine of all columns as one; NaN where one tensor is all zeros."""
        ab, aa, bb = (total(dot.reshape(-1)) for dot in (self.ab, self.aa, self.bb))
        return ab / (aa.sqrt() * bb.sqrt())


def total(terms: Tensor) -> Tensor:
    """The sum along ``dim`` 0: the second half added to the first until one is left."""
    if not len(terms):
        return terms.new_zeros(terms.shape[1:])
    while len(terms) > 1:
        half, rest = terms.split((len(terms) + 1) // 2)
        terms = half.clone()
        terms[: len(rest)].add_(rest)
    return terms[0]

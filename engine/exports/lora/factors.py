"""The best two factors of a rank for a difference, and how far they are from it.

By Eckart and Young (https://doi.org/10.1007/BF02288367) the nearest matrix of rank r is the projection onto the first r
singular vectors. These are eigenvectors of the product of the matrix with its transpose on the shorter side, which is
far smaller than the matrix; in float64, so that nothing is lost by squaring. Where few vectors of many are wanted they
are found by subspace iteration, in a tenth of the time (Halko, Martinsson and Tropp 2011, algorithm 4.4,
https://arxiv.org/abs/0909.4061): what that misses beyond the nearest matrix is less than a hundredth of the error.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_LARGE = 512  # rows of the shorter side from which on iteration is faster
_FEW = 4  # times the rank that there must be of them
_SPARE, _ROUNDS = 16, 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Factors:
    """A difference as ``up @ down * alpha / rank``, in the dtype in which they are stored.

    Attributes:
        down: ``(rank, in)`` or ``(rank, in, height, width)``.
        up: ``(out, rank)`` or ``(out, rank, 1, 1)``.
        size: the sum of squares of the difference.
        lost: the sum of squares of what the stored factors miss.
    """

    down: Tensor
    up: Tensor
    size: float
    lost: float

    @property
    def rank(self) -> int:
        """How many rows ``down`` has."""
        return self.down.shape[0]

    @property
    def error(self) -> float:
        """What is missed, relative to the difference (Frobenius norms)."""
        return (self.lost / self.size) ** 0.5


def full_rank(weight: Tensor) -> int:
    """Return the rank with which factors are a layer itself."""
    return min(weight.shape[0], weight[0].numel())


def factors_of(difference: Tensor, rank: int, alpha: int, dtype: torch.dtype) -> Factors:
    """Return the nearest factors, both of them of about the same scale.

    Args:
        difference: of a layer's weights, not all 0.
        rank: at most; the layer's own is taken where that is less.
        alpha: the same for all layers of a file.
        dtype: to round the factors to.
    """
    rank = min(rank, full_rank(difference))
    matrix = difference.float().reshape(difference.shape[0], -1)
    is_tall = matrix.shape[0] > matrix.shape[1]
    wide = (matrix.t() if is_tall else matrix).double()
    values, first = _iterated(wide, rank) if len(wide) >= max(_LARGE, _FEW * rank) else _largest(wide, rank)
    scale = values.clamp(min=0).pow(0.25)
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    share = (rank / alpha) ** 0.5
    left, right = first * scale * share, (first.t() @ wide) / scale[:, None] * share
    up, down = (right.t(), left.t()) if is_tall else (left, right)
    up, down = up.to(dtype).contiguous(), down.to(dtype).contiguous()
    lost = (matrix - up.float() @ down.float() * (alpha / rank)).double().square().sum()
    further = difference.shape[2:]
    return Factors(
        down=down.reshape(-1, difference.shape[1], *further),
        up=up.reshape(*up.shape, *(1 for _ in further)),
        size=float(matrix.double().square().sum()),
        lost=float(lost),
    )


def _largest(wide: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """The largest squares of the singular values, ``(rank,)``, and their left vectors, ``(rows, rank)``."""
    values, vectors = torch.linalg.eigh(wide @ wide.t())  # pyright: ignore[reportUnknownMemberType]
    return values.flip(0)[:rank], vectors.flip(1)[:, :rank]


def _iterated(wide: Tensor, rank: int) -> tuple[Tensor, Tensor]:
    """Nearly the same, from a random start that is always the same one."""
    matrix = wide.float()
    start = torch.randn(matrix.shape[1], rank + _SPARE, generator=torch.Generator().manual_seed(0))
    basis = torch.linalg.qr(matrix @ start)[0]
    for _ in range(_ROUNDS):
        basis = torch.linalg.qr(matrix @ (matrix.t() @ basis))[0]
    values, vectors = _largest((basis.t() @ matrix).double(), rank)
    return values, basis.double() @ vectors

"""The calculation modes of SuperMerger that are more than a weighted sum, as functions of float32 tensors.

All take whole tensors in the shape of the file and give new ones. Formulas: hako-mikan/sd-webui-supermerger at the
commits named in ``engine.recipes.dialects``, described in its README under "calcmode".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

TRAIN_FACTOR = 1.8
_WIDE = 100  # tensor2 counts along dim 1 only where that is longer


@dataclass(frozen=True, slots=True, kw_only=True)
class CosineRange:
    """The lowest and the highest similarity between two models, but for one in a hundred on either side."""

    low: float
    high: float


def similarities(kind: str, a: Tensor, b: Tensor) -> Tensor:
    """What the pre-pass of cosineA or cosineB collects of one tensor: one number for every column of ``dim`` 0.

    Args:
        kind: cosineA or cosineB.
        a: of A, float32; a single number counts as a column of one.
        b: of B (or B - C), in the same shape.
    """
    a, b = torch.atleast_1d(a), torch.atleast_1d(b)
    if kind == "cosineA":
        return F.cosine_similarity(F.normalize(a, p=2, dim=0), F.normalize(b, p=2, dim=0), dim=0)
    return _similarity(kind, a, b)


def _similarity(kind: str, a: Tensor, b: Tensor) -> Tensor:
    """Half the similarity by column, half that of the whole."""
    if kind == "cosineA":
        a, b = F.normalize(a, p=2, dim=0), F.normalize(b, p=2, dim=0)
    by_column = F.cosine_similarity(a, b, dim=0)
    whole = torch.dot(a.reshape(-1), b.reshape(-1)) / (a.norm() * b.norm())
    return (by_column + whole) / 2


def cosine_range(found: Iterable[Tensor]) -> CosineRange:
    """The range of all that ``similarities`` found: NaN left out, then below the 1st and above the 99th percentile.

    Raises:
        ValueError: nothing is left, since the models have too few tensors in common.
    """
    values: npt.NDArray[np.float64] = np.concatenate([tensor.reshape(-1).double().numpy() for tensor in found] or [[]])
    values = values[~np.isnan(values)]
    for percentile, keep_above in ((1, True), (99, False)):
        if values.size:
            limit = np.percentile(values, percentile, method="midpoint")
            values = values[values >= limit] if keep_above else values[values <= limit]
    if not values.size:
        raise ValueError("no similarities")
    return CosineRange(low=float(values.min()), high=float(values.max()))


def cosine_share(kind: str, a: Tensor, b: Tensor, alpha: float, limits: CosineRange) -> Tensor:
    """The share of A, 0 to 1, for every column of ``dim`` 0; NaN where a tensor is all zeros."""
    share = (_similarity(kind, torch.atleast_1d(a), torch.atleast_1d(b)) - limits.low) / (limits.high - limits.low)
    return (share - (abs(alpha) if kind == "cosineA" else alpha)).clip(min=0.0, max=1.0)


def train_difference(a: Tensor, b: Tensor, c: Tensor, alpha: float) -> Tensor:
    """What trainDifference adds to A: B - C, more where B differs much from A."""
    difference = b - c
    distance, other = difference.abs(), (b - a).abs()
    total = distance + other
    scale = torch.where(total != 0, other / total, torch.zeros(()))
    return torch.sign(difference) * scale * distance * (alpha * TRAIN_FACTOR)


def smoothed(difference: Tensor) -> Tensor:
    """A median over three neighbours in every dimension, then a Gaussian of one element."""
    from scipy import ndimage  # slow to import, and for two modes alone

    middle = ndimage.median_filter(difference.numpy(), size=3)
    return torch.from_numpy(ndimage.gaussian_filter(middle, sigma=1))


def extracted(a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float, gamma: float) -> Tensor:
    """A, plus what B and C add to it where they agree (beta 0) or where they do not (beta 1)."""
    first, second = b - a, c - a
    agreement = F.cosine_similarity(first, second, dim=-1).clamp(-1, 1).unsqueeze(-1)
    strength = ((agreement + 1) / 2) ** gamma
    return a + torch.lerp(first, second, alpha) * torch.lerp(strength, 1 - strength, beta)


def spliced(kind: str, a: Tensor, b: Tensor, alpha: float, beta: float) -> Tensor:
    """Rows (tensor) or columns (tensor2) of one model among those of the other.

    With alpha + beta up to 1, alpha of them from B, beginning at beta; with more, B with what is left out from A.
    """
    if a.ndim == 0:
        return a
    dim = 1 if kind == "tensor2" and a.ndim > 1 else 0
    count = a.shape[1] if dim == 1 and a.shape[1] > _WIDE else a.shape[0]
    under = alpha + beta <= 1
    start, end = (count * beta, count * (alpha + beta)) if under else (count * (alpha + beta - 1), count * beta)
    whole, part = (a, b) if under else (b, a)
    found = whole.clone()
    where = (slice(int(start), int(end)),) if dim == 0 else (slice(None), slice(int(start), int(end)))
    found[where] = part[where].to(found.dtype)
    return found


def noise_states(
    shapes: Iterable[tuple[str, tuple[int, ...], torch.dtype]], seed: int
) -> Iterator[tuple[str, tuple[Tensor, torch.dtype]]]:
    """The random stream's state before each key's noise, and its dtype, in the order in which SuperMerger draws."""
    generator = torch.Generator().manual_seed(seed)
    for key, shape, dtype in shapes:
        yield key, (generator.get_state(), dtype)
        torch.randn(shape, dtype=dtype, generator=generator)


def noise(state: Tensor, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """The noise of one key."""
    generator = torch.Generator()
    generator.set_state(state)
    return torch.randn(shape, dtype=dtype, generator=generator)

"""The calculation modes of SuperMerger that are more than a weighted sum, as functions of float32 tensors.

All take whole tensors in the shape of the file and give new ones. Formulas: hako-mikan/sd-webui-supermerger at the
commits named in ``engine.recipes.dialects``, described in its README under "calcmode".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from engine.arithmetic.box_muller import NormalStream, Place
from engine.arithmetic.dots import Dots
from engine.arithmetic.elementary import power
from engine.arithmetic.rounding import lerp

TRAIN_FACTOR = 1.8
_WIDE = 100  # tensor2 counts along dim 1 only where that is longer


@dataclass(frozen=True, slots=True, kw_only=True)
class CosineRange:
    """The lowest and the highest similarity between two models, but for one in a hundred on either side."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """The noise of one key: its place in the random stream, and the dtype to draw in."""

    place: Place
    dtype: torch.dtype

    def draw(self, shape: tuple[int, ...]) -> Tensor:
        """The noise itself, on the CPU."""
        return NormalStream(self.place).draw(shape, self.dtype)


def similarities(kind: str, a: Tensor, b: Tensor) -> Tensor:
    """What the pre-pass of cosineA or cosineB collects of one tensor: one number for every column of ``dim`` 0.

    Args:
        kind: cosineA or cosineB.
        a: of A, float32; a single number counts as a column of one.
        b: of B (or B - C), in the same shape.
    """
    dots = _dots(kind, a, b)
    return dots.cosines().float() if kind == "cosineA" else _similarity(dots)


def _dots(kind: str, a: Tensor, b: Tensor) -> Dots:
    """By column, for cosineA of columns at length one."""
    dots = Dots.of(torch.atleast_1d(a), torch.atleast_1d(b))
    return dots.normalized() if kind == "cosineA" else dots


def _similarity(dots: Dots) -> Tensor:
    """Half the similarity by column, half that of the whole; float32."""
    return ((dots.cosines() + dots.whole()) / 2).float()


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
    found = _similarity(_dots(kind, a, b)) - limits.low
    # Divided by a tensor: by a number, a GPU would multiply by its reciprocal.
    share = found / torch.full_like(found, limits.high - limits.low)
    return (share - (abs(alpha) if kind == "cosineA" else alpha)).clip(min=0.0, max=1.0)


def train_difference(a: Tensor, b: Tensor, c: Tensor, alpha: float) -> Tensor:
    """What trainDifference adds to A: B - C, more where B differs much from A."""
    difference = b - c
    distance, other = difference.abs(), (b - a).abs()
    total = distance + other
    scale = torch.where(total != 0, other / total, torch.zeros(()))
    return torch.sign(difference) * scale * distance * (alpha * TRAIN_FACTOR)


def extracted(a: Tensor, b: Tensor, c: Tensor, alpha: float, beta: float, gamma: float) -> Tensor:
    """A, plus what B and C add to it where they agree (beta 0) or where they do not (beta 1)."""
    first, second = b - a, c - a
    rows = (torch.atleast_1d(tensor).movedim(-1, 0) for tensor in (first, second))
    agreement = Dots.of(*rows).cosines().float().clamp(-1, 1).unsqueeze(-1)
    strength = power((agreement + 1) / 2, gamma)
    return a + lerp(first, second, alpha) * lerp(strength, 1 - strength, beta)


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


def noise_places(shapes: Iterable[tuple[str, tuple[int, ...], torch.dtype]], seed: int) -> dict[str, Noise]:
    """Where in the random stream each key's noise lies, in the order in which SuperMerger draws."""
    stream, found = NormalStream(seed), dict[str, Noise]()
    for key, shape, dtype in shapes:
        found[key] = Noise(place=stream.place, dtype=dtype)
        stream.skip(shape, dtype)
    return found

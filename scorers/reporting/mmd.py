"""Maximum mean discrepancy: how far apart two sets of pictures are as distributions, not only in their means.

Both numbers are for reports; sets of dozens of pictures are too small to search by them. They are the unbiased estimate
(Gretton et al. 2012, "A Kernel Two-Sample Test", lemma 6), which is 0 on average for equal distributions and so
sometimes below 0. The usual estimate of CMMD includes each picture's kernel with itself. That adds about
``10 (1/n + 1/m) (1 - mean cosine)``, which at n = 24 is more than the differences between recipes.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from scorers.features import FloatArray

Kernel = Callable[[FloatArray], FloatArray]
"""A kernel of unit vectors as a function of their cosines."""
SIGMA = 10.0
"""The width of CMMD's Gaussian kernel, as published."""
CMMD_SCALE = 1000.0
"""The factor of the squared discrepancy in CMMD, as published."""


def rbf(cosines: FloatArray) -> FloatArray:
    """CMMD's kernel, a Gaussian of width ``SIGMA``: ``exp(-|x - y|^2 / (2 SIGMA^2))`` (Jayasumana et al. 2024)."""
    return np.exp(-(1.0 - cosines) / SIGMA**2)


def cubic(cosines: FloatArray) -> FloatArray:
    """KID's kernel, ``(x'y / d + 1)^3`` for vectors of length sqrt(d) (Binkowski et al. 2018, "Demystifying MMD GANs").

    KID applies it to Inception features. On CLIP embeddings, scaled to the length that features of unit variance have,
    it is the same test in another encoder, and its numbers are not those of KID.
    """
    return (cosines + 1.0) ** 3


def squared_mmd(a: npt.ArrayLike, b: npt.ArrayLike, kernel: Kernel) -> float:
    """Unbiased squared discrepancy of unit rows ``(n, d)`` and ``(m, d)``, at least two of each."""
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return _within(x, kernel) + _within(y, kernel) - 2 * float(kernel(x @ y.T).mean())


def _within(x: FloatArray, kernel: Kernel) -> float:
    values = kernel(x @ x.T)
    return float((values.sum() - np.trace(values)) / (len(x) * (len(x) - 1)))


def cmmd(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """CMMD, 1000 times the squared discrepancy as published, but unbiased; comparable within one encoder only."""
    return CMMD_SCALE * squared_mmd(a, b, rbf)


def polynomial_mmd(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """The squared discrepancy with KID's kernel on CLIP embeddings; see ``cubic``."""
    return squared_mmd(a, b, cubic)

"""Maximum mean discrepancy: how far apart two sets of pictures are as distributions, not only in their means.

Both numbers are for reports; sets of dozens are too small to search by them. They are the unbiased estimate (Gretton et
al. 2012, "A Kernel Two-Sample Test", lemma 6), which is 0 on average for equal distributions and so at times below 0.
The estimate that is usually published with CMMD keeps each picture's kernel with itself, which adds about
``10 (1/n + 1/m) (1 - mean cosine)``, more than the differences of recipes at n = 24.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Kernel = Callable[[Matrix], Matrix]
"""Of the cosines between unit vectors."""
SIGMA = 10.0
CMMD_SCALE = 1000.0


def rbf(cosines: Matrix) -> Matrix:
    """Gaussian kernel of width ``SIGMA``: that of CMMD (Jayasumana et al. 2024, "Rethinking FID")."""
    return np.exp(-(1.0 - cosines) / SIGMA**2)


def cubic(cosines: Matrix) -> Matrix:
    """Kernel of KID (Binkowski et al. 2018, "Demystifying MMD GANs"): ``(x'y / d + 1)^3`` at lengths of sqrt(d).

    KID takes it on Inception features. On CLIP embeddings, scaled to the length that features of unit variance have,
    it is the same test on another encoder, and its numbers are not those of KID.
    """
    return (cosines + 1.0) ** 3


def squared_mmd(a: npt.ArrayLike, b: npt.ArrayLike, kernel: Kernel) -> float:
    """Unbiased squared discrepancy of unit rows ``(n, d)`` and ``(m, d)``, two of each at least."""
    x, y = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    return _within(x, kernel) + _within(y, kernel) - 2 * float(kernel(x @ y.T).mean())


def _within(x: Matrix, kernel: Kernel) -> float:
    values = kernel(x @ x.T)
    return float((values.sum() - np.trace(values)) / (len(x) * (len(x) - 1)))


def cmmd(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """CMMD, 1000 times the squared discrepancy as published, but unbiased; comparable within one encoder only."""
    return CMMD_SCALE * squared_mmd(a, b, rbf)


def polynomial_mmd(a: npt.ArrayLike, b: npt.ArrayLike) -> float:
    """The squared discrepancy with KID's kernel on CLIP embeddings; see ``cubic``."""
    return squared_mmd(a, b, cubic)

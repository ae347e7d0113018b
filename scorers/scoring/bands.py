"""The scorer that keeps colour, contrast and detail within the references' bands."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from scorers.base import Calibration
from scorers.extraction.statistics import STATISTICS
from scorers.features import Features

SCORED: tuple[str, ...] = (
    "colourfulness",
    "chroma",
    "brightness",
    "rms_contrast",
    "range_5_95",
    "log_lap_var",
    "hf_ratio",
    "warmth",
    "green_magenta",
)


class Statistics:
    """Keeps colour, contrast and detail within the references' bands.

    A picture's contribution is ``-mean_k max(0, |s_k - t_k| - b_k) / d_k`` over the statistics ``SCORED``: target
    ``t`` and spread ``d`` are the references' mean and standard deviation, the band ``b`` is half of ``d``. So 0 is
    the best, and -1 means one standard deviation outside the band on average.
    """

    name = "stats"
    version = "1"
    needs = frozenset({"statistics", "refs"})
    degree = 1

    def __init__(self) -> None:
        self._columns = [STATISTICS.index(name) for name in SCORED]
        self._target: npt.NDArray[np.float64] = np.zeros(len(SCORED))
        self._spread: npt.NDArray[np.float64] = np.ones(len(SCORED))

    def fit(self, calibration: Calibration) -> None:
        """Set targets and bands from the references; a spread is never less than a fifth of the renders' own.

        A single reference has no spread; that of the renders is taken.
        """
        measured = calibration.references.statistics[:, self._columns].astype(np.float64)
        renders = np.concatenate([f.statistics[:, self._columns] for f in calibration.recipes.values()])
        own = measured.std(0, ddof=1) if len(measured) > 1 else renders.std(0)
        self._target = measured.mean(0)
        self._spread = np.maximum(own, 0.2 * renders.std(0)) + 1e-6

    @property
    def bands(self) -> tuple[list[int], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Columns of ``STATISTICS`` that are scored, and for each its target and its spread."""
        return self._columns, self._target, self._spread

    def __call__(self, features: Features) -> npt.NDArray[np.float64]:
        """Contributions, ``(n,)``, at most 0."""
        off = np.abs(features.statistics[:, self._columns] - self._target) / self._spread
        return -np.maximum(0.0, off - 0.5).mean(1)

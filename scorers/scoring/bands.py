"""The scorer of colour, contrast and detail: best within the bands of the references."""

from __future__ import annotations

import numpy as np

from scorers.base import Calibration
from scorers.extraction.statistics import STATISTICS
from scorers.features import Features, FloatArray, Values

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
"""The statistics that are scored."""


class Statistics:
    """Scores how far colour, contrast and detail are outside the references' bands.

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
        self._target: FloatArray = np.zeros(len(SCORED))
        self._spread: FloatArray = np.ones(len(SCORED))

    def fit(self, calibration: Calibration) -> None:
        """Set targets and bands from the references; a spread is never less than a fifth of the renders'.

        A single reference has no spread, so the renders' is used.
        """
        measured = calibration.references.statistics[:, self._columns].astype(np.float64)
        renders = np.concatenate([f.statistics[:, self._columns] for f in calibration.recipes.values()])
        own = measured.std(0, ddof=1) if len(measured) > 1 else renders.std(0)
        self._target = measured.mean(0)
        self._spread = np.maximum(own, 0.2 * renders.std(0)) + 1e-6

    def __call__(self, features: Features) -> Values:
        """Contributions, ``(n,)``, at most 0."""
        off = np.abs(features.statistics[:, self._columns] - self._target) / self._spread
        return -np.maximum(0.0, off - 0.5).mean(1)

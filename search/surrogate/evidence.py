"""What the trials prove: whether knobs have an effect, and whether the last trials made the recommendation better."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from search.surrogate.gaussian_process import Observations, model_of
from search.surrogate.optimum import mean_at, optimum
from search.surrogate.subspace import Subspace

UNEXPLAINED = 0.95
"""Share of the variance of values that leave-one-out predictions leave unexplained where knobs have no effect."""


def is_unexplained(observations: Observations, chosen: npt.NDArray[np.bool_]) -> bool:
    """Whether the model predicts the values of the chosen trials, each from all others, hardly better than their mean.

    The mean is that of each set of shots, whose values may be shifted. Never of less than three trials.
    """
    values = np.array(observations.values)[chosen]
    residuals = model_of(observations).leave_one_out_residuals()[chosen]
    sets = np.array(observations.shot_sets)[chosen]
    means = np.array([values[sets == one].mean() for one in sets])
    variance = float(np.square(values - means).sum())
    return len(values) > 2 and float(np.square(residuals).sum()) >= UNEXPLAINED * variance


def gain(now: Observations, before: Observations, subspace: Subspace) -> float:
    """Return by how much the optimum of all trials is better than that of the earlier ones, by all trials' model."""
    return mean_at(now, subspace, optimum(now, subspace)) - mean_at(now, subspace, optimum(before, subspace))

"""What the trials prove: whether knobs have an effect, and whether the last trials made the recommendation better."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from search.surrogate.gaussian_process import model_of
from search.surrogate.observations import Observations
from search.surrogate.optimum import optimum, worth_at
from search.surrogate.subspace import Subspace

UNEXPLAINED = 0.95
"""Share of the variance of values that leave-one-out predictions leave unexplained where knobs have no effect."""
KEPT = 32
"""How many answers of each kind are remembered: a few for every stage."""


@lru_cache(maxsize=KEPT)
def has_no_effect(observations: Observations, subspace: Subspace, of_stage: tuple[bool, ...]) -> bool:
    """Whether the model cannot tell any value of trials that moved what a subspace moves from others.

    Args:
        observations: of a stage and those before it.
        subspace: of the stage.
        of_stage: for every observation, whether the stage proposed it.
    """
    moved = subspace.differs_from_fixed(np.array(observations.rows))
    return is_unexplained(observations, moved | np.array(of_stage))


def is_unexplained(observations: Observations, chosen: npt.NDArray[np.bool_]) -> bool:
    """Whether the model predicts the values of the chosen trials, each from all others, hardly better than their mean.

    Values count as they would be on the average set of shots. Never of less than three trials.
    """
    model = model_of(observations)
    residuals = model.leave_one_out_residuals[chosen]
    values = (np.array(observations.values) - np.array(model.set_offsets)[model.shot_sets])[chosen]
    variance = float(np.square(values - values.mean()).sum()) if len(values) else 0.0
    return len(values) > 2 and float(np.square(residuals).sum()) >= UNEXPLAINED * variance


@lru_cache(maxsize=KEPT)
def gain(now: Observations, before: Observations, subspace: Subspace) -> float:
    """Return by how much the optimum of all trials is better than that of the earlier ones, by all trials' model."""
    return worth_at(now, subspace, optimum(now, subspace)) - worth_at(now, subspace, optimum(before, subspace))

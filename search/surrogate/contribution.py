"""Whether some knobs contribute anything: how well the model explains all values with them, and without them.

The two models are compared by the posterior density of their hyperparameters, each at its largest, in the place of the
marginal likelihood. A difference of its logarithm of 3 is a ratio of 20 to 1, which counts as strong evidence (Kass and
Raftery, Bayes factors, 1995, 3.2).
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from search.surrogate.evidence import KEPT
from search.surrogate.hyperparameters import HyperparameterDensity, hyperparameters
from search.surrogate.observations import Observations

STRONG_EVIDENCE = 3.0
"""By how much the logarithm of the density must be larger without some knobs for them to be without effect."""


@lru_cache(maxsize=KEPT)
def contribute_nothing(observations: Observations, columns: tuple[int, ...]) -> bool:
    """Whether there is strong evidence that some columns have no effect, whatever else moved in the same trials.

    Args:
        observations: in which the columns moved.
        columns: of the knobs in question.
    """
    return log_density(observations) <= log_density(without(observations, columns)) - STRONG_EVIDENCE


def log_density(observations: Observations) -> float:
    """Return the logarithm of the largest posterior density of hyperparameters, but for a constant."""
    fitted = observations.fitted_ones()
    value, _ = HyperparameterDensity(fitted).negative_log(np.array(hyperparameters(fitted)))
    return -value


def without(observations: Observations, columns: tuple[int, ...]) -> Observations:
    """Return the observations as if some columns had never moved."""
    rows, still = np.array([*observations.rows, observations.centre]), list(columns)
    rows[:, still] = rows[-1, still]
    *kept, centre = (tuple(row) for row in rows.tolist())
    return replace(observations, rows=tuple(kept), centre=centre)

"""A floor for low values, where what lies far below would bend the model among the good ones.

Beyond a cliff, where pictures are bad but not broken, values fall by more than all the good ones differ by. A smooth
model that has to follow such a fall misjudges what lies before it. How bad the bad ones are matters to nobody, so they
may be raised to a floor: the median less some spreads of the better half. It is done only where it is seen to help:
where each value of the better half, which no floor changes, is clearly more probable given all others (Rasmussen and
Williams, Gaussian Processes for Machine Learning, 2006, section 5.4.2) under the model of the raised values.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from search.surrogate.covariance import Array
from search.surrogate.hyperparameters import hyperparameters
from search.surrogate.observations import Observations
from search.surrogate.settled_trials import SettledTrials, solve

DEPTH = 2.0
"""How far below the median the floor lies, in root mean squares of what the better half lies above it."""
PROOF = 10.0
"""By how much the log density of the better half must be larger for values to be raised."""
TRIAL_ITERATIONS = 15
"""Most steps of the fit to raised values that decides; a whole fit follows only where they are raised."""
FEWEST = 16
"""Of fewer values none is raised."""


def floored(observations: Observations) -> Observations:
    """Return observations with low values raised to a floor, or as they are.

    Floor and decision follow from the trials that hyperparameters are fitted to, so they change no more often.
    """
    floor = _floor(observations.fitted_ones())
    if floor is None:
        return observations
    return replace(observations, values=tuple(max(value, floor) for value in observations.values))


@lru_cache(maxsize=64)
def _floor(fitted: Observations) -> float | None:
    """Return the floor; None where raised values do not make the better half clearly more probable."""
    values = np.array(fitted.values)
    median = np.median(values)
    better = values >= median
    floor = float(median - DEPTH * np.sqrt(np.square(values[better] - median).mean()))
    if len(values) < FEWEST or not values.min() < floor < median:
        return None
    raised = replace(fitted, values=tuple(np.maximum(values, floor).tolist()))
    before = _log_densities(fitted, hyperparameters(fitted))[better].sum()
    after = _log_densities(raised, hyperparameters(raised, TRIAL_ITERATIONS))[better].sum()
    return floor if after - before > PROOF else None


def _log_densities(observations: Observations, theta: tuple[float, ...]) -> Array:
    """Return the log density of each value given all others, but for a constant (R. and W., eq. 5.10 to 5.12)."""
    trials = SettledTrials(observations, theta)
    precisions = trials.inverse_squares
    residuals = solve(trials.factor, trials.solved, transposed=True) / precisions
    return 0.5 * (np.log(precisions) - precisions * np.square(residuals)) - np.log(trials.scale)

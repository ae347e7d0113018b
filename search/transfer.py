"""What an earlier study says of a new one: its surrogate's posterior mean guides the new surrogate.

The new objective is taken to be a multiple of the earlier one and a difference that is a Gaussian process of its own
(Kennedy and O'Hagan, Predicting the output from a complex computer code when fast approximations are available, 2000;
with the posterior mean in the earlier objective's place, as in Le Gratiet and Garnier, Recursive co-kriging model for
design of computer experiments, 2014). The multiple is inferred together with everything else, so units do not matter,
and an earlier study of another style ends with a multiple near 0. Where the guide predicts the new trials worse than
the model without it, it is left out.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from search.surrogate.gaussian_process import guide_at, model_of
from search.surrogate.observations import Observations

MOST_GUIDED = 200
"""With more trials of its own than these, a search needs no guide."""
FEWEST_GUIDED = 3
"""Trials of its own that a search needs before a multiple of the guide can be told from nothing."""


def guided(observations: Observations, earlier: Observations | None) -> Observations:
    """Return the observations with the guide of an earlier study, where there is one that predicts them better.

    Args:
        observations: of the new study.
        earlier: of the earlier study, in the same encoding.
    """
    if earlier is None or not FEWEST_GUIDED <= len(observations.values) <= MOST_GUIDED:
        return observations
    guide = tuple(guide_at(earlier, np.array(observations.rows)).tolist())
    with_guide = replace(observations, earlier=earlier, guide=guide)
    return with_guide if _predicts_better(with_guide.fitted_ones(), observations.fitted_ones()) else observations


@lru_cache(maxsize=32)
def _predicts_better(one: Observations, other: Observations) -> bool:
    """Whether one model predicts every value from all others with smaller errors than another one."""
    one_error, other_error = (float(np.square(model_of(each).leave_one_out_residuals).sum()) for each in (one, other))
    return one_error < other_error

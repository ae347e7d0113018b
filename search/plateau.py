"""Plateaus: FLAT mixes whose values do not differ, and the first trial that stands out from them.

Where the FLAT line tells nothing, neither its best ratio nor a trend round it means anything: what there is to find
lies where composition, light or style come from one parent alone. So trials go wide first, and near what stands out as
soon as something does.
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, median, variance

from search.history import Slots, TrialRecord

FEWEST_FLAT = 4
"""Fewest FLAT mixes with a value that can be called level."""
LEVEL = 0.01
"""FLAT mixes are level unless noise alone scatters them as far with a smaller probability than this."""
FEWEST_WITHOUT_ERROR = 6
"""Fewest FLAT mixes that can be called level where no standard error is known."""
LEVEL_WITHOUT_ERROR = 0.2
"""The same probability where no standard error is known: a line that is not level must never be taken for one."""
OUTSTANDING = 3.5
"""By how many standard errors a trial stands out; noise alone does so once in 4,000 trials."""
LEVEL_OF = 5
"""The median of so many first trials is the level of a set of shots on which there are no FLAT mixes."""
UNPAIRED = 2.0
"""How many times farther a trial must stand out where its set of shots has no level of its own."""


def noise_of_level(line: Sequence[tuple[float, float]], standard_error: float | None) -> float | None:
    """Return the noise of values along a line if they do not differ beyond it; None: they differ, or are too few.

    With a standard error, by a chi-squared test of their equality. Without one, by an F test of the parabola that fits
    them best, whose residuals are the noise; so there must be more of them.

    Args:
        line: places and values.
        standard_error: of a value, where it is known.
    """
    places, values = [place for place, _ in line], [value for _, value in line]
    if len(values) < (FEWEST_FLAT if standard_error else FEWEST_WITHOUT_ERROR):
        return None
    from scipy.special import chdtrc, fdtrc

    squares, freedom = variance(values) * (len(values) - 1), len(values) - 1
    if standard_error:
        return standard_error if chdtrc(freedom, squares / standard_error**2) >= LEVEL else None
    import numpy as np

    fitted = np.polyval(np.polyfit(places, values, 2), places)
    left, free = float(np.square(np.array(values) - fitted).sum()), len(values) - 3
    if left <= 0 or fdtrc(2, free, (squares - left) / 2 / (left / free)) < LEVEL_WITHOUT_ERROR:
        return None
    return (squares / freedom) ** 0.5


def first_outstanding(trials: Sequence[TrialRecord], flat: Sequence[TrialRecord], noise: float) -> int | None:
    """Return the place of the first trial that is better than the level by more than noise explains; None: none is.

    Args:
        trials: in order.
        flat: the FLAT mixes among them.
        noise: of a trial, a standard deviation.
    """
    levels = _levels(trials, flat)
    everywhere = fmean(one.value for one in flat if one.value is not None)
    for place, one in enumerate(trials):
        own = levels.get(one.slots)
        above = OUTSTANDING * noise * (UNPAIRED if own is None else 1.0)
        if one.value is not None and one.value - (everywhere if own is None else own) > above:
            return place
    return None


def _levels(trials: Sequence[TrialRecord], flat: Sequence[TrialRecord]) -> dict[Slots, float]:
    """Return the level of every set of shots that has one: the mean of its FLAT mixes, or the median of its first."""
    levels: dict[Slots, float] = {}
    for slots in dict.fromkeys(one.slots for one in trials):
        mixes = [one.value for one in flat if one.slots == slots and one.value is not None]
        first = [one.value for one in trials if one.slots == slots and one.value is not None][:LEVEL_OF]
        if mixes or len(first) == LEVEL_OF:
            levels[slots] = fmean(mixes) if mixes else median(first)
    return levels

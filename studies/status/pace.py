"""How fast a night goes, from its last trials."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

RECENT = 20
"""How many of the last trials the pace is taken from."""
BREAK_S = 30.0
"""A longer time between the end of one trial and the begin of the next was a pause, or a break between nights."""


def seconds_per_trial(trials: Sequence[tuple[datetime, datetime]]) -> float | None:
    """Return the mean time between the ends of the last trials; None while two did not end without a break between.

    Args:
        trials: when each that ended began and ended.
    """
    made = [trial for trial in trials if trial[0] < trial[1]]  # one that a fork took over took no time
    last = sorted(made, key=lambda trial: trial[1])[-RECENT:]
    gaps = [
        (later - earlier).total_seconds()
        for (_, earlier), (begun, later) in pairwise(last)
        if (begun - earlier).total_seconds() < BREAK_S
    ]
    return sum(gaps) / len(gaps) if gaps and sum(gaps) > 0 else None

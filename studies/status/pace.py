"""How fast a night goes, from the ends of its last trials."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise

RECENT = 20
"""How many of the last trials the pace is taken from."""
BREAK_S = 3600.0
"""A longer time between the ends of two trials was a break between nights."""


def seconds_per_trial(ends: Sequence[datetime]) -> float | None:
    """Return the mean time between the ends of the last trials; None while two did not end without a break between."""
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(sorted(ends)[-RECENT:])]
    gaps = [gap for gap in gaps if gap < BREAK_S]
    return sum(gaps) / len(gaps) if gaps and sum(gaps) > 0 else None

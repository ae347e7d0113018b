"""How fast a night goes, and when it is done at that pace."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from studies.pages.reading.snapshot import Snapshot

RECENT = 20
"""How many of the last trials the pace is taken from."""
BREAK_S = 3600.0
"""A longer time between the ends of two trials was a break between nights."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Of the last trials."""

    per_hour: float
    done_at: datetime | None
    """When the plan's last trial ends at this pace, at the latest; None where no night is at work."""


def pace(study: Snapshot) -> Pace | None:
    """Return the pace of a study; None while fewer than two trials ended without a break between."""
    ends = sorted(trial.ended for trial in study.trials if trial.ended is not None)[-RECENT:]
    gaps = [(later - earlier).total_seconds() for earlier, later in pairwise(ends)]
    gaps = [gap for gap in gaps if gap < BREAK_S]
    if not gaps or sum(gaps) <= 0:
        return None
    each = sum(gaps) / len(gaps)
    left = max(study.total - study.ended, 0)
    done = ends[-1] + timedelta(seconds=each * left) if study.is_at_work and left else None
    return Pace(per_hour=3600 / each, done_at=done)

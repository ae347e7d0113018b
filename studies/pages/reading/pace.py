"""How fast a night goes, and when it is done at that pace."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from studies.pages.reading.snapshot import Snapshot
from studies.status.pace import seconds_per_trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Of the last trials."""

    per_hour: float
    done_at: datetime | None
    """When the plan's last trial ends at this pace, at the latest; None where no night is at work."""


def pace(study: Snapshot) -> Pace | None:
    """Return the pace of a study; None while fewer than two trials ended without a break between."""
    times = [(trial.begun, trial.ended) for trial in study.trials if trial.begun and trial.ended]
    each = seconds_per_trial(times)
    if each is None:
        return None
    left, last_end = max(study.total - study.ended, 0), max(end for _, end in times)
    done = last_end + timedelta(seconds=each * left) if study.is_at_work and left else None
    return Pace(per_hour=3600 / each, done_at=done)

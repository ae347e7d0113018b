"""When a night is to end: the next 07:00, a date with a time, or so many hours from now.

A deadline is a moment, kept in seconds as `time.time` counts them. So neither midnight nor a change to or from
daylight-saving time moves it: only reading a time of day needs the time zone.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from math import inf

from studies.errors import StudyError

LONGEST_S = 366 * 24 * 3600.0
"""Seconds after which no night ends; a year."""
_TIME = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)(?::([0-5]\d))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """How a night reads the time and waits; simulated nights have another one."""

    now: Callable[[], float] = time.time
    """Returns the seconds since 1970."""
    sleep: Callable[[float], None] = time.sleep
    """Waits some seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NightLimits:
    """What a night may take; None: as much as its plan needs."""

    until: float | None = None
    """When it ends, in seconds since 1970."""
    trials: int | None = None
    """The most trials that it begins; calibration and the proof come on top."""
    pictures: int | None = None
    """The most pictures that it makes, those of calibration and of the proof among them."""

    @property
    def is_limited(self) -> bool:
        """Whether there is any limit."""
        return (self.until, self.trials, self.pictures) != (None, None, None)


def moment_of(text: str, now: float, zone: tzinfo | None = None) -> float:
    """Return the moment that a text names: a time of day, the next one after now, or a date with a time.

    A time of day that the clock skips when daylight-saving time begins is the moment so long after the last one before
    it: 02:30 is then shown as 03:30. One that comes twice when it ends is the next of both.

    Args:
        text: `07:00`, `7:00:30`, `2026-11-30T07:00` or `2026-11-30 07:00+01:00`.
        now: in seconds since 1970.
        zone: in which the text is meant; None: that of this machine.

    Raises:
        StudyError: it is neither, or is over.
    """
    found = _TIME.fullmatch(text.strip())
    if found is None:
        return _moment_of_date(text.strip(), now, zone)
    hour, minute, second = (int(part or 0) for part in found.groups())
    today = _local(now, zone).replace(tzinfo=None, hour=hour, minute=minute, second=second, microsecond=0, fold=0)
    days = (today + timedelta(days=days) for days in (0, 1, 2))
    return min(moment for day in days for moment in _moments(day, zone) if moment > now)


def _moment_of_date(text: str, now: float, zone: tzinfo | None) -> float:
    try:
        date = datetime.fromisoformat(text)
    except ValueError:
        date = None
    if date is None or ":" not in text:
        raise StudyError(
            f'"{text}" is neither a time of day nor a date with a time', remedy='write "07:00" or "2026-11-30T07:00"'
        )
    try:
        moments = [date.timestamp()] if date.tzinfo else list(_moments(date, zone))
    except (ValueError, OverflowError):  # the first and the last year that a date can have
        moments = [inf if date.year > 1 else 0.0]
    later = [moment for moment in moments if moment > now]
    if not later:
        raise StudyError(f'"{text}" is over: it is {_local(now, zone):%Y-%m-%d %H:%M} now', remedy="name a later time")
    if later[0] > now + LONGEST_S:
        raise StudyError(f'"{text}" is more than a year away', remedy="name an earlier time, or leave it out")
    return later[0]


def _moments(local: datetime, zone: tzinfo | None) -> tuple[float, ...]:
    """The moments at which clocks show a local time: one, or two where they are set back."""
    first, second = (_timestamp(local.replace(fold=fold), zone) for fold in (0, 1))
    is_shown_twice = second > first  # in a gap the second is the earlier one
    return (first, second) if is_shown_twice else (first,)


def _timestamp(local: datetime, zone: tzinfo | None) -> float:
    return (local.replace(tzinfo=zone) if zone else local).timestamp()


def _local(moment: float, zone: tzinfo | None) -> datetime:
    return datetime.fromtimestamp(moment, zone).astimezone(zone)


def moment_text(moment: float, now: float, zone: tzinfo | None = None) -> str:
    """Return a moment for people: the time of day, with the date where it is more than a day away."""
    local = _local(moment, zone)
    return f"{local:%H:%M}" if abs(moment - now) < 24 * 3600 else f"{local:%Y-%m-%d %H:%M}"

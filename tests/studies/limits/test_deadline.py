"""Deadlines over midnight and over both changes of daylight-saving time."""

from __future__ import annotations

import os
import time
from collections.abc import Generator
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from studies.errors import StudyError
from studies.limits.deadline import moment_of, moment_text

BERLIN = ZoneInfo("Europe/Berlin")
"""Clocks there went from 02:00 to 03:00 on 2026-03-29, and from 03:00 to 02:00 on 2026-10-25."""


def at(text: str) -> float:
    """The moment of a date and time with its distance from UTC."""
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("now", "until", "end"),
    [
        ("2026-11-29T23:00+01:00", "07:00", "2026-11-30T07:00+01:00"),
        ("2026-11-30T03:00+01:00", "07:00", "2026-11-30T07:00+01:00"),
        ("2026-11-30T07:00+01:00", "07:00", "2026-12-01T07:00+01:00"),
        ("2026-11-30T06:59:59+01:00", "7:00", "2026-11-30T07:00+01:00"),
        ("2026-12-31T22:00+01:00", "00:00", "2027-01-01T00:00+01:00"),
        ("2026-03-28T23:00+01:00", "07:00", "2026-03-29T07:00+02:00"),
        ("2026-10-24T23:00+02:00", "07:00", "2026-10-25T07:00+01:00"),
        ("2026-03-28T23:00+01:00", "02:30", "2026-03-29T03:30+02:00"),
        ("2026-10-24T23:00+02:00", "02:30", "2026-10-25T02:30+02:00"),
        ("2026-10-25T02:40+02:00", "02:30", "2026-10-25T02:30+01:00"),
        ("2026-10-25T02:40+01:00", "02:30", "2026-10-26T02:30+01:00"),
        ("2026-11-29T23:00+01:00", "2026-12-01T07:00", "2026-12-01T07:00+01:00"),
        ("2026-11-29T23:00+01:00", "2026-12-01 07:00:30", "2026-12-01T07:00:30+01:00"),
        ("2026-11-29T23:00+01:00", "2026-12-01T07:00+09:00", "2026-11-30T23:00+01:00"),
        ("2026-11-29T23:00+01:00", "2026-11-30T06:00Z", "2026-11-30T07:00+01:00"),
    ],
)
def test_a_deadline_is_the_moment_that_clocks_show_it(now: str, until: str, end: str) -> None:
    assert moment_of(until, at(now), BERLIN) == at(end)


def test_hours_of_a_night_over_the_changes() -> None:
    """A night from 23:00 to 07:00 has 7 hours in spring and 9 in autumn."""
    for now, hours in (("2026-03-28T23:00+01:00", 7), ("2026-10-24T23:00+02:00", 9), ("2026-11-29T23:00+01:00", 8)):
        assert moment_of("07:00", at(now), BERLIN) - at(now) == hours * 3600


@pytest.mark.parametrize("text", ["25:00", "07:60", "7", "0700", "2026-11-30", "tomorrow", "", "07:00 tomorrow"])
def test_other_texts_are_refused(text: str) -> None:
    with pytest.raises(StudyError, match="is neither a time of day nor a date with a time"):
        moment_of(text, at("2026-11-29T23:00+01:00"), BERLIN)


def test_a_date_that_is_over_is_refused() -> None:
    with pytest.raises(StudyError, match=r'"2026-11-29T22:00" is over: it is 2026-11-29 23:00 now'):
        moment_of("2026-11-29T22:00", at("2026-11-29T23:00+01:00"), BERLIN)


@pytest.fixture
def _new_york() -> Generator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "America/New_York"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the system's time zone cannot be changed here")
@pytest.mark.usefixtures("_new_york")
def test_times_are_those_of_this_machine() -> None:
    assert moment_of("07:00", at("2026-03-07T23:00-05:00")) == at("2026-03-08T07:00-04:00")
    assert moment_of("01:30", at("2026-11-01T01:40-04:00")) == at("2026-11-01T01:30-05:00")
    assert moment_of("02:30", at("2026-03-07T23:00-05:00")) == at("2026-03-08T03:30-04:00")
    assert moment_text(at("2026-03-08T07:00-04:00"), at("2026-03-07T23:00-05:00")) == "07:00"
    assert moment_text(at("2026-03-10T07:00-04:00"), at("2026-03-07T23:00-05:00")) == "2026-03-10 07:00"


@pytest.mark.parametrize("text", ["9999-12-31T23:59", "9999-12-31T23:59-12:00", "9999-12-31T23:59+01:00"])
def test_a_date_that_is_far_away_is_refused(text: str) -> None:
    with pytest.raises(StudyError, match="is more than a year away"):
        moment_of(text, at("2026-11-29T23:00+01:00"))


def test_the_first_year_of_the_calendar_is_over() -> None:
    for text in ("0001-01-01T00:00", "0001-01-01T00:00+14:00"):
        with pytest.raises(StudyError, match="is over"):
            moment_of(text, at("2026-11-29T23:00+01:00"))

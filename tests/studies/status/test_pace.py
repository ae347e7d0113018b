"""The pace of a night, from the times of its last trials."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from studies.status.pace import seconds_per_trial

START = datetime(2026, 1, 1, tzinfo=UTC)


def trials(*ends: float, each: float) -> list[tuple[datetime, datetime]]:
    """Trials that ended so many seconds after the start, and took ``each``."""
    return [(START + timedelta(seconds=end - each), START + timedelta(seconds=end)) for end in ends]


def test_the_pace_is_the_time_between_ends() -> None:
    assert seconds_per_trial(trials(4, 8, 12, each=4)) == 4
    assert seconds_per_trial(trials(4, each=4)) is None


def test_trials_that_a_fork_took_over_say_nothing_of_it() -> None:
    taken = trials(*(n / 100 for n in range(50)), each=0)
    assert seconds_per_trial(taken) is None
    assert seconds_per_trial(taken + trials(14, 18, 22, each=4)) == 4

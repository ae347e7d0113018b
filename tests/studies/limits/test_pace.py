"""How long the next trial is expected to take."""

from __future__ import annotations

import pytest

from studies.limits.pace import NightPace, TrialTime


def taken(*seconds: float, shots: int = 8, drawn: int = 8, guess: float | None = None) -> NightPace:
    pace = NightPace(guess=guess)
    for one in seconds:
        pace.add(TrialTime(shots=shots, drawn=drawn, seconds=one))
    return pace


def test_before_any_trial_the_guess_counts() -> None:
    assert NightPace(guess=2.5).trial_seconds(8) == 20
    assert not NightPace().is_known
    assert NightPace().trial_seconds(8) == 0
    assert NightPace(guess=2.5).proof_seconds(24) == 60


def test_the_last_trials_count_by_their_pictures() -> None:
    pace = taken(*[100.0] * 30, *[16.0] * 20)
    assert pace.trial_seconds(8) == pytest.approx(16)
    assert pace.trial_seconds(16) == pytest.approx(32)


def test_one_slow_trial_does_not_spoil_the_plan() -> None:
    assert taken(1000.0, *[10.0] * 9).trial_seconds(8) == pytest.approx((20 + 90) / 10)
    assert taken(1000.0, guess=1.25).trial_seconds(8) == pytest.approx((20 + 30) / 4), "the guess counts three times"
    assert taken(*[10.0] * 10, guess=99.0).trial_seconds(8) == pytest.approx(10), "and no more after ten trials"


def test_races_that_are_given_up_early_make_trials_shorter_and_pictures_no_cheaper() -> None:
    pace = taken(10.0, 10.0, drawn=4)
    assert pace.trial_seconds(8) == pytest.approx(10)
    assert pace.proof_seconds(8) == pytest.approx(20)
    assert pace.drawn_share == 0.5


def test_one_more_trial_is_taken_to_be_as_slow_as_the_slowest_of_the_last_ten() -> None:
    assert taken(*map(float, range(1, 11))).slow_trial_seconds(8) == pytest.approx(1.02 * 10)
    assert taken(99.0, *[5.0] * 9).slow_trial_seconds(8) == pytest.approx(1.02 * 99)
    assert taken(99.0, *[5.0] * 10).slow_trial_seconds(8) == pytest.approx(1.02 * 5)
    assert taken(8.0, guess=2.0).slow_trial_seconds(8) == pytest.approx(1.02 * 16), "a guess counts while few are known"


def test_a_slow_proof_has_a_margin_follows_the_newest_trials_and_may_have_one_slow_recipe() -> None:
    even = taken(*[8.0] * 10)
    assert even.slow_proof_seconds(40, 8) == pytest.approx(1.1 * even.proof_seconds(40))
    slower = taken(*[8.0] * 5, *[12.0] * 5)
    assert slower.slow_proof_seconds(40, 8) == pytest.approx(1.1 * 40 * 1.5 + 8 * (1.5 - 1.25))
    once = taken(*[8.0] * 8, 24.0, 8.0)
    assert once.slow_proof_seconds(40, 8) > once.proof_seconds(40) + 8
    assert NightPace(guess=2.0).slow_proof_seconds(10, 5) == pytest.approx(22)
    assert NightPace().slow_proof_seconds(10, 5) == 0


def test_trials_without_pictures_say_nothing() -> None:
    pace = taken(5.0, drawn=0, guess=99.0)
    assert not pace.trials
    assert pace.trial_seconds(1) == 99.0


def test_a_slower_proof_is_remembered_while_the_speed_changes() -> None:
    pace = NightPace(guess=50.0)
    pace.add_proof([2.0, 2.0, 30.0])
    assert pace.proof_seconds(10) == pytest.approx(20), "whatever was guessed of trials"
    for _ in range(10):
        pace.add(TrialTime(shots=8, drawn=8, seconds=8.0))
    assert pace.proof_seconds(10) == pytest.approx(20)
    for _ in range(20):
        pace.add(TrialTime(shots=8, drawn=8, seconds=16.0))
    assert pace.proof_seconds(10) == pytest.approx(40)

"""The alarms: a recipe that moves aside, and two read-outs that disagree."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from scorers.reporting.leak import FEWEST_TRIALS, agreement, disagreement_alarm, drift_alarm, drifts

WAY = np.eye(6)[0]
ASIDE = np.eye(6)[1]
BASELINES = ("A", "FLAT_50", "B")


def looks(**moved: np.ndarray) -> dict[str, np.ndarray]:
    """Parents half a unit aside of the way and far along it; other recipes as told; contents scatter."""
    rng = np.random.default_rng(0)
    contents = rng.normal(size=(16, 6))
    moves = {"A": 0.5 * ASIDE - 2 * WAY, "FLAT_50": 0 * WAY, "B": 2 * WAY - 0.5 * ASIDE} | moved
    return {label: contents + move + 0.1 * rng.normal(size=(16, 6)) for label, move in moves.items()}


def test_moves_along_the_direction_are_free_and_moves_aside_count_squared() -> None:
    drift = drifts(looks(along=5 * WAY, aside=1.0 * ASIDE, far=1.0 * ASIDE + 3 * WAY), BASELINES, WAY)
    assert max(drift[label] for label in BASELINES) == pytest.approx(1)
    assert drift["along"] < 0.1
    assert drift["aside"] == pytest.approx(4, rel=0.3)
    assert drift["far"] == pytest.approx(4, rel=0.3)


def test_pictures_with_noise_of_their_own_do_not_drift() -> None:
    """Unbiased: their mean is where the baselines' is, so the estimate is 0 as often as not."""
    values = []
    for seed in range(200):
        noise = np.random.default_rng(seed).normal(size=(16, 6))
        values.append(drifts(looks() | {"noisy": looks()["FLAT_50"] + noise}, BASELINES, WAY)["noisy"])
    assert np.mean(np.array(values) == 0) > 0.3


def test_alarm_beyond_twice_the_baselines() -> None:
    assert drift_alarm(1.9) == ""
    assert "2.5 times" in drift_alarm(2.5)


def test_agreement_is_spearmans() -> None:
    """``1 - 6 sum d^2 / (n (n^2 - 1))`` for ranks that differ by ``d``; equal values share a rank."""
    assert agreement([10.0, 20.0, 30.0, 40.0], [1.0, 3.0, 2.0, 9.0]) == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert agreement([1.0, 1.0, 2.0], [5.0, 5.0, 7.0]) == pytest.approx(1)
    assert np.isnan(agreement([1.0, 1.0, 1.0], [1.0, 2.0, 3.0]))


def test_alarm_where_read_outs_disagree_over_enough_trials() -> None:
    up = [float(i) for i in range(FEWEST_TRIALS)]
    assert "rank correlation -1.00" in disagreement_alarm(up, up[::-1])
    assert disagreement_alarm(up, up) == ""
    assert disagreement_alarm(up[1:], up[:0:-1]) == ""
    assert disagreement_alarm([0.0] * FEWEST_TRIALS, up) == ""


def test_the_panel_opens_without_the_slow_part_of_scipy() -> None:
    code = "import sys, scorers.panel.panel; print('scipy.stats' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"

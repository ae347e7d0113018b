"""How many shots a trial draws, by the measured noise, and which ones each stage draws."""

from __future__ import annotations

import numpy as np
import pytest

from search.errors import SearchError
from search.plan import STAGES
from search.shots import ObservationNoise, ShotRotation, measure_noise, shots_per_trial, spread_order


def test_shots_stay_within_a_stage_and_move_on_between_stages() -> None:
    rotation = ShotRotation(shots=20, per_trial=6)
    windows = {stage: rotation.slots(stage) for stage in STAGES}
    assert windows["flat"] == windows["groups"] == (0, 1, 2, 3, 4, 5)
    assert windows["blocks"] == (6, 7, 8, 9, 10, 11)
    assert len(windows["refine"]) == 12
    assert set().union(*windows.values()) == set(range(20))
    assert ShotRotation().slots("blocks") == ShotRotation(shots=5, per_trial=5).slots("blocks") == ()
    with pytest.raises(SearchError, match="6 shots per trial, but the study has 5"):
        ShotRotation(shots=5, per_trial=6)


def test_fresh_shots_never_come_again() -> None:
    rotation = ShotRotation(shots=4, per_trial=4, fresh=True)
    windows = [rotation.slots(stage) for stage in ("flat", "blocks", "self", "refine")]
    assert windows == [(0, 1, 2, 3), (4, 5, 6, 7), (8, 9, 10, 11), tuple(range(12, 20))]


def test_noise_is_separated_from_what_shots_and_recipes_have_in_common() -> None:
    rng = np.random.default_rng(0)
    recipes, shots = rng.normal(0, 2, 9)[:, None], rng.normal(0, 3, 400)
    noise = measure_noise((recipes + shots + rng.normal(0, 0.5, (9, 400))).tolist())
    assert noise.paired == pytest.approx(0.5, rel=0.05)
    assert noise.common == pytest.approx(3, rel=0.1)
    assert noise.between == pytest.approx(float(np.std(recipes, ddof=1)), rel=0.05)
    assert noise.standard_error(25) == pytest.approx(0.1, rel=0.05)


def test_all_scatter_of_a_single_recipe_counts_as_noise() -> None:
    alone = measure_noise([[1.0, 2.0, 3.0, 4.0]])
    assert (alone.paired, alone.common) == (pytest.approx(np.std([1, 2, 3, 4], ddof=1)), 0.0)


def test_noisier_studies_draw_more_shots() -> None:
    noises = [ObservationNoise(paired=paired, common=1, between=1) for paired in (0.01, 0.2, 0.3, 5)]
    assert [shots_per_trial(noise, 32) for noise in noises] == [4, 4, 9, 16]
    assert shots_per_trial(ObservationNoise(paired=0.1, common=1, between=0), 12) == 12
    with pytest.raises(SearchError, match="no shots"):
        shots_per_trial(ObservationNoise(paired=1, common=1, between=1), 0)


@pytest.mark.parametrize(
    ("values", "message"), [([[1.0, 2.0], [1.0]], "same 2 shots"), ([[1.0, float("nan")], [1.0, 2.0]], "not finite")]
)
def test_values_that_tell_no_noise_are_refused(values: list[list[float]], message: str) -> None:
    with pytest.raises(SearchError, match=message):
        measure_noise(values)


def test_windows_of_weighted_shots_hold_heavy_and_light_ones() -> None:
    weights = [5.0] * 6 + [1.0] * 18
    order = spread_order(weights)
    assert sorted(order) == list(range(24))
    rotation = ShotRotation(shots=24, per_trial=8, order=order)
    heavy = [sum(weights[place] > 1 for place in rotation.slots(stage)) for stage in ("flat", "blocks", "self")]
    assert heavy == [2, 2, 2]
    plain = ShotRotation(shots=24, per_trial=8)
    assert [sum(weights[place] > 1 for place in plain.slots(stage)) for stage in ("flat", "blocks")] == [6, 0]
    assert spread_order([3.0] * 5) == spread_order([]) == ()


def test_fresh_shots_come_in_the_same_order_again() -> None:
    rotation = ShotRotation(shots=4, per_trial=2, fresh=True, order=(2, 0, 3, 1))
    assert [rotation.slots(stage) for stage in ("flat", "blocks", "self")] == [(2, 0), (3, 1), (6, 4)]
    with pytest.raises(SearchError, match="is not the places 0 to 3, each once"):
        ShotRotation(shots=4, per_trial=2, order=(0, 0, 1, 2))

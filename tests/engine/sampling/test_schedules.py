from __future__ import annotations

import math
from itertools import pairwise, product

import numpy as np
import pytest
import torch

from engine.sampling import schedules
from engine.sampling.schedules import sigmas_for
from engine.sampling.sigmas import ALIGNED_SDXL, NoiseLevels, sd1_levels
from engine.shots.samplers import SAMPLERS, SCHEDULES

LEVELS = sd1_levels()
SCHEDULED = [name for name, facts in SAMPLERS.items() if facts.automatic and name not in schedules.SPANNING]
EVENLY = [name for name in SCHEDULES if name != "DDIM"]


def times(sigmas: tuple[float, ...]) -> list[float]:
    return [LEVELS.time_of(sigma) for sigma in sigmas if sigma]


@pytest.mark.parametrize("steps", [1, 2, 8, 20, 150])
@pytest.mark.parametrize(("sampler", "schedule"), [*product(SCHEDULED, EVENLY)])
def test_levels_fall_over_as_many_steps_as_asked(sampler: str, schedule: str, steps: int):
    sigmas = sigmas_for(sampler, schedule, steps, LEVELS)
    assert len(sigmas) == steps + 1
    if not (sampler == "LCM" and schedule == "Simple" and steps > 50):  # it has 50 levels, and takes some twice
        assert all(left > right for left, right in pairwise(sigmas))
    assert (sigmas[-1] == 0) == (schedule != "KL Optimal")
    if schedule != "Align Your Steps" or steps > 1:
        assert sigmas[0] == pytest.approx(LEVELS.highest, rel=1e-4)


@pytest.mark.parametrize("steps", [1, 2, 20])
@pytest.mark.parametrize("sampler", sorted(schedules.SPANNING))
def test_two_samplers_get_the_ends_of_the_trained_levels(sampler: str, steps: int):
    for schedule in SCHEDULES:
        sigmas = sigmas_for(sampler, schedule, steps, LEVELS)
        assert (sigmas[0], sigmas[-1], len(sigmas)) == (LEVELS.highest, LEVELS.lowest, steps + 1)
        assert all(left > right for left, right in pairwise(sigmas))


def test_their_first_noise_is_of_the_schedules_first_level():
    """As the WebUI scales it, although the walk begins at the highest trained level."""
    for sampler in schedules.SPANNING:
        assert schedules.start_of(sampler, "DDIM", 20, LEVELS) == float(LEVELS.sigmas[951])
        assert schedules.start_of(sampler, "Automatic", 20, LEVELS) == pytest.approx(LEVELS.highest, rel=1e-6)
    for sampler, schedule in (("Euler", "DDIM"), ("DDIM", "Automatic"), ("LCM", "Karras"), ("DPM2", "Simple")):
        assert schedules.start_of(sampler, schedule, 20, LEVELS) == sigmas_for(sampler, schedule, 20, LEVELS)[0]


def test_lcm_knows_every_twentieth_level():
    levels = schedules.levels_for("LCM", LEVELS)
    assert levels.sigmas.tolist() == LEVELS.sigmas[19::20].tolist()
    assert [levels.time_of(sigma) for sigma in (20.0, float(LEVELS.sigmas[990]), float(LEVELS.sigmas[985]), 0.01)] == [
        999,
        999,
        979,
        19,
    ]
    found = sigmas_for("LCM", "Automatic", 4, LEVELS)
    assert found[:-1] == pytest.approx([LEVELS.sigma_of(time) for time in (999, 672.33, 345.67, 19)], rel=2e-3)
    assert (found[0], found[3], found[4]) == pytest.approx((LEVELS.highest, float(LEVELS.sigmas[19]), 0), rel=1e-6)
    assert len(sigmas_for("LCM", "DDIM", 8, LEVELS)) == len(range(1, 50, 6)) + 1


@pytest.mark.parametrize("schedule", ["Uniform", "Karras", "Exponential", "Polyexponential", "Normal", "Beta"])
def test_the_last_level_before_zero_is_the_lowest_trained_one_unless_it_is_left_out(schedule: str):
    assert sigmas_for("Euler", schedule, 12, LEVELS)[-2] == pytest.approx(LEVELS.lowest, rel=1e-6)
    planned = sigmas_for("Euler", schedule, 13, LEVELS)
    assert sigmas_for("DPM2", schedule, 12, LEVELS) == (*planned[:-2], 0.0)


def test_karras_levels_are_those_of_the_papers_equation_5():
    found, low, high = sigmas_for("DPM++ 2M", "Karras", 10, LEVELS), LEVELS.lowest, LEVELS.highest
    formula = [(high ** (1 / 7) + i / 9 * (low ** (1 / 7) - high ** (1 / 7))) ** 7 for i in range(10)]
    np.testing.assert_allclose(found[:-1], formula, rtol=1e-6)
    np.testing.assert_allclose(np.diff(np.array(found[:-1]) ** (1 / 7), 2), 0, atol=1e-6)


def test_spacing_of_the_continuous_schedules():
    logs = np.log(sigmas_for("Euler", "Exponential", 9, LEVELS)[:-1])
    np.testing.assert_allclose(np.diff(logs, 2), 0, atol=1e-6)
    poly, exponential = (sigmas_for("Euler", name, 9, LEVELS) for name in ("Polyexponential", "Exponential"))
    assert poly == pytest.approx(exponential, rel=1e-6)
    kl = sigmas_for("Euler", "KL Optimal", 9, LEVELS)
    np.testing.assert_allclose(np.diff(np.arctan(kl), 2), 0, atol=1e-6)
    assert kl[-1] == pytest.approx(LEVELS.lowest)


def test_spacing_of_the_schedules_in_time():
    np.testing.assert_allclose(times(sigmas_for("Euler a", "Automatic", 8, LEVELS)), np.linspace(999, 0, 8), atol=1e-4)
    assert sigmas_for("Euler", "Normal", 8, LEVELS) == sigmas_for("Euler", "Uniform", 8, LEVELS)
    np.testing.assert_allclose(
        times(sigmas_for("Euler", "SGM Uniform", 4, LEVELS)), [999, 749.25, 499.5, 249.75], atol=1e-4
    )
    np.testing.assert_allclose(times(sigmas_for("Euler", "Simple", 3, LEVELS)), [999, 666, 333])
    np.testing.assert_allclose(times(sigmas_for("Euler", "DDIM", 4, LEVELS)), [751, 501, 251, 1])


def test_where_the_count_differs_from_the_steps():
    """28 does not divide 1000: 35 times apart, 29 levels."""
    assert len(sigmas_for("Euler", "DDIM", 28, LEVELS)) == 30
    assert len(sigmas_for("DDIM", "Automatic", 28, LEVELS)) == 29
    assert len(sigmas_for("UniPC", "Automatic", 28, LEVELS)) == 30
    assert len(sigmas_for("DPM2", "DDIM", 28, LEVELS)) == len(range(1, 1000, 1000 // 29))


def test_ddim_and_unipc_go_their_own_way():
    np.testing.assert_allclose(times(sigmas_for("DDIM", "Automatic", 4, LEVELS)), [751, 501, 251, 1])
    unipc = sigmas_for("UniPC", "Automatic", 5, LEVELS)
    np.testing.assert_allclose(times(unipc), [999, 799.2, 599.4, 399.6, 199.8, 0], atol=2e-3)
    assert unipc[0] == pytest.approx(LEVELS.highest)
    assert unipc[-1] == pytest.approx(LEVELS.lowest)
    assert times(unipc)[4] != pytest.approx(199.8, abs=1e-6)  # log alpha is interpolated, not log sigma
    assert 1 / (1 + unipc[4] ** 2) == pytest.approx(kept(199) ** 0.2 * kept(200) ** 0.8, rel=1e-6)


def kept(time: int) -> float:
    """The trained running product of 1 - beta."""
    return 1 / (1 + math.exp(2 * LEVELS.log_sigmas[time]))


@pytest.mark.parametrize("levels", [LEVELS, NoiseLevels(sigmas=LEVELS.sigmas, aligned=ALIGNED_SDXL)])
def test_align_your_steps_is_the_familys_table(levels: NoiseLevels):
    assert sigmas_for("Euler", "Align Your Steps", 11, levels)[:-1] == tuple(
        np.array(levels.aligned, np.float32).tolist()
    )
    twice = sigmas_for("Euler", "Align Your Steps", 21, levels)
    np.testing.assert_allclose(twice[:-1:2], levels.aligned, rtol=1e-6)
    np.testing.assert_allclose(twice[1], math.sqrt(levels.aligned[0] * levels.aligned[1]))
    assert sigmas_for("Euler", "Align Your Steps", 1, levels) == pytest.approx((0.029, 0.0))


def test_beta_levels_are_quantiles():
    from scipy.stats import beta

    shares = (np.array(sigmas_for("Euler", "Beta", 7, LEVELS)[:-1]) - LEVELS.lowest) / (LEVELS.highest - LEVELS.lowest)
    np.testing.assert_allclose(beta.cdf(shares, 0.6, 0.6), np.linspace(1, 0, 7), atol=1e-6)


def test_other_trained_levels_serve_as_well():
    """Zero terminal SNR, as far as it can be: a highest level of thousands."""
    rising = NoiseLevels(sigmas=torch.logspace(math.log10(0.03), math.log10(4500), 1000))
    for schedule in SCHEDULES:
        if schedule != "Align Your Steps":
            sigmas = sigmas_for("Euler", schedule, 10, rising)
            assert sigmas[0] > 3000 or schedule == "DDIM"
            assert all(left > right for left, right in pairwise(sigmas))


def test_every_schedule_is_wired():
    assert set(schedules._SCHEDULES) == set(SCHEDULES) - {"Automatic"}
    assert set(schedules._OWN) == {name for name, facts in SAMPLERS.items() if not facts.automatic}

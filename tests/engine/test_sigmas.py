from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest

from engine.sigmas import TRAINING_STEPS, sd1_levels, sigmas_for


def test_the_range_is_that_of_sd1():
    # As every SD1 program prints them.
    assert sd1_levels().lowest == pytest.approx(0.029167, abs=1e-6)
    assert sd1_levels().highest == pytest.approx(14.614641, abs=1e-5)


def test_levels_equal_the_schedulers_of_diffusers():
    from diffusers import EulerDiscreteScheduler

    theirs = EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    kept = theirs.alphas_cumprod.double().numpy()
    np.testing.assert_allclose(np.exp(sd1_levels().log_sigmas), np.sqrt((1 - kept) / kept), rtol=1e-4)


@pytest.mark.parametrize("sampler", ["DPM++ 2M Karras", "Euler a"])
@pytest.mark.parametrize("steps", [1, 2, 8, 20, 150])
def test_schedules_fall_from_the_highest_level_to_zero(sampler: str, steps: int):
    sigmas = sigmas_for(sampler, steps)
    assert len(sigmas) == steps + 1
    assert sigmas[0] == pytest.approx(sd1_levels().highest, rel=1e-12)
    assert sigmas[-1] == 0
    assert all(left > right for left, right in pairwise(sigmas))
    if steps > 1:
        assert sigmas[-2] == pytest.approx(sd1_levels().lowest, rel=1e-12)


def test_karras_levels_are_evenly_spaced_in_the_seventh_root():
    roots = np.array(sigmas_for("DPM++ 2M Karras", 10)[:-1]) ** (1 / 7)
    np.testing.assert_allclose(np.diff(roots, 2), 0, atol=1e-12)


def test_karras_levels_equal_the_formula_of_the_paper():
    low, high, steps = sd1_levels().lowest, sd1_levels().highest, 12
    expected = [(high ** (1 / 7) + i / (steps - 1) * (low ** (1 / 7) - high ** (1 / 7))) ** 7 for i in range(steps)]
    np.testing.assert_allclose(sigmas_for("DPM++ 2M Karras", steps)[:-1], expected, rtol=1e-10)


def test_uniform_levels_are_evenly_spaced_in_time():
    times = [sd1_levels().time_of(sigma) for sigma in sigmas_for("Euler a", 8)[:-1]]
    np.testing.assert_allclose(times, np.linspace(999, 0, 8), atol=1e-9)


def test_time_of_inverts_the_levels_and_clamps():
    levels = sd1_levels()
    for time in (0, 1, 500, 998, 999):
        assert levels.time_of(math.exp(levels.log_sigmas[time])) == pytest.approx(time, abs=1e-9)
    middle = math.exp((levels.log_sigmas[400] + levels.log_sigmas[401]) / 2)
    assert levels.time_of(middle) == pytest.approx(400.5, abs=1e-9)
    assert levels.time_of(1e6) == TRAINING_STEPS - 1
    assert levels.time_of(1e-6) == 0

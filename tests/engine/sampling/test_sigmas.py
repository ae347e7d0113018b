from __future__ import annotations

import math

import numpy as np
import pytest

from engine.sampling.sigmas import TRAINING_STEPS, sd1_levels


def test_the_range_is_that_of_sd1():
    # As every SD1 program prints them, from float32.
    assert sd1_levels().lowest == pytest.approx(0.0291675, abs=5e-8)
    assert sd1_levels().highest == pytest.approx(14.614642, abs=1e-6)


def test_levels_equal_the_schedulers_of_diffusers():
    from diffusers import EulerDiscreteScheduler

    theirs = EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear")
    kept = theirs.alphas_cumprod.double().numpy()
    np.testing.assert_allclose(sd1_levels().sigmas.numpy(), np.sqrt((1 - kept) / kept), rtol=1e-4)


def test_time_of_inverts_the_levels_and_clamps():
    levels = sd1_levels()
    for time in (0, 1, 500, 998, 999):
        assert levels.time_of(math.exp(levels.log_sigmas[time])) == pytest.approx(time, abs=1e-4)
    middle = math.exp((levels.log_sigmas[400] + levels.log_sigmas[401]) / 2)
    assert levels.time_of(middle) == pytest.approx(400.5, abs=1e-4)
    assert levels.time_of(1e6) == TRAINING_STEPS - 1
    assert levels.time_of(1e-6) == 0


def test_sigma_of_and_time_of_invert_each_other():
    levels = sd1_levels()
    for time in (0, 0.25, 400.5, 998.9, 999):
        assert levels.time_of(levels.sigma_of(time)) == pytest.approx(time, abs=1e-4)  # float32 logarithms
    assert levels.sigma_of(999) == pytest.approx(levels.highest)

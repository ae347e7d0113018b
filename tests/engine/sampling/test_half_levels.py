"""The noise levels of half precision that WebUIs before 1.7.0-225 used."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from engine.sampling.sigmas import levels_of


@pytest.mark.parametrize("sdxl", [False, True])
def test_they_are_torchs_in_half_precision(sdxl: bool) -> None:
    """As the WebUI computes them: what is kept of the picture in fp16, then levels and logarithms in fp16 too."""
    betas = np.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2
    kept = torch.from_numpy(np.cumprod(1 - betas)).float().half()
    sigmas = ((1 - kept) / kept) ** 0.5
    levels = levels_of(sdxl=sdxl, zero_terminal=False, half=True)
    logs = sigmas.log().float()
    assert (levels.lowest, levels.highest) == (float(sigmas[0]), float(sigmas[-1]))
    assert levels.lowest == pytest.approx(0.0312, abs=1e-4)
    for time in (0, 1, 17, 500, 998, 999):
        assert levels.sigma_of(time) == pytest.approx(float(logs[time].exp()), rel=1e-6)
    assert levels.sigma_of(400.5) == pytest.approx(float(((logs[400] + logs[401]) / 2).exp()), rel=1e-6)


def test_a_time_and_its_level_belong_together() -> None:
    levels = levels_of(sdxl=True, zero_terminal=False, half=True)
    for time in (0.0, 0.5, 123.25, 999.0):
        assert levels.time_of(levels.sigma_of(time)) == pytest.approx(time, abs=0.01)


def test_levels_of_today_are_others() -> None:
    for zero_terminal in (False, True):
        today = levels_of(sdxl=False, zero_terminal=zero_terminal)
        half = levels_of(sdxl=False, zero_terminal=zero_terminal, half=True)
        assert half.lowest > today.lowest * 1.05
        assert half.highest == pytest.approx(today.highest, rel=2e-3)

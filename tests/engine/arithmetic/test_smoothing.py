from __future__ import annotations

import math
import platform

import numpy as np
import pytest
import torch
from scipy import ndimage

from engine.arithmetic.smoothing import GAUSSIAN, smoothed


def test_the_weights_are_a_gaussians() -> None:
    exact = [math.exp(-k * k / 2) for k in range(5)]
    assert pytest.approx([weight / (exact[0] + 2 * sum(exact[1:])) for weight in exact], rel=1e-15) == GAUSSIAN


@pytest.mark.parametrize("shape", [(), (1,), (2,), (7,), (40_000,), (64, 3, 3, 3), (5, 1, 1), (300, 70)])
def test_it_is_scipys(shape: tuple[int, ...]) -> None:
    values = torch.randn(shape, generator=torch.Generator().manual_seed(4))
    wanted = ndimage.gaussian_filter(ndimage.median_filter(values.numpy(), size=3), sigma=1)
    found = smoothed(values)
    assert found.shape == shape
    if platform.machine() in {"x86_64", "AMD64"}:  # elsewhere SciPy's sums may be fused
        assert np.array_equal(found.numpy(), wanted)
    assert np.allclose(found.numpy(), wanted, rtol=0, atol=1e-6)

"""The differentiable objective against the verdict's own numbers."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from scorers.errors import ScorerError
from scorers.panel import Panel
from tests.scorers.conftest import Paint


def test_differences_of_the_objective_are_those_of_verdicts(
    calibrated: Panel, paint: Paint, prompts_of: Callable[[int, int], list[str]]
) -> None:
    objective, prompts = calibrated.traced(), prompts_of(1, 12)
    rows: list[tuple[float, float]] = []
    for amount in (0.3, 0.45, 0.6):
        pictures = paint(1, 12, amount)
        value = calibrated.judge(calibrated.features(pictures, prompts, list(range(12)))).value
        assert value is not None
        rows.append((value, float(objective(pictures, prompts))))
    for value, traced in rows[1:]:
        assert traced - rows[0][1] == pytest.approx(value - rows[0][0], abs=1e-5)
        assert abs(value - rows[0][0]) > 0.1


def test_the_gradient_is_that_of_finite_differences(
    calibrated: Panel, paint: Paint, prompts_of: Callable[[int, int], list[str]]
) -> None:
    objective, prompts = calibrated.traced(), prompts_of(1, 12)
    pictures, way = paint(1, 12, 0.3) * 0.9 + 0.05, paint(1, 12, 0.6) - paint(1, 12, 0.3)
    seen = pictures.clone().requires_grad_()
    objective(seen, prompts).backward()
    assert seen.grad is not None
    step = 2e-3
    above, below = (float(objective(pictures + sign * step * way, prompts)) for sign in (1, -1))
    assert float((seen.grad * way).sum()) == pytest.approx((above - below) / (2 * step), rel=0.02)


def test_broken_pictures_count_for_nothing(
    calibrated: Panel, paint: Paint, prompts_of: Callable[[int, int], list[str]]
) -> None:
    objective, prompts = calibrated.traced(), prompts_of(1, 12)
    pictures = paint(1, 12, 0.3)
    pictures[3] = 0.0
    rest = [row for row in range(12) if row != 3]
    seen = pictures.clone().requires_grad_()
    value = objective(seen, prompts)
    value.backward()
    assert value.item() == pytest.approx(float(objective(pictures[rest], [prompts[row] for row in rest])))
    assert seen.grad is not None
    assert seen.grad.isfinite().all()
    assert not seen.grad[3].any()
    with pytest.raises(ScorerError, match="0 sound picture"):
        objective(torch.zeros(2, 3, 64, 64), prompts[:2])

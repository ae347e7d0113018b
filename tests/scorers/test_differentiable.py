"""The differentiable objective against the verdict's own numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from scorers.differentiable import DifferentiableObjective
from scorers.errors import ScorerError
from scorers.panel.panel import Panel
from scorers.panel.settings import PanelSettings
from tests.scorers.conftest import Paint

Prompts = Callable[[int, int], list[str]]
AMOUNTS = (0.3, 0.45, 0.6)


def both(panel: Panel, paint: Paint, prompts: list[str]) -> list[tuple[float, float]]:
    """The verdict's value and the differentiable objective, at some amounts of a look."""
    objective, rows = DifferentiableObjective(panel), list[tuple[float, float]]()
    for amount in AMOUNTS:
        pictures = paint(1, 12, amount)
        value = panel.judge(panel.features(pictures, prompts, list(range(12)))).value
        assert value is not None
        rows.append((value, float(objective(pictures, prompts))))
    return rows


def on_three(panel: Panel, paint: Paint, prompts: list[str]) -> Panel:
    """The panel, calibrated on both ends and the middle."""
    looks = {label: paint(1, 12, amount) for label, amount in {"A": 0.0, "FLAT_50": 0.5, "B": 1.0}.items()}
    panel.calibrate({label: panel.features(pictures, prompts, range(12)) for label, pictures in looks.items()})
    return panel


def test_differences_of_the_objective_are_those_of_verdicts(
    calibrated: Panel, paint: Paint, prompts_of: Prompts
) -> None:
    first, *others = both(calibrated, paint, prompts_of(1, 12))
    for value, traced in others:
        assert traced - first[1] == pytest.approx(value - first[0], abs=1e-5)
        assert abs(value - first[0]) > 0.1


def test_words_have_a_gradient_too(settings: PanelSettings, paint: Paint, prompts_of: Prompts) -> None:
    opened = Panel.open(replace(settings, like="photo", unlike="drawing"))
    panel = on_three(opened, paint, prompts_of(1, 12))
    assert panel.scales["text"].counts
    first, *others = both(panel, paint, prompts_of(1, 12))
    for value, traced in others:
        assert traced - first[1] == pytest.approx(value - first[0], abs=1e-5)


def test_a_scorer_without_a_gradient_is_refused(settings: PanelSettings, paint: Paint, prompts_of: Prompts) -> None:
    opened = Panel.open(replace(settings, weights={"margin": 1.0}, keep=frozenset({"margin"})))
    panel = on_three(opened, paint, prompts_of(1, 12))
    with pytest.raises(ScorerError, match="'margin' has no gradient; give it weight 0"):
        DifferentiableObjective(panel)


def test_the_gradient_is_that_of_finite_differences(calibrated: Panel, paint: Paint, prompts_of: Prompts) -> None:
    objective, prompts = DifferentiableObjective(calibrated), prompts_of(1, 12)
    pictures, way = paint(1, 12, 0.3) * 0.9 + 0.05, paint(1, 12, 0.6) - paint(1, 12, 0.3)
    seen = pictures.clone().requires_grad_()
    objective(seen, prompts).backward()
    assert seen.grad is not None
    step = 1e-3  # drawings have edges, so gradients change within a few thousandths
    above, below = (float(objective(pictures + sign * step * way, prompts)) for sign in (1, -1))
    assert float((seen.grad * way).sum()) == pytest.approx((above - below) / (2 * step), rel=0.1)


def test_broken_pictures_count_for_nothing(calibrated: Panel, paint: Paint, prompts_of: Prompts) -> None:
    objective, prompts = DifferentiableObjective(calibrated), prompts_of(1, 12)
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
    with pytest.raises(ScorerError, match="0 intact picture"):
        objective(torch.zeros(2, 3, 64, 64), prompts[:2])


def test_a_panel_without_calibration_is_refused(settings: PanelSettings) -> None:
    with pytest.raises(ScorerError, match="not calibrated yet"):
        DifferentiableObjective(Panel.open(settings))


def test_weights_count_as_in_verdicts(settings: PanelSettings, paint: Paint, prompts_of: Prompts) -> None:
    prompts, weights = prompts_of(1, 12), [6.0, 6.0, *[1.0] * 10]
    known = dict(zip(zip(prompts, range(12), strict=True), weights, strict=True))
    panel = on_three(Panel.open(replace(settings, picture_weights=known)), paint, prompts)
    objective = DifferentiableObjective(panel)
    pictures = [paint(1, 12, amount) for amount in AMOUNTS]
    values = [panel.judge(panel.features(some, prompts, range(12))).value or 0.0 for some in pictures]
    traced = [float(objective(some, prompts, weights)) for some in pictures]
    for value, one in zip(values[1:], traced[1:], strict=True):
        assert one - traced[0] == pytest.approx(value - values[0], abs=1e-5)

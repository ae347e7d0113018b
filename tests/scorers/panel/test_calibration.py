"""Calibration: units, noise, scorers that are switched off, and scorers that fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from torch import Tensor

from scorers.errors import ScorerError
from scorers.features import Features
from scorers.panel.panel import Panel
from scorers.panel.settings import PanelSettings

Paint = Callable[..., Tensor]
Prompts = Callable[[int, int], list[str]]


def test_calibration_reports_units_noise_and_snr(calibrated: Panel) -> None:
    scales = calibrated.scales
    assert list(scales) == ["style", "clip", "stats", "lda", "margin"]
    assert scales["style"].snr > 1
    assert scales["style"].text.startswith("style: weight 1, unit ")
    assert all(scale.sigma >= scale.noise > 0 for scale in scales.values())
    weak = replace(scales["style"], sigma=1.1, noise=1.0)
    assert weak.text.endswith(
        "it cannot rank these recipes with 12 pictures each, about 58 would be needed; it stays on anyway"
    )


def panel_of(settings: PanelSettings, strong: float, keep: frozenset[str] = frozenset()) -> Panel:
    """A panel with two scorers of readings: one as strong as said, one of noise."""

    class Read(Raising):
        degree = 1

        def __init__(self, name: str) -> None:
            super().__init__(lambda features: features.readings[name])
            self.name = name

    weights = {"strong": strong, "noise": 1.0}
    return Panel.open(replace(settings, weights=weights, keep=keep), extra=[Read("strong"), Read("noise")])


def readings(look: Callable[..., Features]) -> dict[str, Features]:
    """Five recipes that differ in one reading, and only by chance in the other."""
    rng = np.random.default_rng(0)
    looks = {"A": 0.0, "FLAT_25": 0.25, "FLAT_50": 0.5, "FLAT_75": 0.75, "B": 1.0}
    return {
        label: replace(
            look(amount), readings={"strong": amount + 0.01 * rng.normal(size=12), "noise": rng.normal(size=12)}
        )
        for label, amount in looks.items()
    }


def test_a_scorer_that_cannot_rank_is_switched_off_unless_kept(
    settings: PanelSettings, look: Callable[..., Features]
) -> None:
    recipes = readings(look)
    panel = panel_of(settings, 0.5)
    panel.calibrate(recipes)
    assert panel.switched_off == ("noise",)
    assert panel.scales["noise"].text.endswith("would be needed; it is switched off")
    parent = panel.judge(recipes["B"])
    assert parent.value == pytest.approx(0.5 * parent.scores["strong"].scaled)
    assert parent.scores["noise"].scaled != 0, "it is still reported"
    kept = panel_of(settings, 0.5, keep=frozenset({"noise"}))
    kept.calibrate(recipes)
    assert kept.switched_off == ()
    assert kept.scales["noise"].text.endswith("it stays on anyway")
    assert kept.version != panel.version
    verdict = kept.judge(recipes["B"])
    assert verdict.value == pytest.approx(0.5 * verdict.scores["strong"].scaled + verdict.scores["noise"].scaled)


def test_the_last_scorers_are_never_switched_off(settings: PanelSettings, look: Callable[..., Features]) -> None:
    panel = panel_of(settings, 0.0)
    panel.calibrate(readings(look))
    assert panel.switched_off == ()


def test_an_earlier_calibration_decides_what_is_switched_off(
    settings: PanelSettings, look: Callable[..., Features]
) -> None:
    recipes = readings(look)
    panel = panel_of(settings, 0.5)
    for off in ((), ("noise",), ("strong",)):
        panel.calibrate(recipes, off)
        assert panel.switched_off == off


def test_a_scorer_to_be_kept_has_a_weight(settings: PanelSettings) -> None:
    with pytest.raises(ScorerError, match="'laion' is to be kept, but has no weight"):
        Panel.open(replace(settings, keep=frozenset({"laion"})))


def test_pictures_needed_are_as_many_as_make_noise_and_spread_equal() -> None:
    from scorers.panel.calibration import Scale

    scale = Scale(name="x", weight=1, sigma=1.1, noise=1.0, pictures=12)
    assert (scale.snr, scale.pictures_needed) == (pytest.approx(0.21), 58)
    assert replace(scale, sigma=1.0).pictures_needed is None
    assert replace(scale, noise=0.0).pictures_needed == 0


def test_aspects_are_means_by_weight(calibrated: Panel, look: Callable[..., Features]) -> None:
    verdict = calibrated.judge(look(0.0))
    assert set(verdict.aspects) == {"style", "fidelity"}
    style = verdict.aspects["style"]
    assert style.value == pytest.approx(verdict.scores["style"].scaled)
    assert style.standard_error == pytest.approx(verdict.scores["style"].standard_error)
    assert style.interval is not None
    assert style.interval[0] < style.value < style.interval[1]


def test_contributions_of_pictures_add_up_to_the_comparison(calibrated: Panel, look: Callable[..., Features]) -> None:
    one, other = (calibrated.contributions(look(amount)) for amount in (0.1, 0.6))
    total = sum(calibrated.scales[name].counts * (one[name] - other[name]).mean() for name in one)
    assert total == pytest.approx(calibrated.compare(look(0.1), look(0.6)).mean)


def test_uncalibrated_and_badly_calibrated_panels_say_so(
    settings: PanelSettings, calibrated: Panel, look: Callable[..., Features]
) -> None:
    panel = Panel.open(settings)
    a, b = look(0.0), look(1.0)
    with pytest.raises(ScorerError, match="not calibrated"):
        panel.judge(a)
    with pytest.raises(ScorerError, match="2 calibration recipes"):
        panel.calibrate({"A": a, "B": b})
    with pytest.raises(ScorerError, match="these have others: B"):
        panel.calibrate({"A": a, "B": b.take(range(11)), "FLAT_50": look(0.5)})
    with pytest.raises(ScorerError, match="the same value"):
        panel.calibrate({"A": a, "B": a, "C": a})
    lost = replace(b, broken=("black",) * 9 + ("",) * 3)
    with pytest.raises(ScorerError, match=r"only 3 prompts and seeds have intact pictures.*B 9"):
        panel.calibrate({"A": a, "B": lost, "FLAT_50": look(0.5)})


def test_without_a_middle_the_mean_recipe_is_zero(settings: PanelSettings, look: Callable[..., Features]) -> None:
    panel = Panel.open(settings)
    recipes = {"A": look(0.0), "B": look(1.0), "C": look(0.5, 0.2)}
    panel.calibrate(recipes)
    parts = [panel.judge(features).scores["style"].scaled for features in recipes.values()]
    assert sum(parts) == pytest.approx(0, abs=1e-9)


class Raising:
    """A scorer that fails on every call."""

    name, version, needs, degree = "mine", "1", frozenset({"image"}), 1

    def __init__(self, answer: Any = None) -> None:
        self.answer = answer

    def fit(self, calibration: object) -> None:
        """Nothing to learn."""

    def __call__(self, features: Features) -> Any:
        if self.answer is None:
            raise ZeroDivisionError("no style in this")
        return self.answer(features)


def test_a_scorer_that_fails_is_named(settings: PanelSettings, look: Callable[..., Features]) -> None:
    recipes = {"A": look(0.0), "B": look(1.0), "C": look(0.5)}
    weighted = replace(settings, weights={"style": 1.0, "mine": 1.0})
    answers: tuple[tuple[Any, str], ...] = (
        (None, "'mine' failed: ZeroDivisionError: no style in this"),
        (lambda f: np.zeros(len(f) + 1), "returned shape"),
        (lambda f: np.full(len(f), np.inf), "beyond 1e.100"),
        (lambda f: np.full(len(f), np.nan), "gives no number for any"),
    )
    for answer, message in answers:
        with pytest.raises(ScorerError, match=message):
            Panel.open(weighted, extra=[Raising(answer)]).calibrate(recipes)
    with pytest.raises(ScorerError, match="'mine' has no weight"):
        Panel.open(settings, extra=[Raising()])


def test_a_scorer_may_give_no_number_for_some_pictures(settings: PanelSettings, look: Callable[..., Features]) -> None:
    def some(features: Features) -> np.ndarray:
        return np.where(np.array(features.seeds) % 2, features.statistics[:, 3], np.nan)

    panel = Panel.open(replace(settings, weights={"mine": 1.0}), extra=[Raising(some)])
    panel.calibrate({"A": look(0.0), "B": look(1.0), "C": look(0.5)})
    verdict = panel.judge(look(0.2))
    assert verdict.value is not None
    assert verdict.standard_error is not None

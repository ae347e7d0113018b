"""The panel, on scenes with a known amount of a look and a random tiny CLIP."""

from __future__ import annotations

import copy
import functools
import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from scorers.errors import ScorerError, ScorerWarning
from scorers.features import Features, joined
from scorers.mmd import cmmd
from scorers.panel import Panel
from scorers.panel_settings import PanelSettings
from tests.scorers.plain_features import features_of

Paint = Callable[..., Tensor]
Prompts = Callable[[int, int], list[str]]


@pytest.fixture(scope="module")
def look(calibrated: Panel, paint: Paint, prompts_of: Prompts) -> Callable[..., Features]:
    """Features of the calibration's twelve scenes at an amount of the look."""

    @functools.cache
    def at(*amounts: float) -> Features:
        return calibrated.features(paint(1, 12, *amounts), prompts_of(1, 12), range(12))

    return at


# ------------------------------------------------------------------------------------------------------ verdicts


def test_base_is_zero_and_parents_are_worse(calibrated: Panel, look: Callable[..., Features]) -> None:
    middle, drawn, photographed = (calibrated.judge(look(amount)) for amount in (0.5, 0.0, 1.0))
    assert middle.value == pytest.approx(0, abs=1e-12)
    assert middle.standard_error == pytest.approx(0, abs=1e-12)
    for parent in (drawn, photographed):
        assert parent.value is not None
        assert parent.value < -1
        assert parent.standard_error is not None
        assert 0 < parent.standard_error < 1


def test_value_is_the_weighted_sum_of_parts_in_units_of_the_calibration(
    calibrated: Panel, look: Callable[..., Features], settings: PanelSettings
) -> None:
    verdicts = {amount: calibrated.judge(look(amount)) for amount in (0.0, 0.25, 0.5, 0.75, 1.0)}
    for name in settings.weights:
        assert np.std([v.parts[name].scaled for v in verdicts.values()], ddof=1) == pytest.approx(1, rel=0.3)
    drawn = verdicts[0.0]
    assert drawn.value == pytest.approx(
        sum(settings.weights.get(k, 0.0) * part.scaled for k, part in drawn.parts.items())
    )


def test_order_of_pictures_does_not_matter(calibrated: Panel, look: Callable[..., Features]) -> None:
    features = look(0.2)
    shuffled = features.take(np.random.default_rng(0).permutation(12))
    one, two = calibrated.judge(features), calibrated.judge(shuffled)
    assert one.value == pytest.approx(two.value, rel=1e-9)
    assert one.standard_error == pytest.approx(two.standard_error, rel=1e-9)


def test_pictures_do_not_depend_on_their_batch(
    calibrated: Panel, look: Callable[..., Features], paint: Paint, prompts_of: Prompts
) -> None:
    whole, images, prompts = look(0.2), paint(1, 12, 0.2), prompts_of(1, 12)
    verdict = calibrated.judge(whole)
    for size in (1, 5):
        batches = [range(start, min(start + size, 12)) for start in range(0, 12, size)]
        parts = [calibrated.features(images[list(b)], [prompts[i] for i in b], list(b)) for b in batches]
        apart = joined(parts)
        np.testing.assert_allclose(apart.embedding("clip"), whole.embedding("clip"), atol=2e-6)
        np.testing.assert_array_equal(apart.dhash, whole.dhash)
        np.testing.assert_allclose(apart.statistics, whole.statistics, rtol=1e-4, atol=1e-5)
        again = calibrated.judge(apart)
        assert again.value == pytest.approx(verdict.value, abs=1e-4)
        assert again.standard_error == pytest.approx(verdict.standard_error, abs=1e-4)


def test_some_of_the_slots_are_compared_with_the_same_slots(calibrated: Panel, look: Callable[..., Features]) -> None:
    few = calibrated.judge(look(0.5).take([7, 2, 5, 9]))
    assert few.value == pytest.approx(0, abs=1e-12)


def test_saved_features_give_the_same_verdict(calibrated: Panel, look: Callable[..., Features], tmp_path: Path) -> None:
    look(0.3).save(tmp_path / "features")
    assert calibrated.judge(Features.load(tmp_path / "features")) == calibrated.judge(look(0.3))


def test_held_out_slots_can_be_judged_and_keep_the_order(calibrated: Panel, paint: Paint, prompts_of: Prompts) -> None:
    seeds = range(100, 112)
    values = [
        calibrated.judge(calibrated.features(paint(77, 12, amount), prompts_of(77, 12), seeds)).value
        for amount in (0.0, 0.5, 1.0)
    ]
    known = [value for value in values if value is not None]
    assert len(known) == 3
    assert known[1] == max(known)


def test_one_catastrophe_is_floored(calibrated: Panel, look: Callable[..., Features]) -> None:
    features = look(0.5)
    far = replace(features, embeddings={"clip": -features.embedding("clip")})
    part = calibrated.judge(far).parts["style"]
    assert part.scaled == -6
    assert part.raw < -6


def test_read_outs_are_reported_without_weight(calibrated: Panel, look: Callable[..., Features]) -> None:
    parts = calibrated.judge(look(0.75)).parts
    assert {"lda", "margin"} <= parts.keys()
    assert calibrated.scales["lda"].weight == calibrated.scales["margin"].weight == 0
    assert parts["style"].raw < 0


def test_references_are_checked_at_calibration(calibrated: Panel) -> None:
    (remark,) = calibrated.remarks
    assert remark.startswith("references: ")
    assert "AUC" in remark


def test_likenesses_of_the_baselines_raise_no_alarm(calibrated: Panel, look: Callable[..., Features]) -> None:
    looks = {"A": look(0.0), "FLAT_50": look(0.5), "B": look(1.0)}
    found = calibrated.likenesses(looks, list(looks))
    assert found["B"].cmmd == cmmd(looks["B"].embedding("clip"), calibrated.references.embedding("clip"))
    assert found["B"].polynomial_mmd is not None
    assert max(likeness.drift or 0 for likeness in found.values()) == pytest.approx(1)
    assert not any(likeness.alarm for likeness in found.values())


def test_pictures_of_something_else_raise_the_alarm(calibrated: Panel, look: Callable[..., Features]) -> None:
    looks = {"A": look(0.0), "FLAT_50": look(0.5), "B": look(1.0)}
    turned = replace(look(0.5), embeddings={"clip": np.roll(look(0.5).embedding("clip"), 7, axis=1)})
    found = calibrated.likenesses({**looks, "turned": turned}, list(looks))
    assert "moved aside" in found["turned"].alarm
    assert found["A"].alarm == ""


def test_a_recipe_with_other_sound_slots_has_no_drift(calibrated: Panel, look: Callable[..., Features]) -> None:
    looks = {"A": look(0.0), "FLAT_50": look(0.5), "B": look(1.0)}
    found = calibrated.likenesses({**looks, "few": look(0.5).take([0])}, list(looks))
    assert found["few"].drift is None
    assert found["few"].cmmd is None


def test_words_and_two_references_are_enough(
    settings: PanelSettings, paint: Paint, prompts_of: Prompts, look: Callable[..., Features]
) -> None:
    few = replace(settings, references=settings.references[:2], weights={"style": 1.0, "stats": 0.3})
    with pytest.raises(ScorerError, match="2 reference pictures; 4 at least are needed"):
        Panel.open(few)
    with pytest.warns(ScorerWarning, match="only 2 references"):
        panel = Panel.open(replace(few, like="a flat drawing", unlike="a photo"))
    panel.calibrate({"A": look(0.0), "FLAT_50": look(0.5), "B": look(1.0)})
    verdict = panel.judge(look(0.25))
    assert verdict.value is not None
    assert verdict.parts.keys() == {"margin", "text", "stats"}
    assert panel.scales["text"].weight == pytest.approx(0.7)
    assert panel.remarks == ()
    single = replace(few, references=settings.references[:1], like="a flat drawing")
    with pytest.warns(ScorerWarning, match="only 1 references"):
        alone = Panel.open(single)
    alone.calibrate({"A": look(0.0), "FLAT_50": look(0.5), "B": look(1.0)})
    assert alone.judge(look(0.25)).value is not None
    assert alone.likenesses({"A": look(0.0), "B": look(1.0)}, ["A", "B"])["A"].drift is None


def test_words_change_the_version_of_the_panel(settings: PanelSettings) -> None:
    versions = {Panel.open(replace(settings, like=like)).version for like in ("", "a drawing", "a photo")}
    assert len(versions) == 3


# ------------------------------------------------------------------------------------------------------- broken


def board(x: Tensor, side: int) -> Tensor:
    """A chessboard."""
    rows, columns = torch.meshgrid(*(torch.arange(n) for n in x.shape[2:]), indexing="ij")
    return ((rows // side + columns // side) % 2).float().expand_as(x)


def half_black(x: Tensor) -> Tensor:
    """The lower half was never drawn."""
    return torch.cat([x[:, :, : x.shape[2] // 2], torch.zeros_like(x[:, :, x.shape[2] // 2 :])], dim=2)


def blotch(x: Tensor) -> Tensor:
    """Colours without an edge."""
    small = torch.nn.functional.interpolate(x, size=4, mode="area")
    return torch.nn.functional.interpolate(small, size=x.shape[2:], mode="bicubic").clamp(0, 1)


BROKEN: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "nan": (lambda x: x * float("nan"), "not finite"),
    "infinite": (lambda x: x / torch.zeros(()), "not finite"),
    "black": (torch.zeros_like, "black"),
    "grey": (lambda x: torch.full_like(x, 0.5), "blank"),
    "red": (lambda x: torch.tensor([0.8, 0.1, 0.1]).view(1, 3, 1, 1).expand_as(x), "blank"),
    "white": (torch.ones_like, "blank"),
    "white noise": (lambda x: torch.rand(x.shape, generator=torch.Generator().manual_seed(0)), "noise"),
    "noise all over": (
        lambda x: 0.4 * x + 0.6 * torch.rand(x.shape, generator=torch.Generator().manual_seed(0)),
        "noise",
    ),
    "blown out": (lambda x: (x > 0.5).float().amin(1, keepdim=True).expand_as(x), "clipped"),
    "half black": (half_black, "partly black"),
    "blotch": (blotch, "a blotch"),
    "chessboard": (lambda x: board(x, 4), "a grid"),
    "grid over a picture": (lambda x: (x + 0.25 * (board(x, 4) - 0.5)).clamp(0, 1), "a grid"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_broken_pictures_make_infeasible_with_reasons_never_zero(
    kind: str, calibrated: Panel, paint: Paint, prompts_of: Prompts
) -> None:
    spoil, why = BROKEN[kind]
    images = paint(1, 12, 0.5)
    images[[3, 8]] = spoil((images[[3, 8]] + 1e-3).clamp(0, 1))
    verdict = calibrated.judge(calibrated.features(images, prompts_of(1, 12), range(12)))
    assert verdict.value is None
    assert verdict.standard_error is None
    assert verdict.reasons[0] == "2 of 12 pictures broken"
    assert verdict.reasons[1].startswith("seed 3, ")
    assert why in verdict.reasons[1]
    assert not verdict.parts
    assert not verdict.penalties
    assert verdict.interval is None


def test_one_broken_of_twelve_is_left_out_and_remarked(calibrated: Panel, paint: Paint, prompts_of: Prompts) -> None:
    images = paint(1, 12, 0.5)
    images[4] = 0
    verdict = calibrated.judge(calibrated.features(images, prompts_of(1, 12), range(12)))
    assert verdict.value == pytest.approx(0, abs=1e-12)
    assert len(verdict.reasons) == 1
    assert "seed 4: black" in verdict.reasons[0]


def test_a_single_picture_of_nan_is_too_many(calibrated: Panel, paint: Paint, prompts_of: Prompts) -> None:
    images = paint(1, 12, 0.5)
    images[4, 0, 0, 0] = float("nan")
    features = calibrated.features(images, prompts_of(1, 12), range(12))
    assert calibrated.judge(features).value is None
    others = [row for row in range(12) if row != 4]
    assert np.isfinite(features.embedding("clip")[others]).all()
    assert np.isnan(features.brightest[4])


def test_scenes_of_every_look_and_references_are_sound_and_not_fined(
    calibrated: Panel, look: Callable[..., Features]
) -> None:
    for amount in (0.0, 0.25, 0.5, 0.75, 1.0):
        assert not any(look(amount).broken)
        assert not calibrated.judge(look(amount)).penalties
    assert not any(calibrated.reviewed(calibrated.references).broken)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(3, 64, 64), "float"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), "float"),
        (torch.full((1, 3, 64, 64), 255.0), "in 0..1"),
        (torch.zeros(2, 3, 64, 64), "one of each"),
    ],
)
def test_other_tensors_are_refused(calibrated: Panel, images: Tensor, message: str) -> None:
    with pytest.raises(ScorerError, match=message):
        calibrated.features(images, ["a cat"], [0])


def test_a_slot_given_twice_is_refused(calibrated: Panel) -> None:
    with pytest.raises(ScorerError, match="two pictures of one slot"):
        calibrated.features(torch.rand(2, 3, 64, 64), ["a cat", "a cat"], [5, 5])


# --------------------------------------------------------------------------------------------------- references


def test_few_references_are_refused_or_warned_about(settings: PanelSettings) -> None:
    with pytest.raises(ScorerError, match="3 reference pictures; 4 at least"):
        Panel.open(replace(settings, references=settings.references[:3]))
    with pytest.warns(ScorerWarning, match="only 5 references"):
        Panel.open(replace(settings, references=settings.references[:5]))


def test_references_that_are_no_pictures_are_all_named(settings: PanelSettings, tmp_path: Path) -> None:
    wrong = tmp_path / "a.png", tmp_path / "b.jpg"
    for path in wrong:
        path.write_text("no picture")
    with pytest.raises(ScorerError) as caught:
        Panel.open(replace(settings, references=(*settings.references, *wrong)))
    assert all(str(path) in str(caught.value) for path in wrong)


def test_blank_references_are_refused(
    settings: PanelSettings, write_pictures: Callable[[Tensor, Path], tuple[Path, ...]], tmp_path: Path
) -> None:
    blank = write_pictures(torch.stack([torch.zeros(3, 64, 64), torch.full((3, 64, 64), 0.7)]), tmp_path)
    with pytest.raises(ScorerError, match="2 of the reference pictures show nothing"):
        Panel.open(replace(settings, references=(*settings.references, *blank)))


def test_settings_mistakes_are_all_reported(settings: PanelSettings) -> None:
    with pytest.raises(ScorerError) as caught:
        Panel.open(replace(settings, weights={"stlye": 1.0, "clip": -1.0, "stats": float("nan")}, references=()))
    for part in ("no scorer 'stlye'", "'clip' is -1.0", "'stats' is nan", "0 reference pictures"):
        assert part in str(caught.value)
    with pytest.raises(ScorerError, match="no scorer has a weight"):
        Panel.open(replace(settings, weights={"style": 0.0}))


def test_smaller_renders_are_remarked_unless_announced(settings: PanelSettings) -> None:
    images = torch.rand(1, 3, 48, 48)
    with pytest.warns(ScorerWarning, match="pictures of 48 px"):
        Panel.open(settings).features(images, ["a cat"], [0])
    panel = Panel.open(replace(settings, render_size=48))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        panel.features(images, ["a cat"], [0])
    assert panel.observer.size == 48


# ------------------------------------------------------------------------------------------------- calibration


def test_calibration_reports_units_noise_and_snr(calibrated: Panel) -> None:
    scales = calibrated.scales
    assert list(scales) == ["style", "clip", "stats", "lda", "margin"]
    assert scales["style"].snr > 1
    assert scales["style"].text.startswith("style: weight 1, unit ")
    assert all(scale.sigma >= scale.noise > 0 for scale in scales.values())
    weak = replace(scales["style"], sigma=1.1, noise=1.0)
    assert weak.text.endswith(
        "it cannot rank these recipes with 12 pictures each, about 58 would be needed; it is kept on all the same"
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
    assert parent.value == pytest.approx(0.5 * parent.parts["strong"].scaled)
    assert parent.parts["noise"].scaled != 0, "it is still reported"
    kept = panel_of(settings, 0.5, keep=frozenset({"noise"}))
    kept.calibrate(recipes)
    assert kept.switched_off == ()
    assert kept.scales["noise"].text.endswith("it is kept on all the same")
    assert kept.version != panel.version
    verdict = kept.judge(recipes["B"])
    assert verdict.value == pytest.approx(0.5 * verdict.parts["strong"].scaled + verdict.parts["noise"].scaled)


def test_the_last_scorers_are_never_switched_off(settings: PanelSettings, look: Callable[..., Features]) -> None:
    panel = panel_of(settings, 0.0)
    panel.calibrate(readings(look))
    assert panel.switched_off == ()


def test_what_an_earlier_calibration_found_is_kept_to(settings: PanelSettings, look: Callable[..., Features]) -> None:
    recipes = readings(look)
    panel = panel_of(settings, 0.5)
    for off in ((), ("noise",), ("strong",)):
        panel.calibrate(recipes, off)
        assert panel.switched_off == off


def test_a_scorer_to_be_kept_has_a_weight(settings: PanelSettings) -> None:
    with pytest.raises(ScorerError, match="'laion' is to be kept, but has no weight"):
        Panel.open(replace(settings, keep=frozenset({"laion"})))


def test_pictures_needed_are_as_many_as_make_noise_and_spread_equal() -> None:
    from scorers.scale import Scale

    scale = Scale(name="x", weight=1, sigma=1.1, noise=1.0, pictures=12)
    assert (scale.snr, scale.needed) == (pytest.approx(0.21), 58)
    assert replace(scale, sigma=1.0).needed is None
    assert replace(scale, noise=0.0).needed == 0


def test_aspects_are_means_by_weight(calibrated: Panel, look: Callable[..., Features]) -> None:
    verdict = calibrated.judge(look(0.0))
    assert set(verdict.aspects) == {"style", "fidelity"}
    style = verdict.aspects["style"]
    assert style.value == pytest.approx(verdict.parts["style"].scaled)
    assert style.standard_error == pytest.approx(verdict.parts["style"].standard_error)
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
    with pytest.raises(ScorerError, match="other ones: B"):
        panel.calibrate({"A": a, "B": b.take(range(11)), "FLAT_50": look(0.5)})
    with pytest.raises(ScorerError, match="the same value"):
        panel.calibrate({"A": a, "B": a, "C": a})
    lost = replace(b, broken=("black",) * 9 + ("",) * 3)
    with pytest.raises(ScorerError, match=r"only 3 slots are sound.*B 9"):
        panel.calibrate({"A": a, "B": lost, "FLAT_50": look(0.5)})


def test_without_a_middle_the_mean_recipe_is_zero(settings: PanelSettings, look: Callable[..., Features]) -> None:
    panel = Panel.open(settings)
    recipes = {"A": look(0.0), "B": look(1.0), "C": look(0.5, 0.2)}
    panel.calibrate(recipes)
    parts = [panel.judge(features).parts["style"].scaled for features in recipes.values()]
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
        (lambda f: np.full(len(f), np.inf), "infinite"),
        (lambda f: np.full(len(f), np.nan), "no say"),
    )
    for answer, message in answers:
        with pytest.raises(ScorerError, match=message):
            Panel.open(weighted, extra=[Raising(answer)]).calibrate(recipes)
    with pytest.raises(ScorerError, match="'mine' has no weight"):
        Panel.open(settings, extra=[Raising()])


def test_a_scorer_may_be_unable_to_say(settings: PanelSettings, look: Callable[..., Features]) -> None:
    def some(features: Features) -> np.ndarray:
        return np.where(np.array(features.seeds) % 2, features.statistics[:, 3], np.nan)

    panel = Panel.open(replace(settings, weights={"mine": 1.0}), extra=[Raising(some)])
    panel.calibrate({"A": look(0.0), "B": look(1.0), "C": look(0.5)})
    verdict = panel.judge(look(0.2))
    assert verdict.value is not None
    assert verdict.standard_error is not None


# ------------------------------------------------------------------------------------------------------ compare


def test_compare_is_paired_signed_and_agrees_with_the_verdicts(
    calibrated: Panel, look: Callable[..., Features]
) -> None:
    middle, drawn = look(0.5), look(0.1)
    better = calibrated.compare(middle, drawn)
    worse = calibrated.compare(drawn, middle.take(range(11, -1, -1)))
    value = calibrated.judge(drawn).value
    assert value is not None
    assert better.low > 0
    assert better.mean == pytest.approx(-value)
    assert (worse.mean, worse.low) == (pytest.approx(-better.mean), pytest.approx(-better.high))
    none = calibrated.compare(middle, middle)
    assert (none.mean, none.standard_error) == (0, 0)


def test_compare_needs_common_slots(calibrated: Panel, look: Callable[..., Features]) -> None:
    features = look(0.5)
    with pytest.raises(ScorerError, match="2 slots"):
        calibrated.compare(features.take([0, 1, 2]), features.take([1, 2, 3]))


def test_interval_covers_the_truth(calibrated: Panel, look: Callable[..., Features]) -> None:
    """Draw slots from a population of contents whose true difference is known; nineteen in twenty should cover it."""
    rng = np.random.default_rng(0)
    base = look(0.5)
    seen = base.embedding("clip")
    columns, dimensions = base.statistics.shape[1], seen.shape[1]
    gap = calibrated.references.embedding("clip").mean(0) - seen.mean(0)
    root = np.linalg.cholesky(np.cov(seen.T) + 1e-9 * np.eye(dimensions))
    shift = {"a": 0.5 * gap, "b": -1.5 * gap}

    def draw(count: int) -> tuple[Features, Features]:
        content = seen.mean(0) + rng.normal(size=(count, dimensions)) @ root.T
        brightness = rng.normal(size=(count, columns)) * base.statistics.std(0)
        both: list[Features] = []
        for move in shift.values():
            embeddings = content + move + 0.01 * rng.normal(size=(count, dimensions))
            statistics = (
                base.statistics.mean(0) + brightness + 0.1 * base.statistics.std(0) * rng.normal(size=brightness.shape)
            )
            told = {"statistics": statistics.astype(np.float32), "prompts": ("a cat",) * count}
            both.append(features_of(embeddings, **told))
        return both[0], both[1]

    truth = calibrated.compare(*draw(20_000)).mean
    covered = [d.low <= truth <= d.high for d in (calibrated.compare(*draw(12)) for _ in range(300))]
    assert 0.9 <= np.mean(covered) <= 0.99


# ------------------------------------------------------------------------------------------------------ version


def _with_encoder(settings: PanelSettings, **files: Any) -> PanelSettings:
    return replace(settings, encoders={"clip": replace(settings.encoders["clip"], **files)})


def test_version_changes_with_whatever_changes_numbers(
    settings: PanelSettings, clip_config: dict[str, Any], clip_files: tuple[Path, Path], tmp_path: Path
) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(clip_files[1])
    state["visual.proj"] = state["visual.proj"] + 1e-4
    save_file(state, tmp_path / "other.safetensors")
    config = tmp_path / "published.json"
    config.write_text(json.dumps({"model_cfg": clip_config, "preprocess_cfg": {"resize_mode": "squash"}}))
    changed = {
        "weights file": _with_encoder(settings, weights=tmp_path / "other.safetensors"),
        "preprocessing": _with_encoder(settings, config=config),
        "references": replace(settings, references=settings.references[:-1]),
        "weights": replace(settings, weights={**settings.weights, "clip": 0.25}),
        "scorers": replace(settings, weights={"style": 1.0}),
        "size": replace(settings, render_size=48),
    }
    versions = {name: Panel.open(other).version for name, other in changed.items()}
    versions["as it is"] = Panel.open(settings).version
    assert len(set(versions.values())) == len(versions)
    reordered = replace(settings, references=settings.references[::-1])
    assert Panel.open(reordered).version == versions["as it is"]


def test_version_changes_with_a_scorer_and_with_the_calibration(
    calibrated: Panel, look: Callable[..., Features], monkeypatch: pytest.MonkeyPatch
) -> None:
    before, calibration = calibrated.version, calibrated.calibration_version
    other = copy.copy(calibrated)
    other.calibrate({"A": look(0.0), "B": look(1.0), "FLAT_50": look(0.5)})
    assert (other.version, other.calibration_version != calibration) == (before, True)
    monkeypatch.setattr("scorers.style.Style.version", "another")
    assert calibrated.version != before

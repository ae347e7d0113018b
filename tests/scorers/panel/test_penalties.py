"""What recipes have penalties for: copies of references, burnt pictures, pictures all alike, scores below floors."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from scorers.base import Calibration
from scorers.encoders.preprocess import load_pictures
from scorers.extraction.statistics import STATISTICS
from scorers.features import Features, joined
from scorers.panel.panel import Panel
from scorers.panel.penalties import MAX_PENALTY, Collapse, CopiedReferences, StatisticExcess
from scorers.panel.settings import PanelSettings
from scorers.panel.verdict import Verdict
from tests.scorers.plain_features import features_of

Paint = Callable[..., Tensor]
Prompts = Callable[[int, int], list[str]]


@pytest.fixture(scope="module")
def judged(calibrated: Panel, paint: Paint, prompts_of: Prompts) -> Callable[[Tensor], Verdict]:
    """The verdict on pictures that are drawn for the calibration's twelve slots."""
    return lambda images: calibrated.judge(calibrated.features(images, prompts_of(1, 12), range(12)))


def penalties_of(verdict: Verdict) -> dict[str, float]:
    return {penalty.name: penalty.amount for penalty in verdict.penalties}


def reasons_of(verdict: Verdict) -> str:
    return "\n".join(penalty.reason for penalty in verdict.penalties)


def test_the_value_is_the_parts_less_the_penalties(calibrated: Panel, judged: Callable, paint: Paint) -> None:
    verdict = judged((1.8 * (paint(1, 12, 0.5) - 0.5) + 0.5).clamp(0, 1))
    parts = sum(calibrated.scales[name].counts * part.scaled for name, part in verdict.scores.items())
    assert sum(penalties_of(verdict).values()) > 0
    assert verdict.value == pytest.approx(parts - sum(penalties_of(verdict).values()))
    assert verdict.interval is not None
    assert verdict.interval[0] < verdict.value < verdict.interval[1]


def test_copied_references_have_a_penalty_however_they_were_saved(
    judged: Callable, paint: Paint, settings: object, tmp_path: Path
) -> None:
    from PIL import Image

    references = load_pictures(settings.references[:2])  # pyright: ignore[reportAttributeAccessIssue]
    small = Image.fromarray((references[1].permute(1, 2, 0) * 255).byte().numpy())
    small.save(tmp_path / "again.jpg", quality=60)
    images = paint(1, 12, 0.5)
    images[3], images[7] = references[0], load_pictures([tmp_path / "again.jpg"])[0]
    verdict = judged(images)
    assert penalties_of(verdict)["copies"] == pytest.approx(2 / 12 * MAX_PENALTY)
    assert "2 of 12 pictures copy a reference (seeds 3, 7)" in reasons_of(verdict)


def test_over_saturated_and_over_sharpened_pictures_have_penalties(judged: Callable, paint: Paint) -> None:
    images = paint(1, 12, 0.5)
    grey = images.mean(1, keepdim=True)
    loud = judged((grey + 2.5 * (images - grey)).clamp(0, 1))
    assert penalties_of(loud)["colourfulness"] > 0
    assert "over-saturated: colourfulness up to" in reasons_of(loud)
    blurred = torch.nn.functional.avg_pool2d(images, 3, 1, 1, count_include_pad=False)
    sharp = judged((images + 1.6 * (images - blurred)).clamp(0, 1))
    assert penalties_of(sharp)["hf_ratio"] > 0
    assert "over-sharpened: hf_ratio up to" in reasons_of(sharp)
    hard = judged((1.4 * (paint(1, 12, 1.0) - 0.5) + 0.5).clamp(0, 1))
    assert penalties_of(hard)["clip_frac"] > 0


def test_pictures_all_alike_have_a_penalty(judged: Callable, paint: Paint) -> None:
    images = paint(1, 12, 0.5)
    alike = (0.15 * images + 0.85 * images[:1]).clamp(0, 1)
    assert penalties_of(judged(alike))["collapse"] > 1
    assert "more alike than in the base" in reasons_of(judged(alike))


def test_pictures_as_alike_as_the_references_are_no_collapse(
    calibrated: Panel, paint: Paint, prompts_of: Prompts
) -> None:
    """A look that all pictures share makes them more alike than mixes of the parents are."""
    images = paint(1, 12, 0.5)
    alike = calibrated.features((0.15 * images + 0.85 * images[:1]).clamp(0, 1), prompts_of(1, 12), range(12))
    assert "collapse" in penalties_of(calibrated.judge(alike))
    other = copy.deepcopy(calibrated)
    shown = paint(900, 16, 0.5)
    other.references = calibrated.features((0.1 * shown + 0.9 * shown[:1]).clamp(0, 1), [""] * 16, range(16))
    other.calibrate(calibrated._state.recipes)
    assert "collapse" not in penalties_of(other.judge(alike))


def test_fidelity_far_below_the_worse_parent_has_a_penalty(
    calibrated: Panel, paint: Paint, prompts_of: Prompts
) -> None:
    """Embeddings moved away from what the prompts say."""
    features = calibrated.features(paint(1, 12, 0.5), prompts_of(1, 12), range(12))
    fidelity = next(scorer for scorer in calibrated.scorers if scorer.name == "clip")
    texts = np.stack([fidelity._known[prompt] for prompt in features.prompts])  # pyright: ignore[reportAttributeAccessIssue]
    moved = features.embedding("clip") - 0.4 * texts
    moved /= np.linalg.norm(moved, axis=1, keepdims=True)
    wrong = calibrated.judge(replace(features, embeddings={"clip": moved.astype(np.float32)}))
    parents = [calibrated.judge(calibrated._state.recipes[label]).scores["clip"].scaled for label in ("A", "B")]
    raw = wrong.scores["clip"].raw - calibrated.judge(features).scores["clip"].raw
    short = min(parents) - 1 - raw / calibrated.scales["clip"].sigma
    assert short > 1
    assert penalties_of(wrong)["clip"] == pytest.approx(min(short, MAX_PENALTY))
    assert f"lies below its floor {min(parents) - 1:+.1f}" in reasons_of(wrong)


def test_penalties_are_part_of_the_standard_error(calibrated: Panel, paint: Paint, prompts_of: Prompts) -> None:
    """Leaving out one picture at a time by hand, among others one of two copies."""
    images = paint(1, 12, 0.4)
    images[[3, 7]] = calibrated_references(calibrated)
    features = calibrated.features(images, prompts_of(1, 12), range(12))
    whole = calibrated.judge(features)
    assert "copies" in penalties_of(whole)
    rest = [calibrated.judge(features.take([i for i in range(12) if i != out])).value for out in range(12)]
    values = np.array(rest, dtype=float)
    by_hand = np.sqrt(11 / 12 * np.square(values - values.mean()).sum())
    assert whole.standard_error == pytest.approx(by_hand, rel=0.02)


def calibrated_references(panel: Panel) -> Tensor:
    return torch.stack(load_pictures(panel._settings.references[:2]))


def test_held_out_pictures_have_penalties_on_single_pictures_only(
    calibrated: Panel, paint: Paint, prompts_of: Prompts
) -> None:
    images = paint(77, 12, 0.5)
    alike = (0.15 * images + 0.85 * images[:1]).clamp(0, 1)
    alike[5] = calibrated_references(calibrated)[0]
    verdict = calibrated.judge(calibrated.features(alike, prompts_of(77, 12), range(100, 112)))
    assert set(penalties_of(verdict)) == {"copies"}


def test_copies_count_in_comparisons(calibrated: Panel, paint: Paint, prompts_of: Prompts) -> None:
    plain = calibrated.features(paint(1, 12, 0.5), prompts_of(1, 12), range(12))
    images = paint(1, 12, 0.5)
    images[3] = calibrated_references(calibrated)[0]
    copied = calibrated.features(images, prompts_of(1, 12), range(12))
    parts = calibrated.judge(copied).scores
    gain = sum(calibrated.scales[name].counts * part.scaled for name, part in parts.items())
    assert calibrated.compare(copied, plain).mean == pytest.approx(gain - MAX_PENALTY / 12)


def test_a_copy_of_a_heavy_prompt_costs_more(settings: PanelSettings, paint: Paint, prompts_of: Prompts) -> None:
    prompts, weights = prompts_of(1, 12), [1.0, 1, 1, 6, *[1.0] * 8]
    slots = zip(prompts, range(12), strict=True)
    panel = Panel.open(replace(settings, picture_weights=dict(zip(slots, weights, strict=True))))
    looks = {label: paint(1, 12, amount) for label, amount in {"A": 0.0, "FLAT_50": 0.5, "B": 1.0}.items()}
    panel.calibrate({label: panel.features(pictures, prompts, range(12)) for label, pictures in looks.items()})
    images = paint(1, 12, 0.5)
    images[3] = calibrated_references(panel)[0]
    copied, plain = (panel.features(some, prompts, range(12)) for some in (images, looks["FLAT_50"]))
    verdict, lead = panel.judge(copied), panel.compare(copied, plain)
    assert penalties_of(verdict)["copies"] == pytest.approx(MAX_PENALTY * 6 / 17)
    gain = sum(panel.scales[name].counts * part.scaled for name, part in verdict.scores.items())
    assert lead.mean == pytest.approx(gain - MAX_PENALTY * 6 / 17)


def random_features(seed: int, count: int, dimensions: int = 16, **others: object) -> Features:
    rng = np.random.default_rng(seed)
    embeddings = rng.normal(size=(count, dimensions))
    told = {"dhash": rng.integers(0, 2**63, count).astype(np.uint64), "statistics": np.zeros((count, len(STATISTICS)))}
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    made = features_of(unit, **{**told, **{name: value for name, value in others.items() if name != "embeddings"}})
    return replace(made, embeddings=others.get("embeddings", made.embeddings))


def test_limits_of_copies_are_stricter_for_references_that_are_alike() -> None:
    references, recipe = random_features(0, 6), random_features(1, 5)
    series = replace(references, dhash=references.dhash[0] ^ (np.uint64(1) << np.arange(6, dtype=np.uint64)))
    near = replace(recipe, dhash=np.full(5, references.dhash[0] ^ np.uint64(0b1111100000000)))
    for shown, found in ((references, MAX_PENALTY), (series, 0.0)):
        copies = CopiedReferences("clip")
        copies.fit(Calibration(recipes={"A": recipe}, references=shown))
        np.testing.assert_array_equal(copies(near), [found] * 5)


def test_an_encoder_that_sees_little_difference_makes_no_copies() -> None:
    rng = np.random.default_rng(0)
    blunt = np.ones(16) + 0.05 * rng.normal(size=(40, 16))
    blunt /= np.linalg.norm(blunt, axis=1, keepdims=True)
    hashes = rng.integers(0, 2**63, 40).astype(np.uint64)
    seen = random_features(0, 40, embeddings={"clip": blunt.astype(np.float32)}, dhash=hashes)
    copies = CopiedReferences("clip")
    copies.fit(Calibration(recipes={"A": seen.take(range(20, 30))}, references=seen.take(range(20))))
    assert float((blunt[30:] @ blunt[:20].T).min()) > 0.95
    assert not copies(seen.take(range(30, 40))).any()
    exact = replace(seen.take([0]), dhash=~seen.dhash[:1])
    assert copies(exact).all()


def test_bands_lie_beyond_everything_that_calibration_shows() -> None:
    rng = np.random.default_rng(0)
    statistics = rng.normal(50, 10, size=(20, len(STATISTICS))).astype(np.float32)
    seen = random_features(0, 20, statistics=statistics)
    band = StatisticExcess("colourfulness")
    band.fit(Calibration(recipes={"A": seen.take(range(12))}, references=seen.take(range(12, 20))))
    assert not band(seen).any()
    loud = np.zeros((3, len(STATISTICS)), np.float32)
    column, spread = STATISTICS.index("colourfulness"), float(statistics[:, 0].std())
    loud[:, column] = statistics[:, column].max() + np.array([0.4, 1.5, 100]) * spread
    np.testing.assert_allclose(band(random_features(1, 3, statistics=loud)), [0, 1, MAX_PENALTY], atol=1e-5)


def test_alikeness_is_between_prompts_and_between_seeds_where_there_is_one_prompt() -> None:
    features = random_features(0, 4, prompts=("a", "a", "b", "c"))
    seen = features.embedding("clip").astype(np.float64)
    cosines = seen @ seen.T
    found = Collapse("clip")(features)
    assert found[0] == pytest.approx((cosines[0, 2] + cosines[0, 3]) / 2)
    alone = Collapse("clip")(replace(features, prompts=("a",) * 4))
    assert alone.mean() == pytest.approx((cosines.sum() - 4) / 12)


def test_order_changes_nothing(calibrated: Panel, judged: Callable, paint: Paint, prompts_of: Prompts) -> None:
    images = paint(1, 12, 0.2)
    images[3] = calibrated_references(calibrated)[0]
    features = calibrated.features(images, prompts_of(1, 12), range(12))
    parts = [features.take([row]) for row in (7, 2, 11, 3, 0, 1, 10, 4, 9, 5, 8, 6)]
    one, two = calibrated.judge(features), calibrated.judge(joined(parts))
    assert penalties_of(one).keys() == penalties_of(two).keys()
    assert one.value == pytest.approx(two.value, rel=1e-9)
    assert one.standard_error == pytest.approx(two.standard_error, rel=1e-9)


@pytest.mark.parametrize(
    ("name", "aspect"),
    [
        ("style", "style"),
        ("clip@openclip-h", "fidelity"),
        ("laion", "aesthetics"),
        ("artifacts@openclip-l", "artifacts"),
        ("stats", ""),
        ("./mine.py:Red", ""),
    ],
)
def test_aspects_come_from_the_name_or_the_attribute(name: str, aspect: str) -> None:
    from scorers.scoring.aspects import aspect_of

    class Named:
        def __init__(self) -> None:
            self.name = name

    class Telling(Named):
        aspect = "style"

    assert aspect_of(Named()) == aspect  # pyright: ignore[reportArgumentType]
    assert aspect_of(Telling()) == "style"  # pyright: ignore[reportArgumentType]


def test_likeness_of_heavy_pictures_counts_more() -> None:
    vectors = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    given = {"prompts": ("a", "b", "c"), "weights": np.array([1.0, 3.0, 1.0])}
    np.testing.assert_allclose(Collapse("clip")(features_of(vectors, **given)), [3 / 4, 1 / 2, 0.0])
    same = {"prompts": ("a", "a", "a"), "weights": np.array([1.0, 3.0, 1.0])}
    np.testing.assert_allclose(Collapse("clip")(features_of(vectors, **same)), [3 / 4, 1 / 2, 0.0])

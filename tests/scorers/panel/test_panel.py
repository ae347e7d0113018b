"""The panel's verdicts and comparisons, on scenes with a known amount of a style and a random tiny CLIP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

from scorers.errors import ScorerError, ScorerWarning
from scorers.features import Features, joined
from scorers.panel.panel import Panel
from scorers.panel.settings import PanelSettings
from scorers.reporting.mmd import cmmd
from tests.scorers.plain_features import features_of

Paint = Callable[..., Tensor]
Prompts = Callable[[int, int], list[str]]


# ------------------------------------------------------------------------------------------------------ verdicts


def test_base_is_zero_and_parents_are_worse(calibrated: Panel, look: Callable[..., Features]) -> None:
    middle, inked, soft = (calibrated.judge(look(amount)) for amount in (0.5, 0.0, 1.0))
    assert middle.value == pytest.approx(0, abs=1e-12)
    assert middle.standard_error == pytest.approx(0, abs=1e-12)
    for parent in (inked, soft):
        assert parent.value is not None
        assert parent.value < -0.5
        assert parent.standard_error is not None
        assert 0 < parent.standard_error < 1


def test_value_is_the_weighted_sum_of_parts_in_units_of_the_calibration(
    calibrated: Panel, look: Callable[..., Features], settings: PanelSettings
) -> None:
    verdicts = {amount: calibrated.judge(look(amount)) for amount in (0.0, 0.25, 0.5, 0.75, 1.0)}
    for name in settings.weights:
        assert np.std([v.scores[name].scaled for v in verdicts.values()], ddof=1) == pytest.approx(1, rel=0.3)
    drawn = verdicts[0.0]
    assert drawn.value == pytest.approx(
        sum(settings.weights.get(k, 0.0) * part.scaled for k, part in drawn.scores.items())
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
    part = calibrated.judge(far).scores["style"]
    assert part.scaled == -6
    assert part.raw < -6


def test_read_outs_are_reported_without_weight(calibrated: Panel, look: Callable[..., Features]) -> None:
    parts = calibrated.judge(look(0.75)).scores
    assert {"lda", "margin"} <= parts.keys()
    assert calibrated.scales["lda"].weight == calibrated.scales["margin"].weight == 0
    assert parts["style"].raw < 0


def test_references_are_checked_at_calibration(calibrated: Panel) -> None:
    (remark,) = calibrated.remarks
    assert remark.startswith("references: ")
    assert "AUC" in remark


def test_distances_of_the_baselines_raise_no_alarm(calibrated: Panel, look: Callable[..., Features]) -> None:
    looks = {"A": look(0.0), "FLAT_50": look(0.5), "B": look(1.0)}
    found = calibrated.reference_distances(looks, list(looks))
    assert found["B"].cmmd == cmmd(looks["B"].embedding("clip"), calibrated.references.embedding("clip"))
    assert found["B"].polynomial_mmd is not None
    assert max(one.drift or 0 for one in found.values()) == pytest.approx(1)
    assert not any(one.alarm for one in found.values())


def test_pictures_of_something_else_raise_the_alarm(calibrated: Panel, look: Callable[..., Features]) -> None:
    looks = {"A": look(0.0), "FLAT_50": look(0.5), "B": look(1.0)}
    turned = replace(look(0.5), embeddings={"clip": np.roll(look(0.5).embedding("clip"), 7, axis=1)})
    found = calibrated.reference_distances({**looks, "turned": turned}, list(looks))
    assert "moved aside" in found["turned"].alarm
    assert found["A"].alarm == ""


def test_a_recipe_with_other_sound_slots_has_no_drift(calibrated: Panel, look: Callable[..., Features]) -> None:
    looks = {"A": look(0.0), "FLAT_50": look(0.5), "B": look(1.0)}
    found = calibrated.reference_distances({**looks, "few": look(0.5).take([0])}, list(looks))
    assert found["few"].drift is None
    assert found["few"].cmmd is None


def test_words_and_two_references_are_enough(
    settings: PanelSettings, paint: Paint, prompts_of: Prompts, look: Callable[..., Features]
) -> None:
    few = replace(settings, references=settings.references[:2], weights={"style": 1.0, "stats": 0.3})
    with pytest.raises(ScorerError, match="2 reference pictures; at least 4 are needed"):
        Panel.open(few)
    with pytest.warns(ScorerWarning, match="only 2 references"):
        panel = Panel.open(replace(few, like="a flat drawing", unlike="a photo"))
    panel.calibrate({"A": look(0.0), "FLAT_50": look(0.5), "B": look(1.0)})
    verdict = panel.judge(look(0.25))
    assert verdict.value is not None
    assert verdict.scores.keys() == {"margin", "text", "stats"}
    assert panel.scales["text"].weight == pytest.approx(0.7)
    assert panel.remarks == ()
    single = replace(few, references=settings.references[:1], like="a flat drawing")
    with pytest.warns(ScorerWarning, match="only 1 references"):
        alone = Panel.open(single)
    alone.calibrate({"A": look(0.0), "FLAT_50": look(0.5), "B": look(1.0)})
    assert alone.judge(look(0.25)).value is not None
    assert alone.reference_distances({"A": look(0.0), "B": look(1.0)}, ["A", "B"])["A"].drift is None


def test_words_change_the_version_of_the_panel(settings: PanelSettings) -> None:
    versions = {Panel.open(replace(settings, like=like)).version for like in ("", "a drawing", "a photo")}
    assert len(versions) == 3


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


def test_compare_counts_the_pictures_that_are_better(calibrated: Panel, look: Callable[..., Features]) -> None:
    middle, drawn = look(0.5), look(0.1)
    one = calibrated.compare(middle, drawn)
    other = calibrated.compare(drawn, middle)
    assert one.pictures == other.pictures == 12
    assert one.won + other.won == 12
    assert one.won > 6
    assert (calibrated.compare(middle, middle).won, calibrated.compare(middle, middle).pictures) == (0, 12)
    rows = calibrated.contributions(middle), calibrated.contributions(drawn)
    counts = {name: scale.counts for name, scale in calibrated.scales.items()}
    sums = [np.sum([counts[name] * row[name] for name in counts], axis=0) for row in rows]
    assert one.won == np.count_nonzero(sums[0] > sums[1])


def test_differences_by_picture_are_those_that_compare_takes_the_mean_of(
    calibrated: Panel, look: Callable[..., Features]
) -> None:
    middle, drawn = look(0.5), look(0.1)
    each = calibrated.differences(middle, drawn.take(range(11, -1, -1)))
    whole = calibrated.compare(middle, drawn)
    assert list(each) == list(middle.slots)
    assert np.mean([*each.values()]) == pytest.approx(whole.mean)
    assert sum(value > 0 for value in each.values()) == whole.won
    with pytest.raises(ScorerError, match="2 slots"):
        calibrated.differences(middle.take([0, 1, 2]), middle.take([1, 2, 3]))


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
            given = {"statistics": statistics.astype(np.float32), "prompts": ("a cat",) * count}
            both.append(features_of(embeddings, **given))
        return both[0], both[1]

    truth = calibrated.compare(*draw(20_000)).mean
    covered = [d.low <= truth <= d.high for d in (calibrated.compare(*draw(12)) for _ in range(300))]
    assert 0.9 <= np.mean(covered) <= 0.99


def test_pseudo_values_have_the_value_as_their_mean_and_its_error_as_their_scatter(calibrated: Panel) -> None:
    for label, values in calibrated.pseudo_values().items():
        verdict = calibrated.judge(calibrated._state.recipes[label])  # pyright: ignore[reportPrivateUsage]
        assert values.mean() == pytest.approx(verdict.value, abs=1e-9)
        error = values.std(ddof=1) / len(values) ** 0.5
        assert error == pytest.approx(verdict.standard_error, abs=1e-9)


def test_added_slots_are_compared_with_the_base_and_others_stay_the_same(
    settings: PanelSettings, paint: Paint, prompts_of: Prompts
) -> None:
    panel = Panel.open(settings)

    def at(amount: float, scene: int, first: int) -> Features:
        return panel.features(paint(scene, 12, amount), prompts_of(scene, 12), range(first, first + 12))

    panel.calibrate({k: at(a, 1, 0) for k, a in {"A": 0.0, "FLAT_50": 0.5, "B": 1.0}.items()})
    assert panel.bases == ("FLAT_50",)
    held_out, known = panel.judge(at(0.2, 55, 300)), panel.judge(at(0.2, 1, 0))
    apart = panel.judge(at(0.5, 77, 100))
    assert abs(apart.value or 0.0) > 1e-3
    with pytest.raises(ScorerError, match="FLAT_50 are missing"):
        panel.add_slots({"A": at(0.0, 77, 100)})
    panel.add_slots({"FLAT_50": at(0.5, 77, 100)})
    base = panel.judge(at(0.5, 77, 100))
    assert (base.value, base.standard_error) == (pytest.approx(0, abs=1e-12), pytest.approx(0, abs=1e-12))
    paired = panel.judge(at(0.2, 77, 100))
    assert paired.value == pytest.approx(panel.compare(at(0.2, 77, 100), at(0.5, 77, 100)).mean, abs=1e-9)
    assert panel.judge(at(0.2, 55, 300)) == held_out
    assert panel.judge(at(0.2, 1, 0)) == known
    with pytest.raises(ScorerError, match="of the same new slots"):
        panel.add_slots({"FLAT_50": at(0.5, 77, 100)})


def test_a_slot_that_one_calibration_recipe_lacks_leaves_the_others_compared(
    settings: PanelSettings, paint: Paint, prompts_of: Prompts
) -> None:
    panel = Panel.open(settings)
    looks = {
        label: panel.features(paint(1, 12, amount), prompts_of(1, 12), range(12))
        for label, amount in {"A": 0.0, "FLAT_50": 0.5, "B": 1.0}.items()
    }
    broken = tuple("black" if row == 3 else "" for row in range(12))
    panel.calibrate(looks | {"B": replace(looks["B"], broken=broken)})
    middle = panel.judge(looks["FLAT_50"])
    assert (middle.value, middle.pictures) == (pytest.approx(0, abs=1e-12), 11)
    drawn = panel.judge(looks["A"])
    kept = [row for row in range(12) if row != 3]
    assert drawn.value == panel.judge(looks["A"].take(kept)).value


# ------------------------------------------------------------------------------------------------------- weights


def weighted(settings: PanelSettings, paint: Paint, prompts: list[str], weights: list[float]) -> Panel:
    """A panel whose pictures have weights, calibrated on both ends and the middle."""
    slots = zip(prompts, range(12), strict=True)
    panel = Panel.open(replace(settings, picture_weights=dict(zip(slots, weights, strict=True))))
    looks = {label: paint(1, 12, amount) for label, amount in {"A": 0.0, "FLAT_50": 0.5, "B": 1.0}.items()}
    panel.calibrate({label: panel.features(pictures, prompts, range(12)) for label, pictures in looks.items()})
    return panel


def test_a_picture_counts_by_its_weight(settings: PanelSettings, paint: Paint, prompts_of: Prompts) -> None:
    prompts, weights = prompts_of(1, 12), [6.0, 6.0, *[1.0] * 10]
    plain, heavy = (weighted(settings, paint, prompts, given) for given in ([1.0] * 12, weights))
    pictures = paint(1, 12, 0.2)
    verdicts = [panel.judge(panel.features(pictures, prompts, range(12))) for panel in (plain, heavy)]
    scorers = {scorer.name: scorer for scorer in heavy.scorers}
    features = heavy.features(pictures, prompts, range(12))
    for name in ("clip", "stats"):
        raw = np.average(scorers[name](features), weights=weights)
        assert verdicts[1].scores[name].raw == pytest.approx(raw)
        assert verdicts[0].scores[name].raw != pytest.approx(raw, rel=1e-3)
    x = scorers["style"].relative(features)  # pyright: ignore[reportAttributeAccessIssue]
    w = np.array(weights)
    squared = (np.square(w @ x).sum() - np.square(w[:, None] * x).sum()) / (w.sum() ** 2 - np.square(w).sum())
    assert verdicts[1].scores["style"].raw == pytest.approx(1 - np.sqrt(1 + squared))
    assert verdicts[1].freedom < verdicts[0].freedom == 11
    base = heavy.features(paint(1, 12, 0.5), prompts, range(12))
    rows = scorers["clip"](features) - scorers["clip"](base)
    rest = np.array([np.average(np.delete(rows, n), weights=np.delete(w, n)) for n in range(12)])
    error = np.sqrt(11 / 12 * np.square(rest - rest.mean()).sum()) / heavy.scales["clip"].sigma
    assert verdicts[1].scores["clip"].standard_error == pytest.approx(error)


def test_the_lead_over_another_recipe_is_that_of_the_weighted_values(
    settings: PanelSettings, paint: Paint, prompts_of: Prompts
) -> None:
    prompts = prompts_of(1, 12)
    panel = weighted(settings, paint, prompts, [6.0, 6.0, *[1.0] * 10])
    near, far = (panel.features(paint(1, 12, amount), prompts, range(12)) for amount in (0.4, 0.7))
    lead = panel.compare(near, far)
    values = [panel.judge(features).value or 0.0 for features in (near, far)]
    assert lead.mean == pytest.approx(values[0] - values[1])
    few = panel.compare(near.take([0, 1, 4, 5]), far.take([0, 1, 4, 5]))
    assert few.mean != pytest.approx(lead.mean, rel=1e-3)


def test_equal_weights_judge_as_none(
    calibrated: Panel, settings: PanelSettings, paint: Paint, prompts_of: Prompts
) -> None:
    prompts = prompts_of(1, 12)
    pictures = paint(1, 12, 0.2)
    none, alike = (weighted(settings, paint, prompts, given) for given in ([1.0] * 12, [2.5] * 12))
    one, two = (panel.judge(panel.features(pictures, prompts, range(12))) for panel in (none, alike))
    assert one.value == pytest.approx(two.value)
    assert one.standard_error == pytest.approx(two.standard_error)
    assert "prompt weights" not in calibrated.made_of


def test_the_noise_of_a_panel_with_weights_is_that_of_its_weighted_values(
    settings: PanelSettings, paint: Paint, prompts_of: Prompts
) -> None:
    panel = weighted(settings, paint, prompts_of(1, 12), [6.0, 6.0, *[1.0] * 10])
    state = panel._state  # pyright: ignore[reportPrivateUsage]
    for label, values in panel.pseudo_values().items():
        verdict = panel.judge(state.recipes[label])
        error = values.std(ddof=1) / len(values) ** 0.5
        assert error == pytest.approx(verdict.standard_error, abs=1e-9)

"""Which value is told from the best, and which is the answer: with a real judge, and scores that are made up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scorers.base import Calibration
from scorers.features import Features, Values
from scorers.panel.calibration import Scale
from scorers.panel.judge import Judge
from scorers.panel.penalties import statistic_penalties
from studies.after_recipe.settings.decide import (
    MARGIN_SHARE,
    Comparison,
    EarlyLoss,
    ValuePictures,
    confidence_of,
    margin_of,
)
from tests.scorers.plain_features import features_of

PICTURES = 16
MARGIN = 0.25


class Quality:
    """A scorer that takes the quality that a test gave to every picture."""

    name, version, degree = "quality", "1", 1
    needs: frozenset[str] = frozenset()

    def fit(self, calibration: Calibration) -> None:
        """Nothing to learn."""

    def __call__(self, features: Features) -> Values:
        return features.readings["quality"]


def pictures(quality: np.ndarray, **others: object) -> Features:
    count = len(quality)
    return replace(features_of(np.ones((count, 2)), readings={"quality": quality}), **others)  # pyright: ignore[reportArgumentType]


@pytest.fixture
def judge() -> Judge:
    scale = Scale(name="quality", weight=1.0, sigma=1.0, noise=0.1, pictures=PICTURES)
    return Judge(
        [Quality()], {"quality": scale}, statistic_penalties(), None, {"FLAT_50": pictures(np.zeros(PICTURES))}
    )


def compared(
    judge: Judge, values: dict[str, tuple[float, float]], *, noise: float = 0.1, start: str = "a", count: int = PICTURES
) -> Comparison:
    """Values by label: mean quality and cost; the pictures of a slot differ by common and by own chance."""
    rng = np.random.default_rng(3)
    common = rng.normal(size=count)
    drawn = [
        ValuePictures(
            label=label,
            features=pictures(quality + common + noise * rng.normal(size=count)),
            cost=cost,
            is_start=label == start,
        )
        for label, (quality, cost) in values.items()
    ]
    return Comparison(panel=judge, values=drawn, confidence=confidence_of(len(drawn), 2), margin=MARGIN)  # pyright: ignore[reportArgumentType]


def states(comparison: Comparison) -> dict[str, str]:
    return {label: one.state for label, one in comparison.standings().items()}


def answer(comparison: Comparison) -> str:
    found = comparison.answer()
    assert found is not None
    return found.label


def test_the_cheapest_that_comes_up_to_the_best_is_the_answer(judge: Judge) -> None:
    found = compared(judge, {"a": (1.0, 20), "b": (0.0, 5), "c": (0.98, 10), "d": (1.12, 40)})
    assert states(found) == {"a": "equal", "b": "worse", "c": "equal", "d": "best"}
    assert answer(found) == "c"
    assert found.is_clear()
    assert [one.label for one in found.given_up()] == ["b"]


def test_differences_are_those_to_the_best_and_to_the_start(judge: Judge) -> None:
    standings = compared(judge, {"a": (1.0, 20), "b": (0.0, 5), "d": (1.5, 40)}).standings()
    assert standings["d"].against_best is None
    assert standings["a"].against_start is None
    lost, over = standings["b"].against_best, standings["d"].against_start
    assert lost is not None
    assert over is not None
    assert lost.mean == pytest.approx(-1.5, abs=0.15)
    assert lost.high < 0 < over.low
    assert over.mean == pytest.approx(0.5, abs=0.15)
    assert over.pictures == PICTURES
    short = standings["b"].shortfall
    assert short == pytest.approx(-lost.low)


def test_a_difference_below_the_margin_is_told_and_does_not_matter(judge: Judge) -> None:
    found = compared(judge, {"a": (1.0, 20), "b": (0.88, 10)}, noise=0.01)
    lead = found.standings()["b"].against_best
    assert lead is not None
    assert lead.high < 0
    assert states(found) == {"a": "best", "b": "equal"}
    assert answer(found) == "b"


def test_a_loss_that_is_told_but_small_is_no_loss_that_matters(judge: Judge) -> None:
    found = compared(judge, {"a": (1.0, 20), "b": (0.8, 10)}, noise=0.15)
    standing = found.standings()["b"]
    assert standing.against_best is not None
    assert standing.against_best.high < 0
    assert standing.shortfall is not None
    assert standing.shortfall > MARGIN
    assert standing.state == "open"
    assert answer(found) == "b"


def test_of_equally_cheap_values_the_start_stays_unless_it_is_told_from_the_best(judge: Judge) -> None:
    alike = compared(judge, {"a": (1.0, 20), "b": (1.02, 19)}, noise=0.3)
    assert answer(alike) == "a"
    assert answer(compared(judge, {"a": (1.0, 20), "b": (1.02, 17)}, noise=0.3)) == "b"
    told = compared(judge, {"a": (1.0, 20), "b": (1.15, 20)}, noise=0.01)
    assert states(told)["a"] == "equal"
    assert answer(told) == "b"


def test_what_only_lacks_pictures_to_be_told_is_not_taken_for_good(judge: Judge) -> None:
    found = compared(judge, {"a": (1.0, 20), "b": (0.4, 5)}, noise=1.5, count=6)
    assert states(found) == {"a": "best", "b": "open"}
    assert answer(found) == "a"
    assert not found.is_clear()
    assert found.given_up() == []


def test_the_start_stays_until_it_is_told_from_the_best(judge: Judge) -> None:
    found = compared(judge, {"a": (0.4, 20), "b": (1.0, 20), "c": (1.0, 30)}, noise=1.5, count=6)
    assert states(found)["a"] == "open"
    assert answer(found) == "a"


def test_with_one_value_left_the_answer_is_clear(judge: Judge) -> None:
    found = compared(judge, {"a": (1.0, 20), "b": (0.0, 5)})
    assert found.is_clear()
    assert answer(found) == "a"


def test_broken_pictures_are_no_score(judge: Judge) -> None:
    found = compared(judge, {"a": (1.0, 20), "b": (2.0, 5)})
    black = ("black",) * 4 + ("",) * (PICTURES - 4)
    broken = [
        replace(one, features=replace(one.features, broken=black)) if one.label == "b" else one for one in found.values
    ]
    found = replace(found, values=broken)
    assert states(found) == {"a": "best", "b": "broken"}
    assert "4 of 16 pictures broken" in found.standings()["b"].reason
    assert answer(found) == "a"
    none = replace(found, values=[one for one in broken if one.label == "b"])
    assert none.answer() is None
    assert none.is_clear()
    assert states(none) == {"b": "broken"}


def test_a_value_that_was_given_up_stays_worse_and_is_compared_on_its_pictures(judge: Judge) -> None:
    found = compared(judge, {"a": (1.0, 20), "b": (0.95, 5), "c": (1.0, 25)})
    fewer = [
        replace(one, features=one.features.take(list(range(8))), loss=EarlyLoss()) if one.label == "b" else one
        for one in found.values
    ]
    found = replace(found, values=fewer)
    standing = found.standings()["b"]
    assert (standing.state, standing.reason) == ("worse", "given up after 8 pictures")
    assert standing.against_best is not None
    assert standing.against_best.pictures == 8
    assert found.standings()["a"].shortfall is not None
    assert answer(found) == "a"


def test_a_value_that_was_given_up_is_told_from_what_was_the_best_then(judge: Judge) -> None:
    """The best one at the end may be another, on whose pictures the difference would look like none."""
    (lost,) = compared(judge, {"a": (1.0, 20), "b": (0.0, 5)}, count=8).given_up()
    assert lost.loss is not None
    assert lost.loss.difference is not None
    values = compared(judge, {"c": (1.1, 20), "a": (1.0, 20)}).values
    whole = replace(compared(judge, {"c": (1.1, 20), "a": (1.0, 20)}), values=[*values, lost])
    standing = whole.standings()["b"]
    assert whole.best is not None
    assert whole.best.label == "c"
    assert standing.against_best == lost.loss.difference
    assert standing.reason.startswith("given up after 8 pictures: worse than a by ")
    assert [one.loss for one in whole.given_up() if one.label == "b"] == [lost.loss]  # a later look leaves it alone


def test_intervals_allow_for_the_number_of_values_and_looks() -> None:
    assert confidence_of(2, 1) == pytest.approx(0.9)
    assert confidence_of(6, 4) == pytest.approx(1 - 0.1 / 20)


def test_a_value_as_good_as_the_best_is_seldom_told_from_it(judge: Judge) -> None:
    """Over a hundred steps of six equal values with two looks, the start is told from the best in no more than 5 %."""
    rng, told = np.random.default_rng(0), 0
    for _ in range(100):
        quality = rng.normal(size=(6, 16))
        for count in (8, 16):
            values = [
                ValuePictures(label=str(n), features=pictures(row[:count]), cost=1, is_start=not n)
                for n, row in enumerate(quality)
            ]
            found = Comparison(panel=judge, values=values, confidence=confidence_of(6, 2), margin=0.0)  # pyright: ignore[reportArgumentType]
            if found.standings()["0"].state == "worse":
                told += 1
                break
    assert told <= 5


def test_the_margin_is_a_share_of_the_weights(judge: Judge) -> None:
    assert margin_of(judge) == MARGIN_SHARE  # pyright: ignore[reportArgumentType]
    off = replace(judge.scales["quality"], off=True)
    judge.scales = {"quality": replace(off, off=False, weight=1.4), "other": off}
    assert margin_of(judge) == pytest.approx(1.4 * MARGIN_SHARE)  # pyright: ignore[reportArgumentType]

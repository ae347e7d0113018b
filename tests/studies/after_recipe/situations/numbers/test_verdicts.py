"""Verdicts: better and worse need all parents, lost words need eyes too, and what is clear is not drawn again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from studies.after_recipe.situations.numbers.measured import SituationNumbers
from studies.after_recipe.situations.numbers.statistics import IntervalLevel, MeanEstimate
from studies.after_recipe.situations.numbers.verdicts import is_broken, is_lost, is_open, is_too_alike, verdict_of
from studies.results.situations import BETTER, LEVEL, WORSE, WORSE_THAN_ONE

PARENTS = ("A", "B")
LAST = IntervalLevel(confidence=0.95, comparisons=40, looks=2)


def estimate(mean: float, half: float = 1.0, error: float = 0.25) -> MeanEstimate:
    return MeanEstimate(mean=mean, standard_error=error, freedom=20, low=mean - half, high=mean + half, pictures=4)


def numbers(a: float = 0.0, b: float = 0.0) -> SituationNumbers:
    return SituationNumbers(
        pictures=4,
        leads={"A": estimate(a), "B": estimate(b)},
        margins={"A": estimate(0.0), "B": estimate(0.0)},
        spreads={"A": estimate(0.0), "B": estimate(0.0)},
        from_average=None,
        obeyed={"own": 1.0, "A": 1.0, "B": 1.0},
        instead="",
        spread={"own": 0.5, "A": 0.5, "B": 0.5},
        broken={"own": 0, "A": 0, "B": 0},
        lead_by_slot={},
        match_by_slot={},
    )


@pytest.mark.parametrize(
    ("a", "b", "verdict"),
    [
        (2.0, 2.0, BETTER),
        (-2.0, -2.0, WORSE),
        (-2.0, 0.0, WORSE_THAN_ONE),
        (-2.0, 2.0, WORSE_THAN_ONE),
        (2.0, 0.0, LEVEL),
        (0.0, 0.0, LEVEL),
    ],
)
def test_verdicts_need_all_parents(a: float, b: float, verdict: str) -> None:
    assert verdict_of(numbers(a, b), PARENTS) == verdict


def test_what_is_always_a_little_worse_is_not_called_worse() -> None:
    little = {"A": estimate(-0.05, half=0.01, error=0.001), "B": estimate(-3.0)}
    assert verdict_of(replace(numbers(), leads=little), PARENTS) == WORSE_THAN_ONE
    more = {"A": estimate(-0.15, half=0.01, error=0.001), "B": estimate(-3.0)}
    assert verdict_of(replace(numbers(), leads=more), PARENTS) == WORSE
    assert not is_open(replace(numbers(), leads=little), "own", PARENTS, LAST, 16)


def test_without_a_parents_pictures_nothing_is_worse() -> None:
    assert verdict_of(replace(numbers(), leads={"A": estimate(-2.0)}), PARENTS) == WORSE_THAN_ONE
    assert verdict_of(replace(numbers(), leads={}), PARENTS) == LEVEL


LOST = replace(numbers(), margins={"A": estimate(-2.0), "B": estimate(-2.0)}, obeyed={"own": 0.25, "A": 1.0, "B": 0.25})


def test_a_word_is_lost_where_numbers_and_eyes_agree() -> None:
    assert is_lost(LOST, "own", PARENTS)
    assert not is_lost(replace(LOST, margins={"A": estimate(-2.0), "B": estimate(0.0)}), "own", PARENTS)
    assert not is_lost(replace(LOST, obeyed={"own": 0.5, "A": 1.0, "B": 1.0}), "own", PARENTS)
    assert not is_lost(replace(LOST, obeyed={"own": 0.0, "A": 0.25, "B": 0.25}), "own", PARENTS)
    assert not is_lost(replace(LOST, margins={}, obeyed={}), "own", PARENTS)


def test_alike_means_clearly_alike() -> None:
    alike = replace(
        numbers(), spreads={"A": estimate(-2.0), "B": estimate(-2.0)}, spread={"own": 0.1, "A": 0.2, "B": 0.5}
    )
    assert is_too_alike(alike, "own", PARENTS)
    assert not is_too_alike(replace(alike, spread={"own": 0.18, "A": 0.2, "B": 0.5}), "own", PARENTS)
    assert not is_too_alike(replace(alike, spread={}), "own", PARENTS)


@pytest.mark.parametrize(
    ("own", "parent", "broken"), [(2, 0, True), (1, 0, False), (2, 1, False), (4, 1, True), (0, 0, False)]
)
def test_broken(own: int, parent: int, broken: bool) -> None:
    assert is_broken(replace(numbers(), broken={"own": own, "A": parent, "B": 0}), "own", PARENTS) is broken


def test_what_is_clear_is_not_open() -> None:
    def is_still_open(one: SituationNumbers) -> bool:
        return is_open(one, "own", PARENTS, LAST, 16)

    assert not is_still_open(numbers(2.0, 2.0)), "better already"
    assert not is_still_open(numbers(-2.0, -2.0)), "worse already"
    assert is_still_open(numbers(0.6, 0.6)), "may become better"
    assert is_still_open(numbers(-0.6, -0.6)), "may become worse"
    assert not is_still_open(numbers(0.6, -0.6)), "between the parents"
    assert not is_still_open(numbers(0.0, 0.0)), "so near to 0 that it stays there"


def test_a_word_in_doubt_is_drawn_on() -> None:
    doubtful = replace(numbers(0.6, -0.6), margins={"A": estimate(-0.6), "B": estimate(-0.6)})
    seen = {"own": 0.25, "A": 1.0, "B": 1.0}
    assert not is_open(doubtful, "own", PARENTS, LAST, 16), "every picture shows it"
    assert is_open(replace(doubtful, obeyed=seen), "own", PARENTS, LAST, 16)
    assert not is_open(replace(LOST, leads={"A": estimate(0.6), "B": estimate(-0.6)}), "own", PARENTS, LAST, 16)

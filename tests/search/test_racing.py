from __future__ import annotations

import pytest

from search.errors import SearchError
from search.history import TrialRecord
from search.racing import Race, control_variate, race_order, rival_of


def record(number: int, value: float | None, *, share: float = 1.0, slots: tuple[int, ...] = ()) -> TrialRecord:
    return TrialRecord(number=number, stage="blocks", point={}, value=value, share=share, slots=slots)


@pytest.mark.parametrize(
    ("pictures", "looks"), [(3, ()), (4, ()), (5, (4,)), (8, (4,)), (16, (4, 8, 12)), (18, (4, 8, 12, 16))]
)
def test_a_trial_is_looked_at_after_every_four_pictures_but_not_after_the_last(
    pictures: int, looks: tuple[int, ...]
) -> None:
    assert Race().looks(pictures) == looks


def test_the_risk_is_shared_by_all_looks() -> None:
    assert Race(risk=0.06).confidence(16) == pytest.approx(1 - 2 * 0.02)
    assert Race(risk=0.06).confidence(8) == pytest.approx(1 - 2 * 0.06)


@pytest.mark.parametrize(
    ("what", "word"), [({"first": 2}, "2 pictures"), ({"every": 0}, "0 more"), ({"risk": 0.5}, "0.5")]
)
def test_a_race_that_cannot_be_run(what: dict[str, float], word: str) -> None:
    with pytest.raises(SearchError, match=word):
        Race(**what)  # pyright: ignore[reportArgumentType]


def test_shots_that_are_easier_than_all_are_taken_off() -> None:
    assert control_variate(candidate=0.5, best=2.0, best_of_all=1.2) == pytest.approx(-0.3)


def test_the_rival_is_the_best_whole_trial_of_the_same_shots() -> None:
    history = [
        record(0, 1.0),
        record(1, 2.0),
        record(2, 2.0),
        record(3, 9.0, slots=(1, 2)),
        record(4, 9.0, share=0.25),
        record(5, None),
    ]
    found = rival_of(history, ())
    assert found is not None
    assert found.number == 1
    assert rival_of(history[3:4], ()) is None


def test_the_first_pictures_are_of_different_prompts() -> None:
    assert race_order(["a", "a", "b", "b", "c", "c"]) == (0, 2, 4, 1, 3, 5)
    assert race_order([]) == ()


def test_a_part_of_the_shots_is_above_0_and_at_most_1() -> None:
    for share in (0.0, 1.5, -1.0):
        with pytest.raises(SearchError, match="no part of its shots"):
            record(0, 1.0, share=share)

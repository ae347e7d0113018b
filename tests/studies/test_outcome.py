"""The outcome's honesty: a winner beats every rival beyond the noise, or there is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.recipe import Recipe
from studies.errors import StudyError
from studies.outcome import Comparison, Outcome, Standing, read_outcome, write_outcome

BEATS = Comparison(against="A", mean=1.0, low=0.4, high=1.6)
TIES = Comparison(against="FLAT_50", mean=0.3, low=-0.2, high=0.8)


def outcome(*comparisons: Comparison) -> Outcome:
    base = Standing(label="A", recipe=Recipe.flat(0.0).text, value=0.0)
    finalist = Standing(label="best", recipe=Recipe.flat(0.4).text, value=1.0, comparisons=comparisons)
    return Outcome(models={"A": "aa", "B": "bb"}, baselines=(base,), finalists=(finalist,), sheet="finalists.png")


def test_a_winner_beats_every_rival_beyond_the_noise() -> None:
    won = outcome(BEATS, replace(TIES, low=0.01))
    assert won.winner is not None
    assert "It beats both parents" in won.sentences()[-1]


def test_one_tie_and_there_is_no_winner() -> None:
    tied = outcome(BEATS, TIES)
    assert tied.winner is None
    assert tied.sentences()[-1].startswith("Nothing found here beats FLAT_50 beyond the noise")


def test_no_comparison_is_no_win() -> None:
    assert outcome().winner is None
    assert replace(outcome(), finalists=()).winner is None


def test_an_outcome_reads_back(tmp_path: Path) -> None:
    written = outcome(BEATS, TIES)
    write_outcome(tmp_path, written)
    assert read_outcome(tmp_path) == written


def test_finalists_are_counted_from_one(tmp_path: Path) -> None:
    assert outcome(BEATS).finalist(1) == ("best", Recipe.flat(0.4))
    with pytest.raises(StudyError, match="finalists 1 to 1"):
        outcome(BEATS).finalist(2)
    with pytest.raises(StudyError, match="no outcome yet"):
        read_outcome(tmp_path)

"""The outcome's honesty: a winner beats every rival beyond the noise, or there is none."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from engine.recipes.recipe import Recipe
from studies.candidate import Candidate
from studies.errors import StudyError
from studies.review.proof_table import standings
from studies.store.judged.outcome import Comparison, Outcome, Standing, read_outcome, write_outcome

BEATS = Comparison(against="A", mean=1.0, low=0.4, high=1.6, pictures_won=19, pictures=24)
TIES = Comparison(against="FLAT_50", mean=0.3, low=-0.2, high=0.8)


def outcome(*comparisons: Comparison) -> Outcome:
    base = Standing(label="A", recipe=Recipe.flat(0.0).text, value=0.0)
    finalist = Standing(label="best", recipe=Recipe.flat(0.4).text, value=1.0, comparisons=comparisons)
    return Outcome(models={"A": "aa", "B": "bb"}, baselines=(base,), finalists=(finalist,), sheet="finalists.png")


def drawn(told: Outcome, width: int) -> str:
    """Its table on a terminal of so many characters."""
    out = io.StringIO()
    Console(file=out, width=width).print(standings(told))
    return out.getvalue()


def test_a_winner_beats_every_rival_beyond_the_noise() -> None:
    won = outcome(BEATS, replace(TIES, low=0.01))
    assert won.winner is not None
    assert "It beats every parent" in won.sentences()[-1]


def test_one_tie_and_there_is_no_winner() -> None:
    tied = outcome(BEATS, TIES)
    assert tied.winner is None
    assert tied.sentences()[-1].startswith("No finalist beats FLAT_50 beyond the noise")
    assert tied.sentences()[-1].endswith("so none is recommended instead of A.")


def test_identical_parents_have_no_winner() -> None:
    same = [Comparison(against=rival, mean=0.0, low=0.0, high=0.0) for rival in ("A", "B", "FLAT_50")]
    level = replace(outcome(*same), search_summary=("blocks: 0 trials, over: every FLAT mix has the same value",))
    assert level.winner is None
    assert level.sentences()[0] == level.search_summary[0]
    assert level.sentences()[-1].startswith("No finalist beats A, B, FLAT_50 beyond the noise")


def test_no_comparison_is_no_win() -> None:
    assert outcome().winner is None
    assert replace(outcome(), finalists=()).winner is None


def test_an_interval_of_another_level_says_so(tmp_path: Path) -> None:
    early = replace(BEATS, confidence=0.999)
    assert str(early) == "+1.00 [+0.40, +1.60] vs A (99.9 % interval)"
    assert (BEATS.level("95 %"), early.level("95 %")) == ("95 %", "99.9 %")
    mixed = outcome(early, TIES)
    write_outcome(tmp_path, mixed)
    assert read_outcome(tmp_path) == mixed
    table = drawn(mixed, 80)
    assert "A       +1.00 +0.40 to +1.60 *" in table
    assert "FLAT_50 +0.30 -0.20 to +0.80  " in table
    assert "* 99.9 % interval: one of the two was given up early" in table
    assert "given up early" not in drawn(outcome(BEATS, TIES), 80)


@pytest.mark.parametrize("width", [60, 80, 200])
def test_leads_and_intervals_stay_whole_on_any_terminal(width: int) -> None:
    rivals = [replace(BEATS, against=name, low=-10.25, high=12.5, confidence=0.999) for name in ("A", "B", "C")]
    (finalist,) = (told := outcome(*rivals, replace(TIES, against="FLAT_40.1"))).finalists
    table = drawn(replace(told, finalists=(replace(finalist, label="best by the search's model, simpler"),)), width)
    assert table.count("+1.00 -10.25 to +12.50 *") == 3
    assert table.count("+0.30 -0.20 to +0.80") == 1
    assert "…" not in table
    assert len(table.splitlines()) < 15


@pytest.mark.parametrize("level", [1.0, -0.5, 95.0])
def test_an_interval_of_no_level_is_damage(tmp_path: Path, level: float) -> None:
    write_outcome(tmp_path, outcome(replace(BEATS, confidence=level)))
    with pytest.raises(StudyError, match="intervals of no level"):
        read_outcome(tmp_path)


def test_an_outcome_reads_back(tmp_path: Path) -> None:
    written = replace(outcome(BEATS, TIES), search_summary=("groups: 3 trials, all that were planned",))
    write_outcome(tmp_path, written)
    assert read_outcome(tmp_path) == written


def test_an_outcome_of_before_there_were_numbers_reads(tmp_path: Path) -> None:
    write_outcome(tmp_path, outcome(BEATS))
    path = tmp_path / "outcome.json"
    fields = json.loads(path.read_text())
    del fields["remarks"], fields["course"]
    for row in fields["baselines"] + fields["finalists"]:
        del row["numbers"], row["alarm"]
    path.write_text(json.dumps(fields))
    assert read_outcome(tmp_path) == outcome(BEATS)


def test_an_outcome_of_before_pictures_were_counted_reads(tmp_path: Path) -> None:
    write_outcome(tmp_path, outcome(BEATS))
    path = tmp_path / "outcome.json"
    fields = json.loads(path.read_text())
    del fields["finalists"][0]["comparisons"][0]["pictures_won"], fields["finalists"][0]["comparisons"][0]["pictures"]
    path.write_text(json.dumps(fields))
    assert read_outcome(tmp_path) == outcome(replace(BEATS, pictures_won=0, pictures=0))


def test_alarms_and_numbers_are_shown(tmp_path: Path) -> None:
    told = outcome(BEATS)
    (finalist,) = told.finalists
    numbers = {"CMMD": 0.123, "polynomial MMD": -0.01, "drift": None}
    alarmed = replace(told, finalists=(replace(finalist, numbers=numbers, alarm="look at it"),), remarks=("mind this",))
    write_outcome(tmp_path, alarmed)
    assert read_outcome(tmp_path).alarms() == ["Finalist 1 (best): look at it.", "mind this"]
    assert told.alarms() == []
    console = Console(width=160, record=True, file=io.StringIO())
    console.print(standings(alarmed))
    assert "CMMD" not in console.export_text(clear=True), "these numbers are details"
    console.print(standings(alarmed, details=True))
    shown = console.export_text()
    assert "CMMD" in shown
    assert "distance of whole sets" in shown
    assert "0.12" in shown
    assert "-0.01" in shown
    console.print(standings(told, details=True))
    assert "distance of whole sets" not in console.export_text(), "an outcome of before has no such numbers"


def test_labels_of_before_are_read_in_the_words_of_today(tmp_path: Path) -> None:
    write_outcome(tmp_path, outcome(BEATS))
    path = tmp_path / "outcome.json"
    path.write_text(path.read_text().replace('"best"', '"the model\'s best, simpler"'))
    assert read_outcome(tmp_path).finalists[0].label == "best by the search's model, simpler"


def test_results_of_a_proof_are_differences_from_the_middle() -> None:
    told = outcome(BEATS)
    (finalist,) = told.finalists
    assert told.from_middle(finalist) is None, "this one has no FLAT_50"
    middle = Standing(label="FLAT_50", recipe=Recipe.flat(0.5).text, value=-0.75)
    told = replace(told, baselines=(*told.baselines, middle))
    assert told.from_middle(middle) == 0
    assert told.from_middle(finalist) == 1.75
    assert "+1.75" in drawn(told, 200)


def test_finalists_are_counted_from_one(tmp_path: Path) -> None:
    assert outcome(BEATS).finalist(1) == ("best", Candidate(recipe=Recipe.flat(0.4)))
    with pytest.raises(StudyError, match="finalists 1 to 1"):
        outcome(BEATS).finalist(2)
    with pytest.raises(StudyError, match="no outcome yet"):
        read_outcome(tmp_path)


def test_a_further_proof_says_so_and_its_level(tmp_path: Path) -> None:
    second = replace(outcome(BEATS), proof=2, proofs=2, confidence=0.975)
    write_outcome(tmp_path, second)
    assert read_outcome(tmp_path) == second
    words = second.sentences()[0]
    assert words.startswith("This is proof 2 of the 2 that this study has had. Every further one is another chance")
    assert words.endswith("the first one's are those of 95 %, these of 97.5 %.")
    assert not any("proof 1" in line for line in outcome(BEATS).sentences())
    assert "97.5 %" in drawn(second, 80)


@pytest.mark.parametrize("change", [{"models": {}}, {"confidence": 3.0}, {"confidence": -1.0}])
def test_an_outcome_that_cannot_have_been_written_is_damaged(tmp_path: Path, change: dict[str, object]) -> None:
    write_outcome(tmp_path, outcome(BEATS))
    path = tmp_path / "outcome.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(StudyError, match="is damaged: it names no models, or intervals of no level"):
        read_outcome(tmp_path)

"""Picks: kept one by one, asked blind, and put to use, on pictures that a real study kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from engine.engine import Engine
from engine.recipes.recipe import Recipe
from studies.cli.main import main
from studies.drawing.sheets import cell, grid, read_picture
from studies.errors import StudyError
from studies.review.judging.pairs import Pair, pair_of, sided
from studies.review.judging.picking import Picking, opened_picking
from studies.review.judging.picks import FILE, Pick, add_pick, read_picks, take_back
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file

PICK = Pick(
    left=Recipe.flat(0.25).text,
    right=Recipe.flat(0.75).text,
    shots="abc",
    index=3,
    prompt="ein „Haus“\nin zwei Zeilen",
    seed=7,
    answer="left",
    by="tester",
    at="2026-01-01T00:00:00+00:00",
)


# ------------------------------------------------------------------------------------------------------- the file


def test_answers_are_read_back_and_a_torn_line_costs_nothing(tmp_path: Path) -> None:
    assert read_picks(tmp_path) == []
    add_pick(tmp_path, PICK)
    whole = (tmp_path / FILE).read_text()
    (tmp_path / FILE).write_text(whole + whole[:40])
    assert read_picks(tmp_path) == [PICK]
    add_pick(tmp_path, PICK)
    assert read_picks(tmp_path) == [PICK, PICK]


def test_an_answer_is_on_the_disk_before_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    monkeypatch.setattr("os.fsync", lambda number: synced.append((tmp_path / FILE).read_text()))
    add_pick(tmp_path, PICK)
    assert [json.loads(text)["answer"] for text in synced] == ["left"]


def test_answers_are_taken_back_and_the_file_says_it(tmp_path: Path) -> None:
    other = replace(PICK, index=4, answer="skipped")
    for pick in (PICK, other):
        add_pick(tmp_path, pick)
    take_back(tmp_path, PICK)
    assert read_picks(tmp_path) == [other]
    take_back(tmp_path, PICK)
    assert read_picks(tmp_path) == [other], "nothing is left of that pair to take back"
    add_pick(tmp_path, PICK)
    assert read_picks(tmp_path) == [other, PICK]
    answers = [json.loads(line)["answer"] for line in (tmp_path / FILE).read_text().splitlines()]
    assert answers == ["left", "skipped", "undone", "undone", "left"], "nothing is ever taken out of the file"
    assert other.share is None


def test_a_note_is_kept_and_left_out_where_there_is_none(tmp_path: Path) -> None:
    noted = replace(PICK, note="the „left“ one")
    add_pick(tmp_path, PICK)
    add_pick(tmp_path, noted)
    assert read_picks(tmp_path) == [PICK, noted]
    assert "note" not in json.loads((tmp_path / FILE).read_text().splitlines()[0])
    with pytest.raises(StudyError, match="no text"):
        add_pick(tmp_path, replace(PICK, note="half a letter \udc80"))


def test_lines_that_are_no_picks_are_named(tmp_path: Path) -> None:
    add_pick(tmp_path, PICK)
    with (tmp_path / FILE).open("a") as file:
        file.write('{"left": "x"}\n')
    with pytest.raises(StudyError, match=r"picks.jsonl: line 2: right: not a pick"):
        read_picks(tmp_path)


# ------------------------------------------------------------------------------------------------------ the sides


def test_sides_depend_on_names_alone_and_are_even() -> None:
    pairs = [sided("s", f"recipe {n}", f"recipe {n + 1}", n % 7, 5) for n in range(400)]
    again = [sided("s", f"recipe {n + 1}", f"recipe {n}", n % 7, 5) for n in range(400)]
    assert pairs == again
    first_left = np.mean([pair.left == f"recipe {n}" for n, pair in enumerate(pairs)])
    assert 0.4 < first_left < 0.6
    other = [sided("s", f"recipe {n}", f"recipe {n + 1}", n % 7, 6) for n in range(400)]
    assert pairs != other


def test_a_contact_sheet_gives_its_pictures_back(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    smooth = [np.full((32, 48, 3), rng.integers(0, 255, 3), np.uint8) for _ in range(5)]
    grid(smooth, tmp_path / "sheet.webp")
    sheet = read_picture(tmp_path / "sheet.webp")
    for index, picture in enumerate(smooth):
        found = cell(sheet, index, 5, 32, 48).astype(int)
        assert found.shape == picture.shape
        assert np.abs(found - picture)[4:-4, 4:-4].max() < 12


# ---------------------------------------------------------------------------------------------------- the sitting


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("an engine was opened")

    monkeypatch.setattr(Engine, "open", refused)


def preferring(picking: Picking, name: str) -> Callable[[Pair], str]:
    """A person who sees with one scorer's eyes."""
    column = picking.gallery.names.index(name)
    return lambda pair: "left" if picking.gallery.differences([pair])[0, column] > 0 else "right"


@pytest.mark.usefixtures("no_engine")
def test_a_sitting_asks_about_real_pictures_and_learns_from_the_answers(copied: Path) -> None:
    copied.write_text(copied.read_text() + 'keep = ["style", "clip", "stats"]\n')
    rescored = CliRunner().invoke(main, ["rescore", str(copied)])
    assert rescored.exit_code == 0, rescored.output
    spec = read_study_file(copied)
    with opened_picking(spec, "tester") as picking:
        assert set(picking.weights) == {"style", "clip", "stats"}
        prefers = preferring(picking, "clip")
        seen: list[Pair] = []
        for _ in range(14):
            pair = picking.next()
            assert pair is not None
            left, right = picking.gallery.pictures(pair)
            shown = read_picture(picking.pair_file)
            assert shown.shape == (64 + 16, 2 * 64 + 24, 3)
            np.testing.assert_array_equal(shown[8:72, 8:72], left)
            np.testing.assert_array_equal(shown[8:72, 80:144], right)
            weighed = [picking.gallery.names.index(name) for name in picking.weights]
            difference = picking.gallery.differences([pair])[:, weighed]
            assert picking.taste().probability(difference)[0] == pytest.approx(0.5, abs=0.26)
            seen.append(pair)
            picking.answer(pair, prefers(pair))  # pyright: ignore[reportArgumentType]
        assert len(set(seen)) == 14
        assert {pair.left for pair in seen} != {pair.right for pair in seen}
        before, after = picking.weights, picking.fitted()
        assert after["clip"] > before["clip"]
        assert sum(after.values()) == pytest.approx(sum(before.values()))
        lines = list(picking.report())
    assert lines[0] == "14 picks: 0 with a broken picture, 0 ties"
    assert any(line.startswith("clip agrees with you on 100% of 14 pairs (78% to 100%)") for line in lines)
    with opened_picking(spec) as again:
        assert [pair_of(pick) for pick in again.picks] == seen
        assert again.fitted() == after

    done = CliRunner().invoke(main, ["pick", str(copied), "--apply"])
    assert done.exit_code == 0, done.output
    written = read_study_file(copied).scoring.weights
    assert written == pytest.approx(after, rel=0.01)
    assert StudyStore(spec.storage.folder, spec.storage.name).rescored == 2
    assert "trials judged again" in done.output


@pytest.mark.usefixtures("no_engine")
def test_the_command_keeps_every_answer_until_it_is_stopped(copied: Path) -> None:
    runner, command = CliRunner(), ["pick", str(copied), "--by", "tester"]
    first = runner.invoke(main, [*command, "--count", "2"], input="l\nbroken\nright\n")
    assert first.exit_code == 0, first.output
    assert "pair 2 of 2:" in first.output
    assert "2 picks: 1 with a broken picture, 0 ties" in first.output
    spec = read_study_file(copied)
    trials = StudyStore(spec.storage.folder, spec.storage.name).trials()
    for word in ("FLAT", "best", *(str(t.user_attrs["recipe_key"])[:8] for t in trials)):
        assert word not in first.output.partition("2 picks")[0], "whoever picks shall not know"
    second = runner.invoke(main, command, input="same\nnonsense\nq\n")
    assert second.exit_code == 0, second.output
    third = runner.invoke(main, command, input="r\n")  # the input ends: as Ctrl+C
    assert third.exit_code == 0, third.output
    picks = read_picks(spec.storage.folder)
    assert [(pick.answer, pick.broken) for pick in picks] == [
        ("left", ""),
        ("broken", "right"),
        ("same", ""),
        ("right", ""),
    ]
    assert {pick.by for pick in picks} == {"tester"}
    refused = runner.invoke(main, ["pick", str(copied), "--apply"])
    assert refused.exit_code == 1
    assert "3 usable picks; weights can be fitted to 10" in refused.output


def test_a_study_file_that_judges_otherwise_is_rescored_first(copied: Path) -> None:
    copied.write_text(copied.read_text() + "weights = { style = 2.0 }\n")
    said = CliRunner().invoke(main, ["pick", str(copied), "--count", "1"])
    assert said.exit_code == 1
    assert "recipe-search rescore" in said.output


def test_what_is_no_file_of_picks_is_named(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(StudyError, match=r"picks\.jsonl: cannot be read \(this is a folder, not a file\)"):
        read_picks(tmp_path)


def test_answers_that_are_none_come_to_an_end(copied: Path) -> None:
    words = ["pick", str(copied), "--count", "1", "--no-view"]
    done = CliRunner().invoke(main, words, input="y\n" * 1000)
    assert done.exit_code == 1
    assert "20 answers in a row were none" in done.output

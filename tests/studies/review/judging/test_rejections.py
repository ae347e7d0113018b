"""Rejected finalists: kept a line each, and asked about first."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.recipes.recipe import Recipe
from studies.candidate import Candidate
from studies.errors import StudyError
from studies.review.judging.picking import FIRST_ASKED, opened_picking
from studies.review.judging.rejections import FILE, read_rejections, reject, rejected_keys
from studies.store.judged.outcome import read_outcome
from studies.studyfile.read import read_study_file

CANDIDATE = Candidate(recipe=Recipe.flat(0.25), vae="soft")


def test_rejections_are_read_back_and_a_torn_line_costs_nothing(tmp_path: Path) -> None:
    assert read_rejections(tmp_path) == []
    first = reject(tmp_path, "best", CANDIDATE, reason="looks wrong", text=" „Hände“ ", by="tester")
    assert first.text == "„Hände“"
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole + whole[:-30])
    second = reject(tmp_path, "best", CANDIDATE, reason="other", text="odd")
    assert read_rejections(tmp_path) == [first, second]
    assert rejected_keys(tmp_path) == {CANDIDATE.key}


@pytest.mark.parametrize(
    "line", ['{"label": "x"}', "[]", '{"label":"a","recipe":"no recipe","reason":"other","by":"b","at":"c"}']
)
def test_lines_that_are_no_rejections_are_named(tmp_path: Path, line: str) -> None:
    (tmp_path / FILE).write_text(line + "\n")
    with pytest.raises(StudyError, match=r"rejections\.jsonl: line 1: .*not a rejection"):
        read_rejections(tmp_path)


def test_words_that_cannot_be_kept_are_refused(tmp_path: Path) -> None:
    for reason, text in (("other", ""), ("looks wrong", "half a letter \udc80"), ("because", "x")):
        with pytest.raises(StudyError):
            reject(tmp_path, "best", CANDIDATE, reason=reason, text=text)
    assert not (tmp_path / FILE).exists()


def test_pairs_with_a_rejected_finalist_are_asked_first(copied: Path) -> None:
    spec = read_study_file(copied)
    label, candidate = read_outcome(spec.storage.folder).finalist(2)
    reject(spec.storage.folder, label, candidate, reason="not the style", by="tester")
    asked = 0
    with opened_picking(spec, "tester") as picking:
        for _ in range(FIRST_ASKED):
            pair = picking.choose()
            assert pair is not None
            asked += candidate.key in (pair.left, pair.right)
            picking.answer(pair, "left")
        assert asked == FIRST_ASKED
        assert picking._of_rejected(picking.gallery.sample(99, frozenset())) == []  # pyright: ignore[reportPrivateUsage]

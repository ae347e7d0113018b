"""Results of examinations: what is written is read again, damage is told, and the latest comes first."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from studies.errors import StudyError
from studies.results.situations import (
    BETTER,
    LATEST,
    LEVEL,
    RESULT,
    WORD_LOST,
    WORSE,
    ExaminedRecipe,
    RivalDifference,
    SeedDiversity,
    ShownPicture,
    SituationResult,
    SituationsResult,
    WeakSpot,
    WordFidelity,
    examined,
    read_situations,
    situations_folder,
    write_situations,
)


def difference(rival: str, mean: float) -> RivalDifference:
    return RivalDifference(rival=rival, mean=mean, low=mean - 0.5, high=mean + 0.5, pictures=8)


RED = SituationResult(
    aspect="colour",
    word="red",
    prompt="a red cat on the beach",
    pictures=8,
    verdict=WORSE,
    differences=(difference("A", -1.0), difference("B", -0.75)),
    from_average=difference("its own average", -1.25),
    fidelity=WordFidelity(
        obeyed=0.25,
        rivals={"A": 1.0, "B": 0.875},
        differences=(difference("A", -0.6),),
        words=6,
        lost=True,
        instead="orange",
    ),
    diversity=SeedDiversity(spread=0.25, rivals={"A": 0.5, "B": 0.5}, differences=(difference("A", -0.25),)),
    broken={"A": 1},
)
BLUE = SituationResult(aspect="colour", word="blue", prompt="a blue cat", pictures=4, verdict=LEVEL)
RESULT_OF_BOTH = SituationsResult(
    study="demo",
    subject=ExaminedRecipe(label="finalist 1", key="ab" * 32, recipe="one step"),
    rivals=(ExaminedRecipe(label="A", key="cd" * 32), ExaminedRecipe(label="B", key="ef" * 32, vae="merged")),
    parents=("A", "B"),
    suite="sample",
    suite_key="sample-0f1e2d",
    situations=(RED, BLUE),
    weak_spots=(
        WeakSpot(
            aspect="colour",
            word="red",
            kind=WORD_LOST,
            sentence="`red` is no longer obeyed",
            amount=0.75,
            shown=(ShownPicture(prompt="a red cat on the beach", seed=3),),
            picture="weak_1.png",
        ),
    ),
    overall=(difference("A", 1.0),),
    diversity=(difference("A", 0.0),),
    comparisons=4,
    pictures=36,
    most_pictures=48,
    remarks=("a remark",),
    sheet="weak_spots.png",
    overview="overview.png",
)


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    place = write_situations(tmp_path, RESULT_OF_BOTH)
    assert place == tmp_path / "situations" / "abababababab-sample-0f1e2d"
    assert read_situations(tmp_path) == RESULT_OF_BOTH
    assert read_situations(tmp_path, RESULT_OF_BOTH.key) == RESULT_OF_BOTH


def test_suites_do_not_take_each_others_place(tmp_path: Path) -> None:
    other = replace(RESULT_OF_BOTH, suite="my lists: 夜", suite_key="my-lists-夜-aabbcc")
    shipped = replace(RESULT_OF_BOTH, suite="", suite_key="")
    for one in (RESULT_OF_BOTH, other, shipped):
        write_situations(tmp_path, one)
    assert examined(tmp_path) == ("abababababab", "abababababab-my-lists-夜-aabbcc", "abababababab-sample-0f1e2d")
    assert [read_situations(tmp_path, key).title for key in examined(tmp_path)] == [
        "finalist 1",
        "finalist 1, suite my lists: 夜",
        "finalist 1, suite sample",
    ]


FIRST_ENTRIES = ('"label":', '"aspect":', '"rival":', '"obeyed":', '"spread":')


def test_what_a_later_version_adds_is_left_aside(tmp_path: Path) -> None:
    write_situations(tmp_path, RESULT_OF_BOTH)
    path = situations_folder(tmp_path, RESULT_OF_BOTH.key) / RESULT
    for first in FIRST_ENTRIES:
        path.write_text(path.read_text(encoding="utf-8").replace(first, f'"later": 1, {first}'), encoding="utf-8")
    assert read_situations(tmp_path) == RESULT_OF_BOTH


def test_the_latest_comes_first(tmp_path: Path) -> None:
    other = replace(RESULT_OF_BOTH, subject=ExaminedRecipe(label="merged.safetensors", key="01" * 32))
    write_situations(tmp_path, other)
    write_situations(tmp_path, RESULT_OF_BOTH)
    assert examined(tmp_path) == (RESULT_OF_BOTH.key, other.key)
    write_situations(tmp_path, other)
    assert read_situations(tmp_path) == other
    (tmp_path / "situations" / LATEST).unlink()
    assert len(examined(tmp_path)) == 2


def test_nothing_examined_says_which_command_does_it(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"nothing was examined yet.*recipe-search situations"):
        read_situations(tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [("sheet", "../../x.png"), ("parents", "A"), ("pictures", "9"), ("situations", [{"aspect": "colour"}])],
)
def test_a_damaged_file_is_told(tmp_path: Path, key: str, value: object) -> None:
    write_situations(tmp_path, RESULT_OF_BOTH)
    path = situations_folder(tmp_path, RESULT_OF_BOTH.key) / RESULT
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}), encoding="utf-8")
    with pytest.raises(StudyError, match="is damaged"):
        read_situations(tmp_path)


def test_an_unknown_verdict_is_damage(tmp_path: Path) -> None:
    write_situations(tmp_path, replace(RESULT_OF_BOTH, situations=(replace(RED, verdict="splendid"),)))
    with pytest.raises(StudyError, match="is damaged"):
        read_situations(tmp_path)


def test_what_readers_ask() -> None:
    assert RESULT_OF_BOTH.stopped_early
    assert RESULT_OF_BOTH.lost_words == (RED,)
    assert (RESULT_OF_BOTH.share(WORSE), RESULT_OF_BOTH.share(BETTER)) == (0.5, 0.0)
    assert (RED.name, RED.against("B"), RED.against("C")) == ("colour: red", RED.differences[1], None)
    assert (RED.differences[0].is_worse, RED.differences[0].is_better) == (True, False)
    assert str(RED.differences[0]) == "-1.00 [-1.50, -0.50] vs A"

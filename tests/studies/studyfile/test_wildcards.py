"""Choices and wildcards in a study's prompts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from engine.shots.shot import Shot
from studies.errors import StudyError
from studies.preflight.checks import preflight
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from studies.studyfile.wildcards import expanded, with_choices
from tests.studies.study_text import STUDY, write_study


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "colour.txt").write_text("red\nblue\ngreen\n# a note\nwhite\n")
    (folder / "hats.yaml").write_text("hat:\n  - __colour__ hat\n  - no hat\n")
    (folder / "loop.txt").write_text("__loop__\n")
    return folder


def drawn(text: str, lists: Path, count: int = 40) -> set[str]:
    return {expanded(text, folder=lists, seed=0, shot_seed=number) for number in range(count)}


@pytest.mark.parametrize(
    ("text", "choices"),
    [
        ("a {x|y} b", {"a x b", "a y b"}),
        ("__colour__ house", {f"{colour} house" for colour in ("red", "blue", "green", "white")}),
        ("{2$$, $$a|b}", {"a, b", "b, a"}),
        ("__hat__", {"no hat", *(f"{colour} hat" for colour in ("red", "blue", "green", "white"))}),
        ("日本 {猫|犬}", {"日本 猫", "日本 犬"}),
    ],
)
def test_every_choice_comes_up(lists: Path, text: str, choices: set[str]) -> None:
    assert drawn(text, lists) == choices


@pytest.mark.parametrize(
    "text",
    [
        "plain 100% $5",
        "(x:1.2) [y] [cat:dog:0.5] [a|b] (x|y:1.2) BREAK \\( AND b :1.2 <lora:x:1> # note",
        "__nowhere__ house",
    ],
)
def test_all_else_stays_as_it_is(lists: Path, text: str) -> None:
    assert drawn(text, lists, 3) == {text}


def test_attention_and_schedules_may_stand_beside_choices(lists: Path) -> None:
    assert drawn("(x:1.2) [y:z:0.5] \\( {a|a}", lists, 2) == {"(x:1.2) [y:z:0.5] \\( a"}


def test_the_same_seeds_give_the_same_words_in_another_process(lists: Path) -> None:
    words = [expanded("{a|b|c|d} __colour__", folder=lists, seed=7, shot_seed=number) for number in range(8)]
    code = (
        "import sys; from pathlib import Path; from studies.studyfile.wildcards import expanded;"
        "print([expanded('{a|b|c|d} __colour__', folder=Path(sys.argv[1]), seed=7, shot_seed=n) for n in range(8)])"
    )
    again = subprocess.check_output([sys.executable, "-c", code, str(lists)], text=True)
    assert again.strip() == str(words)
    assert len(set(words)) > 2
    other = [expanded("{a|b|c|d} __colour__", folder=lists, seed=8, shot_seed=number) for number in range(8)]
    assert other != words


@pytest.mark.parametrize("text", ["{a", "{a|b} 100%", "__loop__"])
def test_what_cannot_be_read_is_refused(lists: Path, text: str) -> None:
    with pytest.raises(StudyError, match=r"the choices of .* cannot be read .*close every {"):
        expanded(text, folder=lists, seed=0, shot_seed=0)


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"render\.wildcards: .*there is no such folder"):
        expanded("plain", folder=tmp_path / "nowhere", seed=0, shot_seed=0)


def test_a_shots_negative_has_choices_too(lists: Path) -> None:
    shot = with_choices(Shot(prompt="{a|a}", negative="__colour__", seed=3), folder=lists, seed=0)
    assert (shot.prompt, shot.seed) == ("a", 3)
    assert shot.negative in {"red", "blue", "green", "white"}


# -------------------------------------------------------------------------------------------------------- the study


def study(folder: Path, text: str = "{a|b|c|d|e} __colour__ cat") -> StudySpec:
    written = STUDY.replace("[render]\n", '[render]\nwildcards = "lists"\n').replace("a cat on grass", text)
    return read_study_file(write_study(folder, written))


def test_shots_hold_the_words_and_a_changed_list_changes_the_study(lists: Path, tmp_path: Path) -> None:
    spec = study(tmp_path)
    assert study(tmp_path) == spec
    assert not any(sign in shot.text for shot in spec.shots.every for sign in ("{a", "__"))
    assert spec.shots.trials[0].prompt != spec.shots.trials[1].prompt
    (lists / "colour.txt").write_text("black\n")
    assert study(tmp_path).fingerprint() != spec.fingerprint()


def test_without_the_key_signs_stay_and_are_told(tmp_path: Path) -> None:
    spec = read_study_file(write_study(tmp_path, STUDY.replace("a cat on grass", "a {red|blue} cat")))
    assert spec.shots.trials[0].prompt == "a {red|blue} cat"
    assert any('"{red|blue}" looks like a choice' in finding.problem.what for finding in preflight(spec))


def test_a_proof_that_draws_a_shot_of_the_search_is_refused(lists: Path, tmp_path: Path) -> None:
    assert lists.is_dir()
    written = STUDY.replace("[render]\n", '[render]\nwildcards = "lists"\n')
    written = written.replace("seeds = [101, 102]", 'seeds = [1, 5, 6]\nprompts = ["a {cat|cat} on grass"]')
    with pytest.raises(StudyError, match=r'proof: .*"a cat on grass" \(seed 1\).*use seeds that no'):
        read_study_file(write_study(tmp_path, written))

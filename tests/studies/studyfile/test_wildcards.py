"""Choices and wildcards in a study's prompts."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from engine.errors import Problems
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


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("red tones.txt", "a __red tones__ b", "a crimson b"),
        ("c.txt", "a __~c__ b", "a crimson b"),
        ("日本.txt", "a __日本__ b", "a crimson b"),
        ("a+b(1).txt", "a __a+b*__ b", "a crimson b"),
        ("deep/x.y.txt", "a __deep/x.y__ b", "a crimson b"),
        ("deep/c.txt", "a __c__ b", "a crimson b"),
        ("c.txt", "a ${x=__c__}${x} b", "a crimson b"),
        ("c.txt", "a __{c|c}__ b", "a crimson b"),
    ],
)
def test_whatever_the_extension_replaces_is_replaced(tmp_path: Path, name: str, text: str, expected: str) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("crimson\n")
    assert expanded(text, folder=tmp_path, seed=0, shot_seed=0) == expected


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le"])
@pytest.mark.parametrize(
    ("file", "text"), [("c.txt", "é\r\n# note\r\n"), ("x.yaml", "c: [é]"), ("x.json", '{"c": ["é"]}')]
)
def test_lists_are_read_in_the_encodings_of_windows(tmp_path: Path, encoding: str, file: str, text: str) -> None:
    (tmp_path / file).write_bytes(text.encode(encoding))
    assert expanded("__c__ b", folder=tmp_path, seed=0, shot_seed=0) == "é b"


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("x.yaml", "c: [1984, 1.50, no, 2026-11-29, red]\n"),
        ("x.yaml", "base: &all [1984, 1.50, no, 2026-11-29, red]\nc: *all\n"),
        ("c.yaml", "[1984, 1.50, no, 2026-11-29, red]"),
        ("x.json", '{"c": [1984, 1.50, "no", "2026-11-29", "red"]}'),
    ],
)
def test_numbers_and_choices_in_lists_are_words(tmp_path: Path, file: str, text: str) -> None:
    (tmp_path / file).write_text(text)
    assert drawn("__c__", tmp_path) == {"1984", "1.50", "no", "2026-11-29", "red"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [{text: [q], weight: 2}, x]", r"a\.yaml: a: the text of an entry is no text \(\"\['q'\]"),
        ("a: [{text: q, weight: heavy}, x]", r"a\.yaml: a: the weight of an entry is no number .*\"heavy\""),
        ("b:\n  c: [1e999::red]\na: [x]", r"a\.yaml: b/c: the weight of an entry is no number .*\"1e999\""),
        ("a: [{text: q, weight: -3}]", "the weight of an entry is no number"),
        ("a: [red: crimson, [b]]", r"a\.yaml: a: no entry of this list is a word or a text.*red.*quotes"),
        ("a: [x]\nb: [{text: q, weight: nan}, {text: [3]}]", "the weight of an entry .*the text of an entry"),
    ],
)
def test_entries_that_are_no_words_are_told_with_their_list(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    lost = Problems()
    assert expanded("__a__", folder=tmp_path, seed=0, shot_seed=0, lost=lost) == "__a__"
    (problem,) = lost.found
    assert "this cannot be read: " in str(problem)
    assert re.search(reason, str(problem), re.DOTALL), str(problem)


def test_entries_that_dynamic_prompts_passes_over_are_passed_over(tmp_path: Path) -> None:
    entries = ["red", "[b]", "{other: c}", "", "{content: blue, weight: 2}", "'2::green'", "'1 a::b'"]
    (tmp_path / "a.yaml").write_text("a:\n" + "".join(f"- {entry}\n" for entry in entries))
    assert drawn("__a__", tmp_path) == {"red", "blue", "green", "1 a::b"}


def test_aliases_that_multiply_are_refused_at_once(tmp_path: Path) -> None:
    lines = ["l0: &l0 [a, a, a, a, a, a, a, a, a]"]
    lines += [f"l{n}: &l{n} [a, {', '.join([f'*l{n - 1}'] * 9)}]" for n in range(1, 9)]
    (tmp_path / "a.yaml").write_text("\n".join(lines))
    lost = Problems()
    expanded("__l8__", folder=tmp_path, seed=0, shot_seed=0, lost=lost)
    assert "has more than 1,000,000 entries" in str(lost.found[0])


def test_a_list_that_is_no_text_is_refused_by_name(lists: Path) -> None:
    (lists / "colour.txt").write_bytes("é".encode("cp1252"))
    with pytest.raises(StudyError, match=r"colour\.txt: line 1 is not UTF-8 text .*save it as UTF-8"):
        expanded("__colour__", folder=lists, seed=0, shot_seed=0)
    (lists / "colour.txt").unlink()
    os.mkfifo(lists / "colour.txt")
    with pytest.raises(StudyError, match=r"colour\.txt: cannot be read \(this is a pipe"):
        expanded("__colour__", folder=lists, seed=0, shot_seed=0)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a ${x} b", "Variable x is not defined in this context"),
        ("%{a$$b", "cannot be read"),
        ("{9$$a|b", "cannot be read"),
        ("{0::a|0::b}", "cannot be read"),
        ("${x=${x}}${x}", "cannot be read"),
        ("a __ b __ {", "cannot be read"),
        ("{a|" * 400 + "b" + "}" * 400, "cannot be read"),
    ],
)
def test_every_error_of_the_package_is_ours(lists: Path, text: str, reason: str) -> None:
    with pytest.raises(StudyError, match=reason):
        expanded(text, folder=lists, seed=0, shot_seed=0)


@pytest.mark.parametrize("text", ["{!a|a}", "{@a|a}", "{~a|a}"])
def test_other_ways_to_draw_are_read(lists: Path, text: str) -> None:
    assert expanded(text, folder=lists, seed=0, shot_seed=0) == "a"


@pytest.mark.parametrize("text", ["{a", "{a|b} 100%", "__loop__"])
def test_what_cannot_be_read_is_refused(lists: Path, text: str) -> None:
    with pytest.raises(StudyError, match=r"the choices of .* cannot be read .*close every {"):
        expanded(text, folder=lists, seed=0, shot_seed=0)


def test_a_circle_of_lists_is_named(lists: Path) -> None:
    (lists / "one.txt").write_text("__two__\n")
    (lists / "two.txt").write_text("a __one__\n")
    with pytest.raises(StudyError, match=r"a list names itself: one -> two -> one"):
        expanded("__two__", folder=lists, seed=0, shot_seed=0)


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


def test_wildcards_without_a_list_are_said_with_file_and_place(lists: Path, tmp_path: Path) -> None:
    (lists / "torn.yaml").write_text("a: [")
    spec = study(tmp_path, "a __no such list__ __colour__")
    found = [finding for finding in preflight(spec) if "__" in finding.line]
    (finding,) = [finding for finding in found if finding.level == "warning"]
    assert finding.where == "study.toml: prompts[1].text"
    assert '"__no such list__"' in finding.line
    assert "put no such list.txt into the folder" in finding.line
    assert "torn.yaml: " in finding.line


def test_errors_of_wildcards_have_file_and_place(lists: Path, tmp_path: Path) -> None:
    assert lists.is_dir()
    with pytest.raises(StudyError, match=r"study\.toml: prompts\[1\]\.text: the choices of"):
        study(tmp_path, "a ${x} b")
    written = STUDY.replace("[render]\n", '[render]\nwildcards = "nowhere"\n')
    with pytest.raises(StudyError, match=r"study\.toml: render\.wildcards: .*there is no such folder"):
        read_study_file(write_study(tmp_path, written))


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

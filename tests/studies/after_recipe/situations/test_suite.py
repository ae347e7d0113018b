"""Suites of situations: lists of Dynamic Prompts as they are, frames, and all that is wrong at once."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from studies.after_recipe.situations.frames import SLOT
from studies.after_recipe.situations.suite import MOST, read_suite, suite_text
from studies.errors import StudyError
from studies.studyfile.wildcard_circles import stands_alone
from studies.studyfile.word_lists import WordLists


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    folder = tmp_path / "lists"
    (folder / "outside").mkdir(parents=True)
    (folder / "light.txt").write_text("# of the day\nat night\n\nat noon\nat night\n  at {dawn|dusk}  \n")
    (folder / "outside" / "weather.txt").write_text("#: a __subject__, __outside/weather__\nrain\nsnow\n")
    (folder / "more.yaml").write_text("subject:\n  - a cat\n  - 2::a __colour__ dog\ncolour: [red, blue]\n")
    return folder


def words(source: Path, frame: str = "") -> dict[str, list[str]]:
    return {aspect: [one.word for one in some] for aspect, some in read_suite(source, frame).aspects.items()}


def templates(source: Path, aspect: str, frame: str = "") -> list[str]:
    return [one.template for one in read_suite(source, frame).aspects[aspect]]


def test_every_list_is_an_aspect_and_every_line_a_situation(lists: Path) -> None:
    assert words(lists) == {
        "colour": ["red", "blue"],
        "light": ["at night", "at noon", "at {dawn|dusk}"],
        "outside/weather": ["rain", "snow"],
        "subject": ["a cat", "a __colour__ dog"],
    }


def test_a_situation_names_the_other_words_of_its_list(lists: Path) -> None:
    noon = read_suite(lists).aspects["light"][1]
    assert (noon.word, noon.alternatives) == ("at noon", ("at night", "at {dawn|dusk}"))


def test_one_list_is_a_suite_whose_wildcards_are_the_lists_beside_it(lists: Path) -> None:
    suite = read_suite(lists / "light.txt", "__subject__ __light__")
    assert list(suite.aspects) == ["light"]
    assert suite.folder == lists
    assert suite.situations[0].template == "__subject__ at night"


@pytest.mark.parametrize(
    ("aspect", "frame", "expected"),
    [
        ("light", "", "at night"),
        ("light", "a photo", "a photo, at night"),
        ("light", "a photo, ", "a photo, at night"),
        ("light", "a __subject__, __light__, __colour__", "a __subject__, at night, __colour__"),
        ("light", "a __subject__, (__~light__:1.2)", "a __subject__, (at night:1.2)"),
        ("light", "best, __situation__, sharp", "best, at night, sharp"),
        ("outside/weather", "best, __situation__, sharp", "best, a __subject__, rain, sharp"),
        ("outside/weather", "__subject__ __outside/weather__", "__subject__ a __subject__, rain"),
        ("subject", "a photo of __subject__, __light__", "a photo of a cat, __light__"),
    ],
)
def test_frames(lists: Path, aspect: str, frame: str, expected: str) -> None:
    assert templates(lists, aspect, frame)[0] == expected


def test_keys_are_unlike_and_depend_on_what_is_asked_for_alone(lists: Path) -> None:
    suite = read_suite(lists)
    keys = [one.key for one in suite.situations]
    assert len(set(keys)) == len(keys)
    (lists / "light.txt").write_text("at noon\nat night\nat midnight\n")
    assert {one.word: one.key for one in read_suite(lists).aspects["light"]}["at noon"] == next(
        one.key for one in suite.situations if one.word == "at noon"
    )
    assert read_suite(lists, "a photo").aspects["light"][0].key not in keys
    assert all(set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for key in keys)


def test_words_of_any_script_have_keys(tmp_path: Path) -> None:
    (tmp_path / "光.txt").write_text("夜\n昼\n", encoding="utf-8")
    keys = [one.key for one in read_suite(tmp_path).situations]
    assert len(set(keys)) == 2
    assert all(key.isascii() for key in keys)


@pytest.mark.parametrize("frame", ["a {photo", "a __nothing__, __situation__", "{a|__situation__}"])
def test_a_wrong_frame_of_the_study_is_told_once_where_it_stands(lists: Path, frame: str) -> None:
    with pytest.raises(StudyError) as caught:
        read_suite(lists, frame)
    assert {problem.place for problem in caught.value.problems} == {("situations", "frame")}
    assert len(caught.value.problems) <= 2


@pytest.mark.parametrize(
    ("files", "frame", "circle"),
    [
        ({"a": "red __a__\nblue\n"}, "", "a.txt: this list names itself: a -> a;"),
        ({"a": "red {__b__|ok}\nblue\n", "b": "x __~c__\n", "c": "y\n__a__\n"}, "", "a.txt: .*: a -> b -> c -> a;"),
        ({"b": "x\n__a__\n", "a": "y __b__\n"}, "a photo, __situation__", "a.txt: .*: a -> b -> a;"),
        ({"light": "day __li*__\n"}, "", "this list names itself: li\\* -> li\\*;"),
    ],
)
def test_lists_that_name_themselves_are_refused_before_anything_is_drawn(
    tmp_path: Path, files: dict[str, str], frame: str, circle: str
) -> None:
    for name, text in files.items():
        (tmp_path / f"{name}.txt").write_text(text)
    with pytest.raises(StudyError, match=circle) as caught:
        read_suite(tmp_path, frame)
    assert len(caught.value.problems) == 1


def test_a_list_outside_of_the_suite_that_names_itself_is_refused_too(tmp_path: Path) -> None:
    (tmp_path / "light.txt").write_text("day, __moon__\n")
    (tmp_path / "moon.txt").write_text("full {__sky__|}\n")
    (tmp_path / "sky.txt").write_text("clear\nwith __moon__\n")
    with pytest.raises(StudyError, match=r"moon.txt: this list names itself: moon -> sky -> moon"):
        read_suite(tmp_path / "light.txt")


def test_all_that_is_wrong_with_all_lists_is_told_at_once(lists: Path) -> None:
    (lists / "light.txt").write_text("__moon__ light\n{a|__sun__}\nunclosed {a|b\n")
    (lists / "broken.yaml").write_text("a: [")
    (lists / "loop.txt").write_text("__loop__\n")
    (lists / "twice.txt").write_text("#: a\n#: b\nword\n")
    (lists / "choice.txt").write_text("#: {a|__choice__}\nword\n")
    (lists / "bad.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(StudyError) as caught:
        read_suite(lists)
    text = str(caught.value)
    for part in (
        'light.txt: this wildcard has no list ("__moon__"); put moon.txt into',
        'light.txt: this wildcard has no list ("__sun__")',
        'the choices of "unclosed {a|b" cannot be read',
        "broken.yaml: the lists of this file cannot be read",
        "loop.txt: this list names itself: loop -> loop; take one of these wildcards out of its list",
        "twice.txt: two lines begin with #:",
        "choice.txt: the line stands within a choice",
        "bad.txt: line 1 is not UTF-8",
    ):
        assert part in text
    assert len(caught.value.problems) == 8


def test_lists_that_lines_name_are_looked_at_too(lists: Path) -> None:
    (lists / "light.txt").write_text("by __lamp__\n")
    (lists / "lamp.txt").write_text("a __shade__ lamp\n")
    (lists / "shade.txt").write_text("dark\n__missing__\n70% dark\n$5\n")
    for source in (lists, lists / "light.txt"):
        with pytest.raises(StudyError) as caught:
            read_suite(source)
        assert [problem.place for problem in caught.value.problems] == [(lists / "shade.txt",)] * 3
        assert {problem.seen for problem in caught.value.problems} == {"__missing__", "70% dark", "$5"}


def test_a_line_that_nothing_draws_may_hold_any_sign(lists: Path) -> None:
    (lists / "light.txt").write_text("70% cloudy # 1\n$5 lamp\nsnake_case\n(bold:1.2) [soft]\n")
    assert templates(lists / "light.txt", "light", "a __colour__ photo")[0] == "a __colour__ photo, 70% cloudy # 1"


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("nowhere", "there is no such folder or list"),
        ("more.yaml", "this is not a list of situations"),
        ("empty", "no list here has a line"),
        ("long.txt", "1,001 lines"),
        ("book.txt", "a line of 20,003 letters cannot be a prompt"),
    ],
)
def test_what_is_no_suite(lists: Path, name: str, part: str) -> None:
    (lists / "empty").mkdir()
    (lists / "empty" / "none.txt").write_text("# nothing\n")
    (lists / "book.txt").write_text("a cat\n" + "a dog " * 3334 + "\n")
    (lists / "long.txt").write_text("".join(f"{n}\n" for n in range(MOST + 1)))
    with pytest.raises(StudyError, match=part):
        read_suite(lists / name)


def test_lists_of_mere_words_without_a_frame_are_hinted_at(lists: Path) -> None:
    assert [problem.place for problem in read_suite(lists).hints] == [(lists,)]
    assert "colour, light, subject" in str(read_suite(lists).hints[0])
    assert read_suite(lists, "a photo").hints == ()
    (lists / "light.txt").write_text("at night\na portrait of an old man, smiling, in the rain\n")
    assert "light" not in str(read_suite(lists).hints[0].what)


def test_a_suite_in_words(lists: Path) -> None:
    assert suite_text(read_suite(lists / "light.txt")) == f"{lists / 'light.txt'}: 3 situations of 1 aspect (light)"


def test_no_prompt_keeps_the_slot(lists: Path) -> None:
    suite = read_suite(lists, "best, __situation__")
    assert all(SLOT in one.frame and SLOT not in one.template for one in suite.situations)


def test_a_list_that_names_no_other_is_read_alone(lists: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Whatever lies beside it, such as a tokenizer's vocabulary, is not its business: it was read, and warned of."""
    (lists / "vocab.json").write_text('{"cat": 1, "dog": 2}')
    (lists / "locked.yaml").write_text("a: [")
    assert words(lists / "light.txt", "a photo, __light__") == {"light": ["at night", "at noon", "at {dawn|dusk}"]}
    found = WordLists(lists, (lists / "light.txt",))
    assert list(found.get_collection_names()) == ["light"]
    assert [stands_alone(lists / "light.txt", frame) for frame in ("", "__situation__", "__subject__")] == [
        True, True, False
    ]  # fmt: skip
    assert words(lists / "light.txt", "a __subject__, __light__") == words(lists / "light.txt")
    assert capfd.readouterr().err == ""


def test_a_file_of_several_lists_is_read_again_only_when_it_has_changed(lists: Path) -> None:
    assert words(lists)["colour"] == ["red", "blue"]
    (lists / "more.yaml").write_text("subject: [a cat]\ncolour: [red, blue, yellow]\n")
    assert words(lists)["colour"] == ["red", "blue", "yellow"]


def test_suites_of_one_name_are_told_apart_by_their_places(tmp_path: Path) -> None:
    keys = {read_suite(None, "").key_from(tmp_path)}
    assert keys == {""}
    for name in ("one/my lists.txt", "two/my lists.txt", "two/my-lists.txt", "###.txt"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text("a cat\n")
        suite = read_suite(file, "")
        assert suite.name == file.name
        keys.add(suite.key_from(tmp_path / "study"))
    assert len(keys) == 5
    assert all(re.fullmatch(r"[\w.-]*", key) for key in keys)

"""What is said of a suite's prompts beforehand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from studies.after_recipe.situations.hints import MOST_TOLD, suite_hints
from studies.after_recipe.situations.planned import situations_costs
from studies.after_recipe.situations.suite import read_suite
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.study_text import write_study


@pytest.fixture
def spec(tmp_path: Path) -> StudySpec:
    return read_study_file(write_study(tmp_path))


def hints(spec: StudySpec, folder: Path, *lines: str) -> list[str]:
    folder.mkdir()
    (folder / "light.txt").write_text("\n".join(["#: a portrait of an old man, __light__", *lines]))
    return [str(problem) for problem in suite_hints(read_suite(folder), spec)]


def test_the_suite_that_ships_gives_none(spec: StudySpec) -> None:
    assert suite_hints(read_suite(), spec) == ()


def test_signs_without_effect_are_told_once_each(spec: StudySpec, tmp_path: Path) -> None:
    told = hints(spec, tmp_path / "lists", "<lora:dusk:0.8> dusk", "<lora:dusk:0.8> dawn", "noon")
    assert len(told) == 1
    assert "lists: light: <lora:dusk:0.8> dusk: " in told[0]


def test_a_weight_that_no_number_holds_is_told(spec: StudySpec, tmp_path: Path) -> None:
    (told,) = hints(spec, tmp_path / "lists", f"(noon:{10**39})")
    assert "overflows" in told


def test_of_many_slips_some_are_told(spec: StudySpec, tmp_path: Path) -> None:
    assert len(hints(spec, tmp_path / "lists", *(f"<lora:{n}:1> noon" for n in range(MOST_TOLD + 3)))) == MOST_TOLD


def test_mere_words_are_told_too(spec: StudySpec, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("red\nblue\n")
    (told,) = suite_hints(read_suite(tmp_path / "words.txt"), spec)
    assert "mere words" in told.what


def test_check_tells_them(spec: StudySpec, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("red\nblue\n")
    spec = replace(spec, situations=replace(spec.situations, suite=tmp_path / "words.txt"))
    levels = {finding.level: finding.line for finding in situations_costs(spec, 1.0)}
    assert "mere words" in levels["warning"]
    assert "2 situations" in levels["note"]
    spec = replace(spec, situations=replace(spec.situations, frame="a photo"))
    assert [finding.level for finding in situations_costs(spec, 1.0)] == ["note"]


def test_check_refuses_lists_that_name_themselves(spec: StudySpec, tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("red, {by day|__words__}\nblue, a house\n")
    spec = replace(spec, situations=replace(spec.situations, suite=tmp_path / "words.txt", night=True))
    (found,) = situations_costs(spec, 1.0)
    assert found.level == "error"
    assert "this list names itself: words -> words" in found.line

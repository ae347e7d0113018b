"""What the benchmark of situations counts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.recipes.file import read_recipe_file
from studies.pictures.sources import file_hashes, read_source
from studies.studyfile.read import read_study_file
from tests.benchmarks.after_recipe.bench_situations import (
    UNTOUCHED,
    SituationsOutcome,
    interval_of,
    tables,
    write_subjects,
)
from tests.studies.after_recipe.situations.planted_weaknesses import PLANTS, harmless_recipes

FOUND = SituationsOutcome(
    subject="red-as-blue",
    lost="colours: red",
    weak_spots=["colours: red: word not obeyed", "subjects: cat: too alike"],
    words_lost=["colours: red"],
    worse=0,
    pictures=50,
    most_pictures=100,
    seconds=1.0,
)


def test_a_lost_word_is_found_where_it_is_named() -> None:
    assert FOUND.is_found
    assert FOUND.is_worst
    assert FOUND.others == ["subjects: cat: too alike"]
    late = replace(FOUND, weak_spots=FOUND.weak_spots[::-1])
    assert late.is_found
    assert not late.is_worst
    assert not replace(FOUND, lost="colours: blue").is_found
    assert replace(FOUND, lost="").others == FOUND.weak_spots


def test_harmless_recipes_that_are_accused_are_counted() -> None:
    harmless = replace(FOUND, subject="twin", lost="", weak_spots=[])
    accused = replace(harmless, subject="other", weak_spots=["places: in the city: worse pictures"])
    lines = list(tables({one.subject: one for one in (FOUND, harmless, accused)}))
    assert "found 1 of 1" in lines
    assert "harmless recipes accused: 1 of 2 (95 % interval 0.01 to 0.99)" in lines
    assert "pictures: 150 of 300, 50%" in lines


@pytest.mark.parametrize(("count", "low", "high"), [(0, 0.0, 0.168), (1, 0.0013, 0.249), (20, 0.832, 1.0)])
def test_the_interval_of_a_rate_over_twenty(count: int, low: float, high: float) -> None:
    assert interval_of(count, 20) == pytest.approx((low, high), abs=5e-4)


def test_all_subjects_can_be_read_by_the_command(tmp_path: Path) -> None:
    study, subjects = write_subjects(tmp_path, [PLANTS[0].name, UNTOUCHED, *harmless_recipes()])
    assert {name: lost for name, (_, lost) in subjects.items() if lost} == {PLANTS[0].name: "colours: purple"}
    assert len(subjects) == 1 + 1 + 20
    spec = read_study_file(study)
    assert (spec.situations.suite, spec.shots.trials[0].steps) == (tmp_path / "suite", 6)
    for name, recipe in harmless_recipes().items():
        file = subjects[name][0]
        assert read_recipe_file(file).recipe == recipe
        assert read_source(file, file_hashes).models == dict(spec.merge.models)

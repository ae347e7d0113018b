"""What a search for settings costs, said before it begins."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from studies.after_recipe.settings.axes import asked_values
from studies.after_recipe.settings.plan import planned_settings, settings_costs, tried_texts
from studies.after_recipe.settings.search import MOST_LOOKED_AT
from studies.errors import StudyError
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.sample_study import write_small_study


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> StudySpec:
    return read_study_file(write_small_study(tmp_path_factory.mktemp("small")))


def test_pictures_are_counted_from_the_fewest_to_the_most(small: StudySpec) -> None:
    asked = asked_values(["Sampler = Euler a, Euler", "CFG Scale = 2, 4", "Steps = 2", "Clip skip = 1"])
    plan = planned_settings(small, asked, most=8)
    assert tried_texts(plan) == ["Sampler: DPM++ 2M, Euler a, Euler", "CFG Scale: 2, 4"]
    assert (plan.first, plan.each) == (8, 8)
    assert plan.fewest == 8 * (1 + 2 + 1)
    assert plan.most == 8 * (1 + (2 + 3) + (1 + 2))
    assert str(plan) == "2 settings with 5 values, 32 to 72 pictures"


def test_a_value_that_cannot_be_tried_is_said_before_anything_is_rendered(small: StudySpec) -> None:
    asked = asked_values(["Sampler = Eulr a, Euler", "Steps = 0", "CFG Scale = 2", "Clip skip = 1"])
    lines = tried_texts(planned_settings(small, asked, most=8))
    assert lines[0] == "Sampler: DPM++ 2M, Euler"
    assert [line for line in lines if "not tried: Sampler Eulr a: " in line and "did you mean Euler a?" in line]
    assert [line for line in lines if line.startswith("not tried: Steps 0: ")]


def test_work_is_that_of_pictures_as_the_study_has_them(small: StudySpec) -> None:
    cheap = planned_settings(small, asked_values(["Sampler = Euler", "CFG Scale = 2", "Steps = 2, 4", "Clip skip = 1"]))
    dear = planned_settings(small, asked_values(["Sampler = Euler", "CFG Scale = 2", "Steps = 2, 40", "Clip skip = 1"]))
    assert dear.most == cheap.most
    assert dear.work[0] > cheap.work[0] > cheap.fewest
    assert dear.work[1] > cheap.work[1] > cheap.most


def test_looking_back_counts_a_few_values_of_every_setting(small: StudySpec) -> None:
    few = planned_settings(small, asked_values(["Steps = 2-9", "Sampler = DPM++ 2M", "CFG Scale = 2", "Clip skip = 1"]))
    assert few.most == few.each * (1 + 7 + MOST_LOOKED_AT)


def test_check_says_what_it_costs_and_what_cannot_be_tried(small: StudySpec) -> None:
    (note,) = settings_costs(small, 2.0)
    assert note.level == "note"
    assert note.line.startswith("note")
    assert "`recipe-search settings`: 4 settings with" in note.line
    assert note.line.endswith(" where none is kept")
    (wrong,) = settings_costs(replace(small, settings_to_try=("Stepz = 2",)), 2.0)
    assert wrong.level == "warning"
    assert "settings.try[1]: there is no setting 'Stepz'; these can be searched: Steps, " in wrong.line
    with pytest.raises(StudyError, match="Stepz"):
        planned_settings(replace(small, settings_to_try=("Stepz = 2",)))


def test_nothing_to_try_is_said(small: StudySpec) -> None:
    asked = asked_values(["Sampler = DPM++ 2M", "CFG Scale = 2", "Steps = 2", "Clip skip = 1"])
    plan = planned_settings(small, asked)
    assert plan.steps == ()
    assert str(plan) == "there is no setting with more than one value to try"


def test_the_study_file_says_what_is_tried(tmp_path: Path) -> None:
    study = write_small_study(tmp_path)
    study.write_text(study.read_text() + '\n[settings]\ntry = ["Steps = 2, 5", "Clip skip = 1", "CFG Scale = 2"]\n')
    steps = {step.axis: step.labels for step in planned_settings(read_study_file(study)).steps}
    assert steps["Steps"] == ("2", "5")
    assert "CFG Scale" not in steps

"""Whether the trials of a study draw other shots each: decided in its first night, and kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from studies.night.noise import NOISE, suggester_of
from studies.night.noise import _windows as windows
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.sample_study import write_small_study


@pytest.fixture
def spec(tmp_path: Path) -> StudySpec:
    study = write_small_study(tmp_path)
    study.write_text(study.read_text().replace("seeds = [1, 2]", f"seeds = {list(range(20, 52))}"))
    return read_study_file(study)


def test_trials_draw_other_shots_each_where_they_draw_a_part_of_them(spec: StudySpec) -> None:
    search = spec.search
    assert windows(search, 16, 34, fresh=False) == {"moving": True, "fewest": 8}
    assert windows(search, 4, 34, fresh=False) == {"moving": True, "fewest": 4}
    assert windows(search, 34, 34, fresh=False) == {}
    assert windows(search, 16, 34, fresh=True) == {}
    assert windows(replace(search, racing=True), 16, 34, fresh=False) == {}
    assert windows(replace(search, plan=replace(search.plan, sampler="tpe")), 16, 34, fresh=False) == {}
    assert windows(replace(search, shots_per_trial=16), 16, 34, fresh=False) == {"moving": True}


def test_a_study_of_before_goes_on_with_the_same_shots_for_all_of_a_stage(spec: StudySpec) -> None:
    store = StudyStore(spec.storage.folder, spec.storage.name)
    store.note(NOISE, {"shots": 16, "fresh": False, "paired": 1.0, "common": 0.0, "between": 1.0})
    before = suggester_of(spec.search, spec.shots, store).rotation
    assert (before.moving, before.fewest, before.per_trial) == (False, 0, 16)
    known = store.noted(NOISE)
    store.note(NOISE, {**known, "moving": True, "fewest": 8})
    after = suggester_of(spec.search, spec.shots, store).rotation
    assert (after.moving, after.fewest, after.per_trial) == (True, 8, 16)

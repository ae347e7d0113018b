"""What is on a trial's contact sheet, and pictures that lie in other places."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from studies.pages.reading.named_recipes import named_recipe, pictures_of
from studies.pages.reading.pictures import kept_picture
from studies.pages.reading.reader import StudyReader
from studies.pages.reading.trial_sheets import sheet_shots
from studies.store.renders import SHEET, shots_key
from tests.studies.pages.made_gallery import write_gallery

PART = (1, 4, 6, 7)


@pytest.mark.parametrize("slots", [PART, tuple(range(7))])  # sheets of another size; of seven as of eight
def test_a_flat_mix_has_all_shots_on_its_sheet_where_its_stage_draws_some(
    tmp_path: Path, slots: tuple[int, ...]
) -> None:
    file = write_gallery(tmp_path, 12, slots=slots, stage="blocks")
    study = StudyReader(file).read()
    every, ninth, tenth = study.spec.shots.trials, study.by_number[9], study.by_number[10]
    assert sheet_shots(study, ninth) == study.spec.shots.drawn(slots)
    assert tenth.sheet is not None
    whole = study.by_number[0].sheet
    assert whole is not None
    tenth.sheet.write_bytes(whole.read_bytes())
    study = StudyReader(file).read()
    assert sheet_shots(study, study.by_number[10]) == every
    picture = kept_picture(study, "t10.7")
    assert picture is not None
    assert picture.read().shape == (64, 64, 3)
    assert kept_picture(study, f"t9.{len(slots)}") is None


def test_trials_of_a_part_stand_beside_parents_by_their_shots(tmp_path: Path) -> None:
    study = StudyReader(write_gallery(tmp_path, 12, slots=PART, stage="blocks")).read()
    own, parent = named_recipe(study, "9"), named_recipe(study, "A")
    assert own is not None
    assert parent is not None
    names = {key: (one.name, pictures_of(study, parent)[key].name) for key, one in pictures_of(study, own).items()}
    assert list(names.values()) == [(f"t9.{place}", f"t0.{slot}") for place, slot in enumerate(PART)]


def test_pictures_beside_the_trials_are_seen(tmp_path: Path) -> None:
    """With fresh seeds, FLAT_50 is rendered again at the new shots, without a trial."""
    fresh = (8, 9, 10)
    study = StudyReader(write_gallery(tmp_path, 12, slots=fresh, stage="blocks")).read()
    middle, ninth = named_recipe(study, "FLAT_50"), study.by_number[9]
    assert middle is not None
    assert ninth.sheet is not None
    shots = study.spec.shots.drawn(fresh)
    place = study.spec.storage.folder / "renders" / "0123456789ab" / shots_key(shots) / middle.candidate.key[:20]
    place.mkdir(parents=True)
    shutil.copy(ninth.sheet, place / SHEET)
    found = pictures_of(study, middle)[shots[2].key]
    assert found.name == f"k-{middle.candidate.key[:20]}-{shots_key(shots)}.2"
    picture, own = kept_picture(study, found.name), kept_picture(study, "t9.2")
    assert picture is not None
    assert own is not None
    assert np.array_equal(picture.read(), own.read())
    assert kept_picture(study, found.name[:-1] + "3") is None
    assert kept_picture(study, f"k-{middle.candidate.key[:20]}-{'0' * 12}.0") is None

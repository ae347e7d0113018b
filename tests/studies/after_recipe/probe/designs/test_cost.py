"""What a probe will cost: pictures that are kept are counted."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from studies.after_recipe.probe.designs.cost import probe_costs
from studies.after_recipe.probe.designs.plan import CHUNK, chunked, planned_probe
from studies.store.renders import FEATURES, shots_key
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.sample_study import write_small_study


@pytest.fixture
def spec(tmp_path: Path) -> StudySpec:
    return read_study_file(write_small_study(tmp_path))


def cost(spec: StudySpec) -> str:
    (note,) = probe_costs(spec, 1.0)
    return note.line.rpartition("pictures, ")[2]


def test_kept_pictures_are_counted(spec: StudySpec) -> None:
    plan = planned_probe(spec)
    assert cost(spec) == f"about {round(plan.pictures / 60)} min"
    renders = spec.storage.folder / "renders" / "0123456789ab"
    sets = [(one.candidate, some) for one in plan.recipes for some in chunked(plan.shots)]
    sets += [(plan.still, some) for some in chunked(plan.twins)]
    for candidate, some in sets:  # as a command keeps them, but for what is in the files
        place = renders / shots_key(some) / candidate.key[:20]
        place.mkdir(parents=True)
        (place / FEATURES).touch()
    assert cost(spec) == "all of them kept"
    shutil.rmtree(renders / shots_key(plan.twins[:CHUNK]))
    assert cost(spec) == f"{plan.pictures - CHUNK:,} of them kept, the others about {CHUNK} s"

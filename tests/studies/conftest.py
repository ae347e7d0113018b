"""A study of the sample world that was run to its end, once for all tests that go on from there."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from rich.console import Console

from studies.night.night import Night
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.sample_study import write_small_study


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory: pytest.TempPathFactory) -> StudySpec:
    """Thirteen trials, twelve references and two finalists; leave it as it is."""
    study = write_small_study(tmp_path_factory.mktemp("finished-once"), groups=1)
    for picture in sorted((study.parent / "references").glob("*.png"))[12:]:
        picture.unlink()
    text = study.read_text()
    for stage in ("blocks", "self", "adjust", "refine"):
        text = text.replace(f"{stage} = 2", f"{stage} = 0")
    study.write_text(text)
    spec = read_study_file(study)
    Night(spec, Console(quiet=True)).run()
    return spec


@pytest.fixture
def copied(finished_once: StudySpec, tmp_path: Path) -> Path:
    """The study file of a copy of it."""
    shutil.copytree(finished_once.storage.file.parent, tmp_path / "copy")
    return tmp_path / "copy" / "study.toml"

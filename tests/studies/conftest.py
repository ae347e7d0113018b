"""What tests of studies share: one that was run to its end, and the servers of studies over several machines."""

from __future__ import annotations

import shutil
from collections.abc import Generator
from pathlib import Path

import pytest
from rich.console import Console

from studies.night.night import Night
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.machines.servers import DatabaseServer, bucket_server, database_server, server_programs
from tests.studies.sample_study import write_small_study

WHY_NOT = "PostgreSQL's server is not installed here (Debian: apt-get install postgresql)"


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


@pytest.fixture(scope="session")
def database_once() -> Generator[DatabaseServer]:
    programs = server_programs()
    if programs is None:
        pytest.skip(WHY_NOT)
    with database_server(programs) as server:
        yield server


@pytest.fixture
def database(database_once: DatabaseServer, monkeypatch: pytest.MonkeyPatch) -> DatabaseServer:
    """A database server whose password this process finds in a file."""
    for name, text in database_once.environment.items():
        monkeypatch.setenv(name, text)
    return database_once


@pytest.fixture(scope="session")
def bucket_once() -> Generator[dict[str, str]]:
    with bucket_server("recipes") as environment:
        yield environment


@pytest.fixture
def bucket(bucket_once: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> str:
    """The address of an empty bucket that this process can use."""
    for name, text in bucket_once.items():
        monkeypatch.setenv(name, text)
    return "s3://recipes/tests"

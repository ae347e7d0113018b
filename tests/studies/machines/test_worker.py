"""`recipe-search worker`: a machine that has the models, and nothing else of a study."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from studies.cli.main import main
from studies.joining.published import archive_in
from studies.store.opening import open_store
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.machines.servers import DatabaseServer
from tests.studies.sample_study import write_small_study

pytestmark = pytest.mark.usefixtures("reachable")


@pytest.fixture
def reachable(
    database_once: DatabaseServer, bucket_once: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> dict[str, str]:
    """The environment of every machine: how it reaches the database and the artifacts."""
    environment = database_once.environment | bucket_once
    for name, text in environment.items():
        monkeypatch.setenv(name, text)
    return environment


@pytest.fixture
def begun(tmp_path: Path, database_once: DatabaseServer, request: pytest.FixtureRequest) -> StudySpec:
    """A study on its first machine, where a few trials were made."""
    name = f"worker-{request.node.name[:40]}"
    study = write_small_study(tmp_path / "first")
    place = f'storage = "{database_once.url()}"\nartifacts = "s3://recipes/{name}"\n'
    text = study.read_text()
    start = text.index("name = ")
    end = text.index("\n", start) + 1
    study.write_text(f'{text[:start]}name = "{name}"\n{place}{text[end:]}')
    said = CliRunner().invoke(main, ["run", str(study), "--trials", "6", "--no-proof"])
    assert said.exit_code == 0, said.output
    return read_study_file(study)


def models_moved_to(folder: Path, spec: StudySpec) -> Path:
    """The models alone, under other names."""
    folder.mkdir()
    for letter, path in spec.merge.models.items():
        (folder / f"renamed-{letter}.safetensors").write_bytes(path.read_bytes())
    return folder


def joined(url: str, name: str, folder: Path, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """A worker in a process of its own, in an empty folder."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "studies.cli.main", "worker", url, name, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_a_machine_with_the_models_alone_ends_the_search(
    begun: StudySpec, database_once: DatabaseServer, tmp_path: Path
) -> None:
    done = by_the_script(begun, database_once, models_moved_to(tmp_path / "checkpoints", begun), tmp_path / "second")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the study is laid out in" in done.stdout
    trials = open_store(begun.storage).trials()
    assert len({trial.user_attrs["worker"] for trial in trials}) == 2
    laid_out = tmp_path / "second" / "recipe-search-7-2"
    spec = read_study_file(laid_out / "study.toml")
    assert spec.fingerprint() == begun.fingerprint()
    assert (spec.storage.folder / "outcome.json").read_bytes() != b""
    assert CliRunner().invoke(main, ["show", str(begun.storage.file)]).output.count("finalist") > 0


def by_the_script(
    begun: StudySpec, server: DatabaseServer, models: Path, folder: Path
) -> subprocess.CompletedProcess[str]:
    """A worker as the example for SLURM starts it."""
    folder.mkdir()
    given = {
        "RECIPE_SEARCH_DATABASE": server.url(),
        "RECIPE_SEARCH_STUDY": begun.storage.name,
        "RECIPE_SEARCH_MODELS": str(models),
        "SLURM_TMPDIR": str(folder),
        "SLURM_ARRAY_JOB_ID": "7",
        "SLURM_ARRAY_TASK_ID": "2",
        "PYTHONPATH": str(Path.cwd()),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    script = str(files("studies.sample.examples") / "slurm.sh")
    environment = {**os.environ, **given}
    return subprocess.run(["/bin/bash", script], env=environment, capture_output=True, text=True, check=False)


def test_the_job_for_kubernetes_starts_the_same_command() -> None:
    job = yaml.safe_load((files("studies.sample.examples") / "kubernetes.yaml").read_text())
    (container,) = job["spec"]["template"]["spec"]["containers"]
    words = [*container["command"], *container["args"]]
    assert words[:2] == ["recipe-search", "worker"]
    context = main.commands["worker"].make_context("worker", ["--models=.", *words[2:4], words[5]])
    assert context.params["name"] == "my-mix"
    assert context.params["folder"] == Path("/scratch/my-mix")
    mounts = {one["name"] for one in container["volumeMounts"]}
    assert mounts == {one["name"] for one in job["spec"]["template"]["spec"]["volumes"]}


def test_what_differs_is_said_before_anything_is_rendered(
    begun: StudySpec, database_once: DatabaseServer, tmp_path: Path
) -> None:
    models = models_moved_to(tmp_path / "checkpoints", begun)
    wrong = models / "renamed-B.safetensors"
    content = bytearray(wrong.read_bytes())
    content[-1] ^= 1
    wrong.write_bytes(content)
    done = joined(database_once.url(), begun.storage.name, tmp_path / "second", ["--models", str(models)])
    assert done.returncode == 1
    assert f"{begun.merge.models['B'].name} (" in done.stderr
    assert f"{wrong} has its size and another content" in done.stderr
    assert len(open_store(begun.storage).trials()) == 6


def test_an_unknown_study_and_a_wrong_address_are_errors(database_once: DatabaseServer, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    done = joined(database_once.url(), "nothing", tmp_path, ["--models", str(models)])
    assert done.returncode == 1
    assert 'there is no study "nothing" in this database' in done.stderr
    done = joined("sqlite:///recipes.db", "nothing", tmp_path, ["--models", str(models)])
    assert done.returncode == 2
    assert "only the processes of one machine can share safely" in done.stderr
    done = joined(database_once.url().replace("me@", "me:secret@"), "nothing", tmp_path, ["--models", str(models)])
    assert done.returncode == 2
    assert "secret" not in done.stderr


def test_a_folder_that_cannot_be_made_is_an_error(
    begun: StudySpec, database_once: DatabaseServer, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    given = ["--models", str(tmp_path), "--folder", str(tmp_path / "file" / "study")]
    done = joined(database_once.url(), begun.storage.name, tmp_path, given)
    assert done.returncode == 1
    assert "cannot be made (Not a directory); name another one with --folder" in done.stderr


def test_inputs_that_are_damaged_in_the_artifacts_are_an_error(
    begun: StudySpec, database_once: DatabaseServer, tmp_path: Path
) -> None:
    archive = archive_in(begun.storage.folder)
    archive.write_bytes(archive.read_bytes()[:-30])
    store = open_store(begun.storage)
    store.backend.files.share(archive)
    done = joined(database_once.url(), begun.storage.name, tmp_path, ["--models", str(tmp_path)])
    assert done.returncode == 1
    assert f"{archive.name}: is damaged (File is not a zip file)" in done.stderr
    assert "Traceback" not in done.stderr

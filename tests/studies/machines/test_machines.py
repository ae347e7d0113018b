"""One study over two machines that share no files, and what happens to servers, networks and workers meanwhile."""

from __future__ import annotations

import csv
import json
import random
import shutil
from collections.abc import Generator
from pathlib import Path

import pytest
from click.testing import CliRunner

from studies.cli.main import main
from studies.store.opening import open_store
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.machines.machine import StudyMachine
from tests.studies.machines.ordeal import Ordeal
from tests.studies.machines.servers import PASSWORD, DatabaseServer, Network


def copied_to(finished: StudySpec, folder: Path, address: str, artifacts: str) -> Path:
    """The study without its results, as another machine has it."""
    shutil.copytree(finished.storage.file.parent, folder, ignore=shutil.ignore_patterns("runs"))
    study = folder / finished.storage.file.name
    place = f'storage = "{address}"\nartifacts = "{artifacts}"\n'
    study.write_text(study.read_text().replace("seed = 3\n", f"seed = 3\n{place}"))
    return study


@pytest.fixture(scope="module")
def survived(
    finished_once: StudySpec,
    database_once: DatabaseServer,
    bucket_once: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Generator[Ordeal]:
    """A study that two machines ended, through two kills, two restarts of the server and a cut network."""
    root = tmp_path_factory.mktemp("machines")
    network, environment = Network(database_once.port), database_once.environment | bucket_once
    with pytest.MonkeyPatch.context() as patch:
        for name, text in environment.items():
            patch.setenv(name, text)
        ordeal = Ordeal(
            server=database_once,
            network=network,
            machines=[
                StudyMachine(
                    study=copied_to(finished_once, root / name, database_once.url(port), "s3://recipes/survived"),
                    environment=environment,
                )
                for name, port in (("one", database_once.port), ("two", network.port))
            ],
            down_s=3,
            cut_s=3,
            rng=random.Random(1),
        )
        ordeal.run([ordeal.kill, ordeal.restart, ordeal.kill, ordeal.cut, ordeal.down])
        ordeal.judge(open_store(finished_once.storage).trials())
        yield ordeal
    network.close()


def test_nothing_is_lost_or_doubled(survived: Ordeal) -> None:
    assert survived.faults == []
    assert any(machine.killed for machine in survived.machines)  # a second one may have ended before
    assert all(machine.rendered for machine in survived.machines)


def test_one_machine_proves_and_both_have_the_outcome(survived: Ordeal, finished_once: StudySpec) -> None:
    outcomes: list[dict[str, object]] = []
    for machine in survived.machines:
        spec = read_study_file(machine.study)
        open_store(spec.storage)
        assert (spec.storage.folder / "finalists.png").is_file()
        outcomes.append(json.loads((spec.storage.folder / "outcome.json").read_text()))
    assert outcomes[0] == outcomes[1]
    alone = json.loads((finished_once.storage.folder / "outcome.json").read_text())
    assert outcomes[0]["baselines"] == alone["baselines"]


def test_commands_read_the_study_on_a_machine_that_has_nothing_of_it(survived: Ordeal, tmp_path: Path) -> None:
    there = survived.machines[0].study.parent
    shutil.copytree(there, tmp_path / "third", ignore=shutil.ignore_patterns("runs"))
    study = str(tmp_path / "third" / "study.toml")

    def told(*arguments: str) -> str:
        done = CliRunner().invoke(main, list(arguments))
        assert done.exit_code == 0, done.output
        assert PASSWORD not in done.output
        return done.output

    assert "13 trials, 13 with a value" in told("show", study, "--details", "--csv", str(tmp_path / "all.csv"))
    with (tmp_path / "all.csv").open(newline="") as file:
        assert sum(row["state"] == "COMPLETE" for row in csv.DictReader(file)) == 13
    told("check", study)
    assert "has changed since the trials were scored" in told("rescore", study)
    assert "wrote" in told("report", study)
    told("approve", study, "--trial", "3", "--note", "a test")
    assert "no journal that could be damaged" in told("run", study, "--repair")


def test_nothing_that_is_kept_or_said_holds_the_password(survived: Ordeal, database_once: DatabaseServer) -> None:
    for machine in survived.machines:
        for path in machine.study.parent.rglob("*"):
            assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path
    columns = database_once.ask(
        "SELECT string_agg(value_json, ' ') FROM (SELECT value_json FROM trial_user_attributes "
        "UNION ALL SELECT value_json FROM study_user_attributes) AS kept"
    )
    assert PASSWORD not in columns
    assert len(columns) > 10_000

"""The status of a study in a database is that of the same study in a journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from studies.status.text import as_json, screen
from studies.status.watched import WatchedStudies
from studies.store.backends.of_study import backend_of
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from tests.studies.machines.servers import DatabaseServer


def status_of(study: Path) -> dict[str, Any]:
    (found,) = WatchedStudies([study]).look()
    return as_json(found)


def test_it_is_read_with_its_workers(copied: Path, database: DatabaseServer) -> None:
    before = status_of(copied)
    old = StudyStore(copied.parent / "runs/small", "small")
    place = f'[study]\nfolder = "runs/shared"\nstorage = "{database.url()}"\nartifacts = "shared"'
    text = copied.read_text().replace('name = "small"', 'name = "scanned"')  # other tests leave a "small" there
    copied.write_text(text.replace("[study]", place))
    storage = read_study_file(copied).storage
    assert status_of(copied)["state"] == "new"
    backend = backend_of(storage)
    with backend.joined(lambda: None) as worker:
        store = StudyStore(storage.folder, storage.name, backend=backend)
        for trial in old.trials():
            store.copy(trial, trial.value, trial.user_attrs)
        store.note("inputs", old.noted("inputs"))
        store.note("noise", old.noted("noise"))
        now = status_of(copied)
        same = ("trials", "stages", "pictures", "best", "failures")
        assert {key: now[key] for key in same} == {key: before[key] for key in same}
        assert now["state"] == "searching"
        assert [one["name"] for one in now["workers"]] == [worker.name]
        assert now["workers"][0]["process"] == 0, "its name does not say it"
        store.fail(store.begin(_proposal(old), old.trials()[0].distributions, worker.name), "no memory")
        (failure,) = status_of(copied)["failures"]
        assert failure["reason"] == "no memory"
    assert status_of(copied)["workers"] == []


def _proposal(store: StudyStore) -> Any:
    from search.suggester import Proposal

    return Proposal(stage="blocks", point=dict(store.trials()[0].params))


def test_a_database_that_does_not_answer_is_a_problem_and_shows_no_password(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPASSWORD", "s3cret-of-the-server")
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "2")
    place = '[study]\nstorage = "postgresql://me@127.0.0.1:9/recipes"\nartifacts = "shared"'
    copied.write_text(copied.read_text().replace("[study]", place))
    (study,) = WatchedStudies([copied]).look()
    assert study.problems
    assert "s3cret" not in "\n".join(screen(study))

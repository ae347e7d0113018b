"""A new study from another one's trials, where one of them, or both, are in a database."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from studies.night.continuing import fork
from studies.store.backends.database.backend import NOT_WHOLE, DatabaseBackend
from studies.store.opening import open_store
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from tests.studies.machines.servers import DatabaseServer
from tests.studies.night.continuing.test_fork import changed, fork_command, forked
from tests.studies.night.continuing.test_rescore import WEIGHTS


def in_database(study: Path, database: DatabaseServer, name: str) -> Path:
    """Write the file of a study in a database, beside another one's."""
    words = f'storage = "{database.url()}"\nartifacts = "{study.parent / "shared"}"\n'
    text = study.read_text().replace('name = "small"\n', f'name = "{name}"\n{words}')
    assert words in text
    file = study.with_name(f"{name}.toml")
    file.write_text(text)
    return file


def store_of(file: Path) -> StudyStore:
    return open_store(read_study_file(file).storage)


def test_into_a_database_and_out_of_it_on_another_machine(
    copied: Path, database: DatabaseServer, tmp_path: Path
) -> None:
    """There it has what the old study has; a machine that has none of its files judges it anew, as here."""
    shared = in_database(copied, database, "fork-in-and-out")
    done = forked(copied, shared)
    assert (done.kept, done.is_judged_again, done.left) == (13, False, {})
    there = store_of(shared)
    assert there.history() == store_of(copied).history()
    assert all(path.read_bytes() for one in there.trials() for path in there.sheets(one))
    directly = changed(copied, end=WEIGHTS)
    forked(copied, directly)
    expected = [(one.value, one.params) for one in store_of(directly).trials()]
    folder = tmp_path / "elsewhere"
    shutil.copytree(copied.parent, folder, ignore=shutil.ignore_patterns("runs", "shared"))
    text = (folder / shared.name).read_text() + WEIGHTS
    again = folder / "new.toml"
    again.write_text(text.replace("fork-in-and-out", "fork-again"))
    done = forked(folder / shared.name, again)
    assert (done.kept, done.is_judged_again) == (13, True)
    assert [(one.value, one.params) for one in store_of(again).trials()] == expected
    assert "has begun already" in fork_command(copied, shared).output


def test_a_fork_into_a_database_that_fails_leaves_nothing(
    copied: Path, database: DatabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = in_database(copied, database, "fork-fails")
    backend = DatabaseBackend(read_study_file(shared).storage)
    name = f"fork-fails{NOT_WHOLE}"
    StudyStore(backend._spec.folder, name, backend=backend).note("left", "by a process that was killed")

    def names() -> list[str]:
        return [one.study_name for one in backend.storage.get_all_studies() if one.study_name.startswith("fork-fails")]

    def full(*_: object) -> None:
        assert names() == [name]
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(fork, "_take_pictures", full)
        assert "the disk is full" in fork_command(copied, shared).output
    assert names() == []
    assert not backend.exists()
    assert not read_study_file(shared).storage.folder.exists()
    forked(copied, shared)
    assert names() == ["fork-fails"]
    assert store_of(shared).noted("left") is None
    assert len(store_of(shared).trials()) == 13

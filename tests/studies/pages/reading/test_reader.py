"""A study as pages read it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from studies.errors import StudyError
from studies.pages.reading.reader import StudyReader
from studies.store.backends.journal.workers import joined
from studies.store.backends.requests import FolderRequests
from studies.store.judged.outcome import read_outcome
from studies.studyfile.read import read_study_file
from tests.studies.read_only import read_only
from tests.studies.sample_study import write_small_study


def test_a_study_that_was_run(copied: Path) -> None:
    study = StudyReader(copied).read()
    assert study.state == "proved"
    assert study.outcome == read_outcome(study.spec.storage.folder)
    assert [trial.number for trial in study.trials] == list(range(len(study.trials)))
    assert [(one.stage, one.done) for one in study.stages] == [("flat", 12), ("groups", 1)]
    assert all(trial.sheet is not None and trial.candidate is not None for trial in study.trials)
    assert study.scored[0].score == max(trial.score for trial in study.trials if trial.score is not None)


def test_a_study_that_was_never_run(tmp_path: Path) -> None:
    file = write_small_study(tmp_path)
    study = StudyReader(file).read()
    assert study.state == "new"
    assert not study.trials
    assert study.total > 0
    assert not study.spec.storage.folder.exists()


def test_nothing_is_read_again_while_nothing_changed(copied: Path) -> None:
    reader = StudyReader(copied)
    first = reader.read()
    assert reader.read() is first
    os.utime(first.spec.storage.folder / "outcome.json")
    assert reader.read() is not first


def test_a_glance_keeps_no_trials_in_memory_unless_a_page_shows_them(copied: Path) -> None:
    reader, whole = StudyReader(copied), StudyReader(copied).read()
    glance = reader.glance()
    assert (glance.shown_state, glance.ended) == (whole.shown_state, whole.ended) == ("proved", 13)
    assert reader._snapshot is None
    assert reader.glance() is glance, "nothing changed"
    shown = reader.read()
    assert reader.glance() == glance
    assert reader.read() is shown
    FolderRequests(copied.parent / "runs/small").ask("stop")
    assert reader.glance() is not glance


def test_reading_writes_nothing_and_works_where_nothing_can_be_written(copied: Path) -> None:
    folder = read_study_file(copied).storage.folder
    shutil.rmtree(folder / "locks")
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    with read_only(folder):
        assert StudyReader(copied).read().state == "proved"
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_what_a_night_at_work_does(copied: Path) -> None:
    folder = read_study_file(copied).storage.folder
    (folder / "outcome.json").unlink()
    text = copied.read_text()
    copied.write_text(text.replace("groups = 1", "groups = 4"))
    assert StudyReader(copied).read().state == "stopped"
    with joined(folder, lambda: None):
        assert StudyReader(copied).read().state == "searching"
        FolderRequests(folder).ask("pause")
        assert StudyReader(copied).read().state == "paused"
        FolderRequests(folder).ask("stop")
        assert StudyReader(copied).read().state == "stopping"


def test_a_damaged_outcome_is_told_and_the_rest_is_read(copied: Path) -> None:
    folder = read_study_file(copied).storage.folder
    (folder / "outcome.json").write_text("{}")
    study = StudyReader(copied).read()
    assert study.outcome is None
    assert study.trials
    assert "outcome.json" in study.problems[0]


def test_a_study_file_with_mistakes_is_refused(copied: Path) -> None:
    copied.write_text("nonsense = [")
    with pytest.raises(StudyError):
        StudyReader(copied).read()


def test_a_journal_that_was_mended_is_read_anew(copied: Path) -> None:
    reader = StudyReader(copied)
    before = reader.read()
    journal = before.spec.storage.folder / "journal.log"
    lines = journal.read_text().splitlines(keepends=True)
    journal.unlink()
    journal.write_text("".join(lines))
    assert [trial.number for trial in reader.read().trials] == [trial.number for trial in before.trials]

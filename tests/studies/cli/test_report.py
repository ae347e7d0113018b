"""`recipe-search report`, and the report that a night leaves however it ends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from studies.cli.main import main
from studies.cli.nights import night_report
from studies.cli.nights.night_report import report_at_the_end
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import Storage
from tests.studies.sample_study import write_small_study


def changed(storage: Storage) -> None:
    """Let the journal look as after another trial."""
    journal = storage.folder / "journal.log"
    later = journal.stat().st_mtime_ns + 1_000_000_000
    os.utime(journal, ns=(later, later))


def stopped(storage: Storage) -> None:
    """A night that is stopped after a trial."""
    changed(storage)
    raise KeyboardInterrupt


def test_the_command_writes_both_files(copied: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    done = CliRunner().invoke(main, ["report", str(copied.parent), "--out", str(tmp_path / "out"), "--lang", "ja"])
    assert done.exit_code == 0, done.output
    assert "report.html" in done.output
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"report.html", "report.md"}


def test_it_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(night_report, "NEEDED", ("jinja2", "no_such_package"))
    done = CliRunner().invoke(main, ["report", str(write_small_study(tmp_path))])
    assert done.exit_code == 1
    assert "a report needs no_such_package" in done.output
    assert "pip install 'sd-recipe-search[web]'" in done.output


def test_a_night_that_ends_leaves_a_report(copied: Path) -> None:
    storage, said = read_study_file(copied).storage, list[str]()
    with report_at_the_end(storage, "study.toml", said.append):
        changed(storage)
    assert said == [f"report: {storage.folder / 'report.html'}"]
    assert (storage.folder / "report.md").is_file()


def test_a_night_that_is_stopped_leaves_one_too_and_ends_as_it_did(copied: Path) -> None:
    storage, said = read_study_file(copied).storage, list[str]()
    with pytest.raises(KeyboardInterrupt), report_at_the_end(storage, "study.toml", said.append):
        stopped(storage)
    assert said[0].startswith("writing a report")
    assert said[-1].startswith(("report: ", "warning: no report was written (it took more than"))


def test_a_night_that_changed_nothing_leaves_none(copied: Path) -> None:
    storage, said = read_study_file(copied).storage, list[str]()
    with pytest.raises(KeyboardInterrupt), report_at_the_end(storage, "study.toml", said.append):
        raise KeyboardInterrupt
    with report_at_the_end(storage, "study.toml", said.append):
        pass
    assert said == []
    assert not (storage.folder / "report.html").exists()


def test_without_the_extra_a_night_says_how_to_get_one(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(night_report, "NEEDED", ("no_such_package",))
    storage, said = read_study_file(copied).storage, list[str]()
    with report_at_the_end(storage, "my study.toml", said.append):
        changed(storage)
    assert said == [
        "for a report of the night: pip install 'sd-recipe-search[web]', then recipe-search report my study.toml"
    ]


@pytest.mark.parametrize("why", ["no room", "no time"])
def test_a_report_that_cannot_be_written_is_a_warning(copied: Path, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    storage, said = read_study_file(copied).storage, list[str]()
    if why == "no time":
        monkeypatch.setattr(night_report, "LONGEST_S", 0.01)
    else:
        (storage.folder / "report.html").mkdir()
    with report_at_the_end(storage, "study.toml", said.append):
        changed(storage)
    assert len(said) == 1
    assert said[0].startswith("warning: no report was written (")
    assert said[0].endswith("; later: recipe-search report study.toml")


def test_a_deaf_terminal_does_not_change_how_a_night_ends(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deaf(_: str) -> None:
        raise OSError("nobody listens")

    monkeypatch.setattr(night_report, "NEEDED", ("no_such_package",))
    storage = read_study_file(copied).storage
    with pytest.raises(KeyboardInterrupt), report_at_the_end(storage, "study.toml", deaf):
        stopped(storage)

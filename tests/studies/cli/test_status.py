"""`recipe-search status` beside a real night, and on studies that stand in every way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from studies.cli.main import main
from studies.limits.account import NightAccount, keep_account
from studies.status.log_lines import LOG, last_lines
from studies.store.backends.journal.workers import joined
from studies.store.backends.requests import FolderRequests
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from tests.studies.read_only import read_only
from tests.studies.sample_study import write_small_study

COMMAND = [sys.executable, "-m", "studies.cli.main"]


def answered(*arguments: str | Path) -> str:
    done = CliRunner().invoke(main, ["status", *map(str, arguments)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def as_json(*arguments: str | Path) -> list[dict[str, Any]]:
    return json.loads(answered("--json", *arguments))


def until(what: Callable[[], object], seconds: float = 180) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_beside_a_night(tmp_path: Path) -> None:
    study = write_small_study(tmp_path, groups=1)
    folder = read_study_file(study).storage.folder
    assert answered(study).splitlines()[0] == "study small: new, 0 of 21 trials, 0 pictures"
    with subprocess.Popen([*COMMAND, "run", str(study)], stdout=subprocess.DEVNULL) as night:
        try:
            until(lambda: as_json(study)[0]["state"] == "calibrating")
            (worker,) = as_json(study)[0]["workers"]
            assert worker["process"] == night.pid
            until(lambda: as_json(study)[0]["trials"]["done"] >= 2)
            FolderRequests(folder).ask("pause")
            until(lambda: not as_json(study)[0]["workers"][0]["trial"] and "paused as asked" in answered(study))
            (found,) = as_json(study)
            text = answered(study)
            assert found["state"] == "paused"
            assert f"study small: paused, {found['trials']['done']} of 21 trials" in text
            assert "pause asked" in text
            assert f"worker {night.pid} on " in text
            assert found["done_at"] >= found["last_end"]
            assert found["best"]["score"] == max(one.value or -9 for one in StudyStore(folder, "small").trials())
            assert found["pictures"] == 4 * found["trials"]["done"]
        finally:
            night.send_signal(signal.SIGKILL)
    (found,) = as_json(study)
    assert (found["state"], found["workers"], found["done_at"]) == ("stopped", [], None)


def test_a_night_with_a_deadline_is_done_with_what_it_plans(copied: Path) -> None:
    folder, until_ = copied.parent / "runs/small", time.time() + 3600
    whole, tonight = {"flat": 12, "groups": 1, "blocks": 40}, {"flat": 12, "groups": 1, "blocks": 2}
    account = NightAccount(began=time.time(), first=13, until=until_, whole=whole, planned=tonight)  # pyright: ignore[reportArgumentType] - some stages
    keep_account(StudyStore(folder, "small"), account)
    assert as_json(copied)[0]["deadline"] is None, "no night is at work"
    with joined(folder, lambda: None) as worker:
        (found,) = as_json(copied)
        assert found["trials"] == {"done": 13, "planned": 53}
        assert datetime.fromisoformat(found["deadline"]).timestamp() == pytest.approx(until_, abs=1.5)
        last, done = (datetime.fromisoformat(found[key]) for key in ("last_end", "done_at"))
        assert (done - last).total_seconds() == pytest.approx(2 * found["seconds_per_trial"], abs=1.5)
        text = answered(copied)
        assert "deadline: " in text
        assert f"worker {os.getpid()} on " in text
        assert found["workers"][0]["name"] == worker.name
        assert found["state"] == "searching"


def test_every_line_of_a_nights_log_is_json_with_level_and_time(copied: Path) -> None:
    copied.write_text(copied.read_text().replace("blocks = 0", "blocks = 1"))
    done = subprocess.run([*COMMAND, "run", str(copied)], capture_output=True, text=True, check=True)
    folder = copied.parent / "runs/small"
    lines = [json.loads(line) for line in (folder / LOG).read_bytes().splitlines()]
    assert all({"time", "level", "message", "study", "process"} <= line.keys() for line in lines)
    (scored,) = [line for line in lines if line.get("event") == "trial scored"]
    trial = StudyStore(folder, "small").trials()[-1]
    assert (scored["trial"], scored["score"]) == (trial.number, trial.value)
    assert scored["worker"] == trial.user_attrs["worker"]
    messages = {line["message"] for line in lines}
    printed = [line for line in done.stdout.splitlines() if line.startswith(("noise:", "contact sheet", "report:"))]
    assert len(printed) == 3
    assert set(printed) <= messages
    assert "last messages:" in answered(copied)


def test_a_night_that_fails_says_so_in_its_log(copied: Path) -> None:
    copied.write_text(copied.read_text().replace("seeds = [1, 2]", "seeds = [1, 5]"))
    done = subprocess.run([*COMMAND, "run", str(copied)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    lines = last_lines(copied.parent / "runs/small", 99)
    assert [line.level for line in lines if line.facts.get("event") == "failed"] == ["error"]


def test_nothing_is_written_and_a_folder_that_can_only_be_read_is_enough(copied: Path) -> None:
    def state() -> dict[Path, tuple[int, int]]:
        return {path: (path.stat().st_mtime_ns, path.stat().st_size) for path in copied.parent.rglob("*")}

    before = state()
    whole = answered(copied)
    assert state() == before
    with read_only(copied.parent):
        assert answered(copied) == whole
    assert whole.startswith("study small: proved, 13 of 13 trials, 52 pictures")


def test_a_folder_of_studies_is_a_line_each(copied: Path, tmp_path: Path) -> None:
    for name, text in (("new", copied.read_text()), ("wrong", "[models]\n[study]\nname = 3\n"), ("torn", "[models\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "study.toml").write_text(text.replace('name = "small"', f'name = "{name}"'))
    (tmp_path / "torn/study.toml").write_text("[models]\n[study]\nname =\n")
    lines = answered(tmp_path).splitlines()
    assert [line.split()[:3] for line in lines[:5]] == [
        ["study", "state", "trials"],
        ["small", "proved", "13/13"],
        ["new", "new", "0/13"],
        ["torn", "unreadable", "0/0"],
        ["wrong", "unreadable", "0/0"],
    ]
    assert len(lines) == 7
    assert lines[5].startswith("warning: torn: ")
    assert "[study] has no name" in lines[6]
    assert [one["study"] for one in as_json(tmp_path)] == ["small", "new", "torn", "wrong"]


def test_studies_of_one_name_are_told_apart_by_their_files(copied: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "study.toml").write_text(copied.read_text().replace('name = "small"', 'name = "twin"'))
    (tmp_path / "zlink").symlink_to(tmp_path / "one")
    (tmp_path / "two/loop").symlink_to(tmp_path)
    lines = answered(tmp_path).splitlines()
    assert [line.partition("  ")[0] for line in lines[1:]] == [
        "small",
        "twin (one/study.toml)",
        "twin (two/study.toml)",
    ]


def test_a_damaged_journal_is_told_and_the_rest_is_shown(copied: Path) -> None:
    with (copied.parent / "runs/small/journal.log").open("ab") as file:
        file.write(b'{"op_code":6,"worker_id":"x"}\n')
    text = answered(copied)
    assert "13 of 13 trials" in text
    assert f"warning: 1 damaged line in the journal: recipe-search run {copied} --repair mends it" in text


def test_mistakes_in_the_command(copied: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    runner = CliRunner()
    assert "no study file was found" in runner.invoke(main, ["status", str(tmp_path / "empty")]).output
    assert "does not exist" in runner.invoke(main, ["status", str(tmp_path / "gone")]).output
    both = runner.invoke(main, ["status", str(copied), str(tmp_path / "empty"), "--follow", "--json"])
    assert "not both" in both.output


def test_following_shows_lines_as_they_come(copied: Path) -> None:
    log = copied.parent / "runs/small" / LOG
    log.write_text("")
    command = [*COMMAND, "status", str(copied), "--follow"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as follower:
        assert follower.stdout is not None
        time.sleep(1)
        with log.open("a") as file:
            file.write('{"time": "2026-11-29T22:00:00+00:00", "level": "info", "message": "hello", "process": 3}\n')
        assert follower.stdout.readline().endswith(" info 3: hello\n")
        follower.send_signal(signal.SIGINT)
        assert follower.wait(30) == 130


@pytest.fixture(autouse=True)
def _ctrl_c() -> object:
    """Ctrl+C as in a terminal: what a shell starts in the background ignores it, and so do its children."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)

"""A study that cannot be written (no right to, or a medium that can only be read) is looked at all the same."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from studies.cli.main import main
from studies.store.backends.journal.workers import at_work, joined
from studies.store.backends.locks import file_lock, is_held, lock_file
from studies.store.opening import open_store
from studies.studyfile.read import read_study_file
from tests.studies.read_only import read_only


def called(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def pinned(copied: Path) -> Path:
    assert called("approve", copied, "--note", "the first").exit_code == 0
    return copied


def test_it_is_shown_and_written_to_other_folders(pinned: Path, tmp_path: Path) -> None:
    writable = called("show", pinned).output
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with read_only(pinned.parent):
        shown = called("show", pinned)
        assert (shown.exit_code, shown.output) == (0, writable)
        assert "pin 1: finalist 1" in shown.output
        assert called("show", pinned, "--csv", elsewhere / "trials.csv").exit_code == 0
        exported = called("export", pinned, "--out", elsewhere / "new.safetensors")
        assert exported.exit_code == 0, exported.output
    assert sorted(path.name for path in elsewhere.iterdir()) == ["new.safetensors", "new.supermerger.txt", "trials.csv"]


def test_a_torn_last_record_is_read_over(copied: Path) -> None:
    spec = read_study_file(copied)
    whole = open_store(spec.storage).trials()
    with (spec.storage.folder / "journal.log").open("ab") as journal:
        journal.write(b'{"op_code": 5, "trial')
    with read_only(copied.parent):
        assert open_store(spec.storage).trials() == whole


def test_check_says_that_it_cannot_go_on_there(copied: Path) -> None:
    with read_only(copied.parent):
        checked = called("check", copied)
    assert checked.exit_code == 1
    folder = copied.parent / "runs" / "small"
    assert f"error: {folder}: cannot be written (Permission denied); set [study] folder" in checked.output
    assert "note: time: " in checked.output


@pytest.mark.parametrize(
    ("command", "place"),
    [
        (["approve", "--note", "x"], "runs/small"),
        (["export"], "runs/small/exports"),
        (["rescore"], "runs/small"),
        (["pick"], "runs/small/picks"),
        (["run", "--checked"], "runs/small"),
    ],
)
def test_what_must_write_says_so_in_one_sentence(pinned: Path, command: list[str], place: str) -> None:
    with read_only(pinned.parent):
        refused = called(command[0], pinned, *command[1:])
    assert refused.exit_code == 1
    last = refused.output.splitlines()[-1]
    assert last.startswith(f"Error: {pinned.parent / place}")
    assert "cannot be written (Permission denied)" in last
    assert ".part" not in last


def test_the_workers_of_another_user_are_seen(tmp_path: Path) -> None:
    come, go = threading.Event(), threading.Event()

    def work() -> None:
        with joined(tmp_path, lambda: None):
            come.set()
            go.wait(60)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert come.wait(60)
        with read_only(tmp_path):
            assert len(at_work(tmp_path)) == 1
    finally:
        go.set()
        thread.join()
    free = file_lock(lock_file(tmp_path, "worker-1-x"))
    free.acquire()
    free.release()
    lock_file(tmp_path, "worker-1-x").touch()
    with read_only(tmp_path):
        assert not is_held(lock_file(tmp_path, "worker-1-x"))
        assert at_work(tmp_path) == frozenset()


MOUNT = 'mount --bind "$1" "$1" && mount -o remount,ro,bind "$1" && shift && exec "$@"'


@pytest.mark.skipif(not shutil.which("unshare") or not hasattr(os, "geteuid") or os.geteuid() != 0, reason="needs root")
def test_a_medium_that_can_only_be_read(pinned: Path) -> None:
    inside = ["unshare", "-m", "sh", "-c", MOUNT, "sh", str(pinned.parent)]
    if subprocess.run([*inside, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this system mounts nothing for tests")
    ours = [sys.executable, "-m", "studies.cli.main"]
    shown = subprocess.run([*inside, *ours, "show", str(pinned)], check=False, capture_output=True, text=True)
    assert shown.returncode == 0, shown.stderr
    assert "pin 1: finalist 1" in shown.stdout
    approve = [*ours, "approve", str(pinned), "--note", "x"]
    refused = subprocess.run([*inside, *approve], check=False, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "cannot be written (Read-only file system)" in refused.stderr
    assert refused.stderr.count("\n") == 1

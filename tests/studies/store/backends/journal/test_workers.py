"""Who is at a study: locks that live and die with their processes."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from studies.errors import StudyError
from studies.store.backends.journal.workers import alone, at_work, joined
from studies.store.backends.locks import held

JOIN = """
import sys; from pathlib import Path; from studies.store.backends.journal.workers import joined
with joined(Path(sys.argv[1]), lambda: print("waiting", flush=True)) as worker:
    print(worker.name, flush=True)
    sys.stdin.read()
"""
ALONE = """
import sys; from pathlib import Path; from studies.store.backends.journal.workers import alone
with alone(Path(sys.argv[1])):
    print("alone", flush=True)
    sys.stdin.read()
"""


@contextmanager
def process(code: str, folder: Path) -> Generator[tuple[subprocess.Popen[str], str]]:
    """Another process that does this until its input ends, and the first line that it says."""
    command = [sys.executable, "-c", code, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        yield other, other.stdout.readline().strip()
        other.communicate()


def nothing() -> None:
    raise AssertionError("nobody has the study for itself")


def test_a_worker_is_at_work_until_its_process_ends_however_it_ends(tmp_path: Path) -> None:
    with process(JOIN, tmp_path) as (killed, one), process(JOIN, tmp_path) as (_, two):
        assert at_work(tmp_path) == {one, two}
        assert one.startswith(f"{killed.pid}-")
        killed.send_signal(signal.SIGSTOP)
        time.sleep(0.1)
        assert at_work(tmp_path) == {one, two}  # stalled is not dead, however long it lasts
        killed.kill()
        killed.wait()
        assert at_work(tmp_path) == {two}
        with joined(tmp_path, nothing) as worker:
            assert worker.others() == {two}
            assert at_work(tmp_path) == {two, worker.name}
    assert at_work(tmp_path) == frozenset()


def test_the_first_worker_mends_the_journal_and_clears_up_after_dead_ones(tmp_path: Path) -> None:
    with process(JOIN, tmp_path) as (killed, one):
        killed.kill()
    torn = b'{}\n{"torn'
    (tmp_path / "journal.log").write_bytes(torn)
    with process(JOIN, tmp_path) as (_, two):
        assert (tmp_path / "journal.log").read_bytes() == b"{}\n"
        assert [path.name for path in (tmp_path / "locks").glob("worker-*")] == [f"worker-{two}.lock"]
        assert one != two
        (tmp_path / "journal.log").write_bytes(torn)  # a record that the other one is just writing
        with joined(tmp_path, nothing):
            assert (tmp_path / "journal.log").read_bytes() == torn


def test_a_study_is_had_alone_only_when_no_worker_is_at_it(tmp_path: Path) -> None:
    with process(JOIN, tmp_path) as (_, one):
        assert one
        with pytest.raises(StudyError, match="another `recipe-search run` is working on this study"), alone(tmp_path):
            pass
        with (
            joined(tmp_path, nothing),
            pytest.raises(StudyError, match="2 `recipe-search run` are working on"),
            alone(tmp_path),
        ):
            pass
    with alone(tmp_path):
        pass


def test_a_worker_waits_for_a_command_that_has_the_study_alone_and_says_so(tmp_path: Path) -> None:
    with process(ALONE, tmp_path) as (rescoring, word):
        assert word == "alone"
        with pytest.raises(StudyError, match="another `recipe-search` command is working on"), alone(tmp_path):
            pass
        with process(JOIN, tmp_path) as (worker, first):
            assert first == "waiting"
            assert at_work(tmp_path) == frozenset()
            rescoring.communicate("")
            assert worker.stdout is not None
            assert worker.stdout.readline().startswith(f"{worker.pid}-")


def test_turns_are_taken_one_at_a_time(tmp_path: Path) -> None:
    code = """
import os, sys, time; from pathlib import Path; from studies.store.backends.journal.workers import joined
folder = Path(sys.argv[1])
with joined(folder, lambda: None) as worker:
    print("in", flush=True)
    sys.stdin.readline()
    for _ in range(40):
        with worker.turn():
            os.close(os.open(folder / "inside", os.O_CREAT | os.O_EXCL))
            time.sleep(0.002)
            (folder / "inside").unlink()
"""
    with process(code, tmp_path) as (one, _), process(code, tmp_path) as (two, _):
        for worker in (one, two):
            assert worker.stdin is not None
            worker.stdin.write("go\n")
            worker.stdin.flush()
        assert (one.wait(), two.wait()) == (0, 0)


def test_a_lock_that_is_taken_is_said_once_and_waited_for(tmp_path: Path) -> None:
    said: list[str] = []
    with process(ALONE, tmp_path) as (other, _):

        def busy() -> None:
            said.append("busy")
            other.communicate("")

        with held(tmp_path, "night", busy=busy):
            assert said == ["busy"]
    with held(tmp_path, "night", busy=nothing):
        pass
    assert [path.name for path in (tmp_path / "locks").iterdir()] == ["night.lock"]

"""The journal: torn records, full disks, writers that are killed."""

from __future__ import annotations

import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest
from optuna.distributions import FloatDistribution

from search.suggester import Proposal
from studies.store.journal import repair
from studies.store.storage import StudyStore

DISTRIBUTIONS = {"IN00": FloatDistribution(0, 1), "OUT11": FloatDistribution(0, 1)}
POINT = {"IN00": 0.25, "OUT11": 0.5}


def proposal() -> Proposal:
    return Proposal(stage="flat", point=POINT)


def test_a_torn_tail_is_cut_and_the_study_goes_on(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, "one")
    store.study.tell(store.begin(proposal(), DISTRIBUTIONS), 1.0)
    journal = tmp_path / "journal.log"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code": 8, "worker_id": "x", "tri')
    assert repair(journal) == 37
    assert journal.read_bytes() == whole
    again = StudyStore(tmp_path, "one")
    again.study.tell(again.begin(proposal(), DISTRIBUTIONS), 2.0)
    assert [one.value for one in StudyStore(tmp_path, "one").history()] == [1.0, 2.0]


def test_a_record_glued_to_a_torn_one_goes_with_it_and_the_rest_stays(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, "one")
    store.study.tell(store.begin(proposal(), DISTRIBUTIONS), 1.0)
    journal = tmp_path / "journal.log"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([*lines, lines[-1][:20], lines[1], lines[-1]]))
    assert repair(journal) == 20 + len(lines[1])
    assert [one.value for one in StudyStore(tmp_path, "one").history()] == [1.0]


def test_a_whole_journal_is_left_alone(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    assert repair(journal) == 0
    journal.write_bytes(b"{}\n")
    assert repair(journal) == 0
    assert journal.read_bytes() == b"{}\n"


def test_a_record_that_found_the_disk_full_is_cut_off_by_the_next_writer_and_read_over(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, "one")
    trial = store.begin(proposal(), DISTRIBUTIONS)
    size = (tmp_path / "journal.log").stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 50, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            trial.set_user_attr("words", "a" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "journal.log").read_bytes().endswith(b"\n")
    other = StudyStore(tmp_path, "one")
    other.study.tell(other.begin(proposal(), DISTRIBUTIONS), 2.0)
    assert (tmp_path / "journal.log").read_bytes().endswith(b"\n")
    store.study.tell(trial, 1.0)
    assert [one.value for one in StudyStore(tmp_path, "one").history()] == [1.0, 2.0]


def test_a_killed_writer_leaves_no_lock_behind(tmp_path: Path) -> None:
    StudyStore(tmp_path, "one")
    code = (
        "import os, sys; from pathlib import Path; from studies.store.journal import JournalLock\n"
        "JournalLock(Path(sys.argv[1])).acquire(); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "journal.log")], check=False)
    assert done.returncode == -9
    began = time.monotonic()
    StudyStore(tmp_path, "one").note("key", 1)
    assert time.monotonic() - began < 5

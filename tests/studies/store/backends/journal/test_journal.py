"""The journal: torn records, full disks, writers that are killed."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import Trial

from search.suggester import Proposal
from studies.errors import StudyError
from studies.store.backends.journal.journal import cut_torn_record, repair
from studies.store.backends.journal.journal_records import read_journal, sound_records
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
    cut_torn_record(journal)
    assert journal.read_bytes() == whole
    again = StudyStore(tmp_path, "one")
    again.study.tell(again.begin(proposal(), DISTRIBUTIONS), 2.0)
    assert [one.value for one in StudyStore(tmp_path, "one").history()] == [1.0, 2.0]


def test_a_whole_journal_is_left_alone(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    StudyStore(tmp_path, "one")
    before = journal.read_bytes()
    cut_torn_record(journal)
    assert repair(tmp_path, "one") == f"{journal}: nothing is damaged"
    assert [path.name for path in tmp_path.glob("journal*")] == ["journal.log"]
    assert journal.read_bytes() == before


def finish(store: StudyStore, value: float) -> None:
    """A trial with the attributes that one of a night has."""
    trial = store.begin(proposal(), DISTRIBUTIONS, f"worker {value}")
    attributes = {"recipe": "format = 1", "recipe_key": "ab", "standard_error": 0.1, "scores": {}, "remarks": []}
    for name, fact in attributes.items():
        trial.set_user_attr(name, fact)
    store.study.tell(trial, value)


def values(folder: Path) -> list[tuple[int, float | None]]:
    """Number and value of the trials that count as tried."""
    return [(trial.number, trial.value) for trial in StudyStore(folder, "one").trials()]


@pytest.fixture(scope="module")
def five(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    """The journal of a study with five trials, seven lines each, after that of the study itself and of a note."""
    folder = tmp_path_factory.mktemp("five")
    store = StudyStore(folder, "one")
    store.note("whole", True)
    for number in range(5):
        finish(store, float(number))
    lines = (folder / "journal.log").read_bytes().splitlines()
    assert len(lines) == 2 + 5 * 7
    return lines


GARBAGE = [
    b"",
    b"{}",
    b"null",
    b"[]",
    b"5",
    b"\xff\xfe",
    b'{"op_code":8}',
    b"[" * 100_000,
    b'{"op_code":99,"worker_id":"x"}',
]


EVERY = [(line, GARBAGE[line % len(GARBAGE)]) for line in range(37)] + [(20, text) for text in GARBAGE]


@pytest.mark.parametrize(("line", "text"), EVERY, ids=lambda value: str(value)[:12])
def test_one_damaged_line_loses_one_trial_at_most_and_all_others_keep_their_numbers(
    five: list[bytes], tmp_path: Path, line: int, text: bytes
) -> None:
    journal = tmp_path / "journal.log"
    damaged = b"\n".join([*five[:line], text, *five[line + 1 :]]) + b"\n"
    journal.write_bytes(damaged)
    with pytest.raises(StudyError, match="1 line of the journal cannot be read") as caught:
        StudyStore(tmp_path, "one")
    assert "`recipe-search run --repair`" in str(caught.value)
    assert journal.read_bytes() == damaged
    report = repair(tmp_path, "one")
    assert (tmp_path / "journal.damaged-1.log").read_bytes() == damaged
    own = (line - 2) // 7 if line >= 2 else None
    kept = [(number, float(number)) for number in range(5) if number != own]
    assert values(tmp_path) == kept
    assert f"{len(kept)} finished trials kept, {5 - len(kept)} trial" in report
    finish(StudyStore(tmp_path, "one"), 9.0)
    assert values(tmp_path)[-1] == (5, 9.0)


def mutated(journal: bytes, draw: random.Random) -> bytes:
    """A journal with some bytes lost, repeated, zeroed or replaced."""
    place, other, length = draw.randrange(len(journal)), draw.randrange(len(journal)), draw.choice((1, 2, 30, 400))
    middle = (b"", journal[other : other + length], bytes(length), draw.choice((b"3", b'"', b"}", b"\n", b"null")))
    return journal[:place] + draw.choice(middle) + journal[place + length :]


def test_the_quick_check_finds_damage_wherever_the_whole_reading_does(five: list[bytes], tmp_path: Path) -> None:
    journal, whole, draw = tmp_path / "journal.log", b"\n".join(five) + b"\n", random.Random(5)
    journals = [b"", whole, whole[:-1], *(mutated(whole, draw) for _ in range(400))]
    damaged = 0
    for text in journals:
        journal.write_bytes(text)
        content = read_journal(journal)
        assert sound_records(journal) == (None if content.damaged else len(content.entries)), text
        damaged += bool(content.damaged)
    assert 100 < damaged < 400


def test_what_several_damaged_lines_leave_is_kept(five: list[bytes], tmp_path: Path) -> None:
    """The study's own record, the beginnings of trials 1 and 3, and all of trial 4."""
    damaged = {0, 9, 23, *range(30, 37)}
    (tmp_path / "journal.log").write_bytes(b"".join(b"?\n" if n in damaged else x + b"\n" for n, x in enumerate(five)))
    report = repair(tmp_path, "one")
    assert "2 finished trials kept, 2 trials lost" in report
    assert values(tmp_path) == [(0, 0.0), (2, 2.0)]


def test_a_whole_record_that_hangs_on_a_torn_one_is_read(five: list[bytes], tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    glued = [*five[:15], five[15][:30] + five[16], *five[17:]]  # half of trial 1's end, then the beginning of trial 2
    journal.write_bytes(b"\n".join(glued) + b"\n")
    repair(tmp_path, "one")
    assert values(tmp_path) == [(0, 0.0), (2, 2.0), (3, 3.0), (4, 4.0)]


@pytest.mark.parametrize("text", [b"", None, b"\0" * 50, b'{"op_code":0,"wor'], ids=["empty", "gone", "nulls", "torn"])
def test_an_empty_journal_of_a_study_that_was_run_begins_nothing_anew(tmp_path: Path, text: bytes | None) -> None:
    StudyStore(tmp_path, "one")
    (tmp_path / "outcome.json").write_text("the old finalists")
    journal = tmp_path / "journal.log"
    journal.unlink()
    if text is not None:
        journal.write_bytes(text)
    cut_torn_record(journal)
    with pytest.raises(StudyError, match=r"is (empty|gone), but outcome\.json says"):
        StudyStore(tmp_path, "one")
    report = repair(tmp_path, "one")
    assert "the outcome before is now outcome.damaged-1.json" in report
    assert values(tmp_path) == []
    assert (tmp_path / "outcome.damaged-1.json").read_text() == "the old finalists"


def test_a_folder_of_another_study_is_refused(tmp_path: Path) -> None:
    StudyStore(tmp_path, "one")
    with pytest.raises(StudyError, match='this folder holds the study "one", and this one is called "two"'):
        StudyStore(tmp_path, "two")


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


def half_recorded(store: StudyStore, trial: Trial, ended: Trial) -> None:
    with store.one_write():
        trial.set_user_attr("standard_error", 0.5)
        store.study.tell(ended, 3.0)


def test_records_of_one_write_come_together_or_not_at_all(tmp_path: Path) -> None:
    store, journal = StudyStore(tmp_path, "one"), tmp_path / "journal.log"
    first, second = (store.begin(proposal(), DISTRIBUTIONS) for _ in range(2))
    before = journal.read_bytes()
    with store.one_write():
        first.set_user_attr("standard_error", 0.5)
        with store.one_write():
            store.study.tell(first, 1.0)
        assert journal.read_bytes() == before
        beside = Thread(target=store.study.tell, args=(second, 2.0))  # another thread's records do not wait
        beside.start()
        beside.join()
        assert journal.read_bytes().count(b"\n") == before.count(b"\n") + 1
    assert journal.read_bytes().count(b"\n") == before.count(b"\n") + 3
    assert [(one.value, one.standard_error) for one in store.history()] == [(1.0, 0.5), (2.0, None)]
    third, before = store.begin(proposal(), DISTRIBUTIONS), journal.read_bytes()
    with pytest.raises(ValueError, match="Cannot tell a COMPLETE trial"):
        half_recorded(store, third, first)
    assert journal.read_bytes() == before
    assert [one.value for one in StudyStore(tmp_path, "one").history()] == [1.0, 2.0, None]


def test_of_one_write_that_found_the_disk_full_a_beginning_is_kept(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, "one")
    trial = store.begin(proposal(), DISTRIBUTIONS)
    size = (tmp_path / "journal.log").stat().st_size
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 350, limits[1]))

    def record() -> None:
        with store.one_write():
            for number in range(5):
                trial.set_user_attr(f"words {number}", "a" * 50)
            store.study.tell(trial, 1.0)

    try:
        with pytest.raises(OSError, match="File too large"):
            record()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    (kept,) = StudyStore(tmp_path, "one").in_work()
    assert [key for key in kept.user_attrs if key.startswith("words")] == ["words 0", "words 1"]
    store.study.tell(trial, 2.0)
    assert [one.value for one in StudyStore(tmp_path, "one").history()] == [2.0]


def test_a_killed_writer_leaves_no_lock_behind(tmp_path: Path) -> None:
    StudyStore(tmp_path, "one")
    code = (
        "import os, sys; from pathlib import Path; from studies.store.backends.journal.journal import JournalLock\n"
        "JournalLock(Path(sys.argv[1])).acquire(); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "journal.log")], check=False)
    assert done.returncode == -9
    began = time.monotonic()
    StudyStore(tmp_path, "one").note("key", 1)
    assert time.monotonic() - began < 5


def test_a_journal_that_lost_its_beginning_is_damaged_and_mended(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    store = StudyStore(tmp_path, "one")
    for _ in range(2):
        trial = store.begin(Proposal(stage="flat", point={}, slots=()), {})
        store.study.tell(trial, 1.0)
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[1:]))
    with pytest.raises(StudyError, match=r"1 line of the journal cannot be read \(line 1\); 2 finished trials can"):
        StudyStore(tmp_path, "one")
    repair(tmp_path, "one")
    assert len(StudyStore(tmp_path, "one").study.trials) == 2


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_journal_is_not_waited_for(tmp_path: Path, kind: str) -> None:
    journal = tmp_path / "journal.log"
    journal.mkdir() if kind == "folder" else os.mkfifo(journal)
    with pytest.raises(StudyError, match=rf"journal\.log: is a {kind}, not a file"):
        StudyStore(tmp_path, "one")

"""File systems without locks, and machines that do not see each other's: refused, and nobody is taken for dead."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from studies.store.backends.journal.journal import JournalLock
from studies.store.backends.journal.workers import ElsewhereError, alone, at_work, joined
from studies.store.backends.locks import Machine, NoLocksError, held, is_held, lock_file, this_machine
from studies.store.opening import open_store
from studies.store.storage import StudyStore
from studies.studyfile.spec import Storage

WITHOUT = ["ENOSYS", "ENOLCK", "EOPNOTSUPP"]
"""What file systems without locks answer."""
HERE = Machine(boot="11111111", card="22222222", host="here")
THERE = Machine(boot="33333333", card="44444444", host="there")
WORK = """
import sys; from pathlib import Path
import studies.store.backends.locks as locks, studies.store.backends.journal.workers as workers
there = locks.Machine(boot="33333333", card="44444444", host="there")
locks.this_machine = workers.this_machine = lambda: there
with workers.joined(Path(sys.argv[1]), lambda: None) as worker:
    print(worker.name, flush=True)
    sys.stdin.read()
"""


def nobody() -> None:
    raise AssertionError("nobody has the study for itself")


def failing(number: int) -> object:
    def flock(_fd: int, _operation: int) -> None:
        raise OSError(number, os.strerror(number))

    return flock


@pytest.fixture(params=WITHOUT)
def no_locks(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system without locks."""
    monkeypatch.setattr(fcntl, "flock", failing(getattr(errno, request.param)))


@pytest.mark.usefixtures("no_locks")
def test_a_file_system_without_locks_is_refused_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "journal.log").touch()
    words = "has no locks, so nobody could tell who works on the study; put .study. folder on a local disk"
    with pytest.raises(NoLocksError, match=words), joined(tmp_path, nobody):
        pass
    with pytest.raises(NoLocksError, match=words), alone(tmp_path):
        pass
    with pytest.raises(NoLocksError, match=words), held(tmp_path, "turn"):
        pass
    with pytest.raises(NoLocksError, match=words):
        JournalLock(tmp_path / "journal.log").acquire()


@pytest.mark.parametrize("kind", WITHOUT)
def test_a_living_worker_is_never_taken_for_a_dead_one(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with joined(tmp_path, nobody) as worker:
        monkeypatch.setattr(fcntl, "flock", failing(getattr(errno, kind)))
        assert at_work(tmp_path) == {worker.name}
        assert lock_file(tmp_path, f"worker-{worker.name}").exists()
        monkeypatch.undo()
    assert at_work(tmp_path) == frozenset()


@pytest.mark.parametrize("kind", WITHOUT)
def test_a_study_is_still_read_where_there_are_no_locks(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    StudyStore(tmp_path, "one").note("whole", True)
    monkeypatch.setattr(fcntl, "flock", failing(getattr(errno, kind)))
    assert open_store(Storage(file=tmp_path / "study.toml", name="one", folder=tmp_path)).noted("whole") is True


def test_a_machine_knows_itself_after_a_restart_and_in_a_container() -> None:
    here = this_machine()
    assert Machine.parse(str(here)) == here
    assert here.is_same_as(here)
    assert HERE.is_same_as(Machine(boot="99999999", card=HERE.card, host="here"))
    assert HERE.is_same_as(Machine(boot=HERE.boot, card="99999999", host="container"))
    assert not HERE.is_same_as(THERE)
    assert not Machine(boot="", card="1" * 8, host="a").is_same_as(Machine(boot="", card="2" * 8, host="a"))
    assert Machine.parse("402-817e") is None


def local_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks that hold on one machine only, as those of NFS and SMB may: here nobody seems to have one."""
    monkeypatch.setattr(fcntl, "flock", lambda _fd, _operation: None)


def test_a_second_machine_is_refused_whatever_its_locks_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-c", WORK, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        name = other.stdout.readline().strip()
        assert name.endswith("33333333-44444444-there")
        local_only(monkeypatch)
        assert at_work(tmp_path) == {name}
        for come in (lambda: joined(tmp_path, nobody), lambda: alone(tmp_path)):
            with pytest.raises(ElsewhereError, match="the machine there works on this study too, or did when"), come():
                pass
        assert [path.name for path in (tmp_path / "locks").glob("worker-*")] == [f"worker-{name}.lock"]
        other.communicate("")
    assert at_work(tmp_path) == frozenset()
    with joined(tmp_path, nobody):
        pass


def test_a_worker_notices_a_second_machine_in_its_next_turn(tmp_path: Path) -> None:
    with joined(tmp_path, nobody) as worker:
        with worker.turn():
            pass
        lock_file(tmp_path, f"alone-1-ab-{THERE}").touch()
        with pytest.raises(ElsewhereError, match=r"delete .*alone-1-ab-33333333-44444444-there\.lock"), worker.turn():
            pass


def test_what_a_killed_process_of_this_machine_left_is_cleared_up(tmp_path: Path) -> None:
    for name in (f"worker-1-ab-{this_machine()}", "worker-402-817e", f"alone-1-ab-{this_machine()}"):
        lock_file(tmp_path, name).parent.mkdir(exist_ok=True)
        lock_file(tmp_path, name).touch()
    with joined(tmp_path, nobody) as worker:
        names = sorted(path.name for path in (tmp_path / "locks").iterdir())
        assert names == ["night.lock", f"worker-{worker.name}.lock"]
        assert is_held(lock_file(tmp_path, f"worker-{worker.name}"))

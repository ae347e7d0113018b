"""What a study's database does when servers, workers and networks fail, with a real PostgreSQL server."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState
from sqlalchemy import event
from sqlalchemy.engine import Engine

from search.suggester import Proposal
from studies.errors import StudyError
from studies.night.claims import Claims
from studies.store.backends.backend import OutageError, TurnLostError
from studies.store.backends.database import backend as database_backend
from studies.store.backends.database import patience
from studies.store.backends.database.backend import DatabaseBackend
from studies.store.backends.of_study import backend_of
from studies.store.storage import LOST, StudyStore
from studies.studyfile.spec import Storage
from tests.studies.machines.servers import PASSWORD, DatabaseServer, Network

KNOBS = {f"k{number:02d}": FloatDistribution(0, 1) for number in range(45)}


WITHOUT = """
import sys; from pathlib import Path
sys.modules[sys.argv[1]] = None
from studies.store.backends.of_study import backend_of; from studies.studyfile.spec import Storage
folder = Path(sys.argv[2])
try:
    spec = Storage(file=folder / "s", name="x", folder=folder, url=sys.argv[3], artifacts=sys.argv[4])
    backend_of(spec).refuse_unusable()
except Exception as error:
    print(type(error).__name__, error)
"""


@pytest.fixture
def storage(database: DatabaseServer, tmp_path: Path) -> Storage:
    folder = tmp_path / "runs"
    folder.mkdir()
    place = str(tmp_path / "artifacts")
    return Storage(file=tmp_path / "study.toml", name=tmp_path.name, folder=folder, url=database.url(), artifacts=place)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Heartbeats of a second."""
    monkeypatch.setattr(database_backend, "BEAT_S", 1)
    monkeypatch.setattr(database_backend, "GRACE_S", 2)


def opened(storage: Storage) -> tuple[DatabaseBackend, StudyStore]:
    backend = backend_of(storage)
    assert isinstance(backend, DatabaseBackend)
    return backend, StudyStore(storage.folder, storage.name, backend=backend)


def proposal(number: int) -> Proposal:
    point = {name: (number + place) % 97 / 97 for place, name in enumerate(KNOBS)}
    return Proposal(stage="groups", point=point, label="", slots=())


def nobody() -> None:
    raise AssertionError("nobody has it")


def until(what: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def test_opening_a_trial_is_cheap(storage: Storage) -> None:
    statements: list[str] = []

    def count(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    backend, store = opened(storage)
    with backend.joined(nobody) as worker:
        store.begin(proposal(0), KNOBS, worker.name)
        event.listen(Engine, "before_cursor_execute", count)
        try:
            started = time.thread_time()
            for number in range(1, 21):
                store.begin(proposal(number), KNOBS, worker.name)
            seconds = (time.thread_time() - started) / 20
        finally:
            event.remove(Engine, "before_cursor_execute", count)
    assert len(statements) <= 20 * 20
    assert seconds < 0.060  # 0.009 where nothing else runs


def test_a_server_that_is_started_again_loses_nothing(storage: Storage, database: DatabaseServer) -> None:
    backend, store = opened(storage)
    with backend.joined(nobody) as worker, backend.held("proof"):
        trial = store.begin(proposal(1), KNOBS, worker.name)
        database.restart(how="immediate")
        with store.one_write():
            trial.set_user_attr("recipe", "A")
            store.complete(trial, 1.5)
        backend._locks.keep()
        other, _ = opened(storage)
        assert other.at_work() == {worker.name}
        with pytest.raises(StudyError, match="busy"), other.held("proof", _busy):
            pass
    assert [(one.value, one.user_attrs["recipe"]) for one in store.trials()] == [(1.5, "A")]


def _busy() -> None:
    raise StudyError("busy")


def test_a_worker_waits_for_a_server_that_is_down(
    storage: Storage, database: DatabaseServer, caplog: pytest.LogCaptureFixture
) -> None:
    backend, store = opened(storage)
    with backend.joined(nobody) as worker, caplog.at_level(logging.WARNING):
        database.stop()
        starter = threading.Timer(2.0, database.start)
        starter.start()
        started = time.monotonic()
        trial = store.begin(proposal(1), KNOBS, worker.name)
        store.complete(trial, 1.0)
        assert time.monotonic() - started > 1.5
        starter.join()
    assert len(store.trials()) == 1
    said = [record.message for record in caplog.records]
    assert any("does not answer" in line for line in said)
    assert any("answers again" in line for line in said)
    assert PASSWORD not in " ".join(said)


def test_a_worker_that_starts_while_the_server_is_down_waits_too(storage: Storage, database: DatabaseServer) -> None:
    opened(storage)
    database.stop()
    threading.Timer(1.5, database.start).start()
    started = time.monotonic()
    with backend_of(storage).joined(nobody) as worker:
        assert time.monotonic() - started > 1
        assert worker.others() == frozenset()


def test_a_command_that_looks_does_not_wait_for_long(
    storage: Storage, database: DatabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend, store = opened(storage)
    database.stop()
    try:
        monkeypatch.setattr(backend._allowance, "limit_s", 0.5)
        with pytest.raises(OutageError, match=r"does not answer .*every finished trial is kept"):
            store.trials()
        with pytest.raises(StudyError, match=r"127\.0\.0\.1.*cannot be used .*see whether the server runs") as refused:
            opened(storage)
        assert PASSWORD not in str(refused.value)
    finally:
        database.start()


def test_a_process_that_ends_waits_only_a_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "HURRIED_S", 0.3)
    allowance = patience.Allowance(3600)
    allowance.hurry()
    started = time.monotonic()
    calls: list[int] = []

    def fails() -> None:
        calls.append(1)
        raise OSError("gone")

    with pytest.raises(OutageError):
        patience.Patience("a server", (OSError,), lambda _: True, allowance).call(fails)
    assert len(calls) > 1
    assert time.monotonic() - started < 5
    with pytest.raises(OSError, match="gone"):
        patience.Patience("a server", (OSError,), lambda _: False, allowance).call(fails)


def test_an_end_whose_answer_was_lost_has_ended_well(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    backend, store = opened(storage)
    trial = store.begin(proposal(1), KNOBS, "one")
    inner: Any = backend.storage._backend
    end, lost = inner._inner.set_trial_state_values, [True]

    def answered_late(*arguments: Any) -> bool:
        ended = end(*arguments)
        if lost.pop():
            raise _connection_lost()
        return ended

    monkeypatch.setattr(inner._inner, "set_trial_state_values", answered_late)
    lost[:] = [False, True]
    store.complete(trial, 2.5)
    assert store.trials()[0].value == 2.5


def _connection_lost() -> Exception:
    from sqlalchemy.exc import OperationalError

    return OperationalError("COMMIT", {}, Exception("server closed the connection"))


@pytest.mark.usefixtures("quick")
def test_a_trial_without_a_heartbeat_is_lost_and_its_late_end_changes_nothing(storage: Storage) -> None:
    backend, store = opened(storage)
    other, theirs = opened(storage)
    with backend.joined(nobody) as worker, other.joined(nobody) as second:
        trial = store.begin(proposal(1), KNOBS, worker.name)
        assert backend._heart is not None
        time.sleep(3)
        with second.turn():
            assert theirs.reap(second.others()) == 0  # it beats, however long the trial takes
        with worker.turn():
            assert store.reap({worker.name}) == 0
        backend._heart._trials.clear()  # as a process that is stalled
        time.sleep(3.2)
        with second.turn():
            assert theirs.reap(second.others()) == 1
            owed = theirs.owed()
            assert owed is not None
            assert owed.point == proposal(1).point
        with store.one_write():
            trial.set_user_attr("recipe", "A")
            store.complete(trial, 9.0)
        (lost,) = theirs.study.get_trials()
    assert (lost.state, lost.user_attrs["reason"], lost.user_attrs[LOST]) == (TrialState.FAIL, "interrupted", 1)
    assert "recipe" not in lost.user_attrs


@pytest.mark.usefixtures("quick")
def test_a_trial_whose_worker_was_killed_in_its_turn_is_lost_at_once(storage: Storage) -> None:
    _, killed = opened(storage)
    killed.begin(proposal(1), KNOBS, "killed")  # by a backend that never joined, so nothing beats
    backend, store = opened(storage)
    with backend.joined(nobody) as worker, worker.turn():
        assert store.reap(worker.others()) == 1


@pytest.mark.usefixtures("quick")
def test_after_an_outage_nothing_counts_as_lost_for_a_while(storage: Storage, database: DatabaseServer) -> None:
    _, killed = opened(storage)
    killed.begin(proposal(1), KNOBS, "killed")
    backend, store = opened(storage)
    with backend.joined(nobody) as worker:
        database.stop()
        threading.Timer(0.5, database.start).start()
        assert store.in_work()
        with worker.turn():
            assert store.reap(worker.others()) == 0
        time.sleep(2.2)
        with worker.turn():
            assert store.reap(worker.others()) == 1


def test_a_worker_gives_up_its_own_trial_though_it_beats(storage: Storage) -> None:
    """As one does whose device hangs."""
    backend, store = opened(storage)
    with backend.joined(nobody) as worker, worker.turn():
        store.begin(proposal(1), KNOBS, worker.name)
        assert store.reap(worker.others()) == 1


class OneProposal:
    """Proposes the next number each time."""

    def next(self, history: list[Any]) -> Proposal:
        return proposal(len(history))


def test_a_turn_that_was_lost_is_noticed_and_its_trial_taken_back(
    storage: Storage, database: DatabaseServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend, store = opened(storage)
    with backend.joined(nobody) as worker:
        with pytest.raises(TurnLostError), worker.turn():
            database.restart(how="immediate")
        claims = Claims(store=store, worker=worker, suggester=OneProposal(), bounds=KNOBS, stages=("groups",))  # pyright: ignore[reportArgumentType]
        begin, restarts = store.begin, [True]

        def begin_and_lose(*arguments: Any) -> Any:
            trial = begin(*arguments)
            if restarts:
                restarts.clear()
                database.restart(how="immediate")
            return trial

        monkeypatch.setattr(store, "begin", begin_and_lose)
        claim = claims.take()
    assert claim is not None
    reasons = [trial.user_attrs.get("reason") for trial in store.study.get_trials()]
    assert reasons == ["interrupted", None]
    assert claim.trial.number == 1


def test_two_that_race_never_begin_the_same(storage: Storage) -> None:
    """Without turns, most candidates were tried twice."""

    def race() -> None:
        backend, store = opened(storage)
        with backend.joined(nobody) as worker:
            claims = Claims(store=store, worker=worker, suggester=OneProposal(), bounds=KNOBS, stages=("groups",))  # pyright: ignore[reportArgumentType]
            for _ in range(8):
                claim = claims.take()
                assert claim is not None
                store.complete(claim.trial, 1.0)

    opened(storage)
    threads = [threading.Thread(target=race) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    points = [str(trial.params) for trial in opened(storage)[1].trials()]
    assert (len(points), len(set(points))) == (16, 16)


def test_a_network_that_is_cut_and_mended_loses_nothing(storage: Storage, database: DatabaseServer) -> None:
    network = Network(database.port)
    far = Storage(
        file=storage.file,
        name=storage.name,
        folder=storage.folder,
        url=database.url(network.port),
        artifacts=storage.artifacts,
    )
    backend, store = opened(far)
    with backend.joined(nobody) as worker:
        network.cut()
        threading.Timer(1.0, lambda: network.mend(reset=True)).start()
        trial = store.begin(proposal(1), KNOBS, worker.name)
        store.complete(trial, 1.0)
    assert [one.value for one in opened(storage)[1].trials()] == [1.0]
    network.close()


def test_what_the_driver_takes_for_tls_is_passed_through(storage: Storage, database: DatabaseServer) -> None:
    url = f"{database.url()}?sslmode=verify-full&sslrootcert=/nowhere/root.pem"
    strict = Storage(file=storage.file, name=storage.name, folder=storage.folder, url=url, artifacts=storage.artifacts)
    with pytest.raises(StudyError, match=r"(?i)root\.pem|SSL") as refused:
        opened(strict)
    assert "sslmode" not in str(refused.value).partition(" ")[0]


@pytest.mark.parametrize(
    ("module", "artifacts", "install"),
    [("psycopg", "{folder}", "sd-recipe-search[postgresql]"), ("boto3", "s3://recipes/x", "sd-recipe-search[s3]")],
)
def test_a_library_that_is_missing_is_named_with_its_command(
    database: DatabaseServer, tmp_path: Path, module: str, artifacts: str, install: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, module, str(tmp_path), database.url(), artifacts.format(folder=tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "StudyError" in done.stdout, done.stdout + done.stderr
    assert install in done.stdout

"""One contract for whatever keeps a study: a journal in its folder, or a database and a place for artifacts."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from search.suggester import Proposal
from studies.errors import StudyError
from studies.store.backends.backend import Backend
from studies.store.backends.of_study import backend_of
from studies.store.ledger import Ending
from studies.store.storage import ATTEMPTS, GIVEN_UP, LOST, StudyStore
from studies.studyfile.spec import Storage
from tests.studies.machines.servers import DatabaseServer

BOUNDS: dict[str, BaseDistribution] = {
    "a": FloatDistribution(0, 1),
    "b": FloatDistribution(0, 1),
    "vae": CategoricalDistribution([0.0, 1.0]),
}
Machines = Callable[[], Backend]
"""Another process's view of one study, each time, as far as one process can be several."""


@pytest.fixture(params=["journal", "database"])
def machine(request: pytest.FixtureRequest, tmp_path: Path) -> Machines:
    storage = Storage(file=tmp_path / "study.toml", name=tmp_path.name, folder=tmp_path / "runs")
    if request.param == "database":
        server: DatabaseServer = request.getfixturevalue("database")
        storage = Storage(
            file=storage.file,
            name=storage.name,
            folder=storage.folder,
            url=server.url(),
            artifacts=str(tmp_path / "artifacts"),
        )
    storage.folder.mkdir()
    return lambda: backend_of(storage)


def store_of(backend: Backend, tmp_path: Path) -> StudyStore:
    return StudyStore(tmp_path / "runs", tmp_path.name, backend=backend)


def proposal(a: float) -> Proposal:
    return Proposal(stage="groups", point={"a": a, "b": 1 - a, "vae": 1.0}, label="", slots=(0, 2))


def nobody() -> None:
    raise AssertionError("nobody has it")


def test_a_trial_that_one_wrote_is_read_by_another_as_it_was(machine: Machines, tmp_path: Path) -> None:
    one, two = machine(), machine()
    assert not one.exists()
    with one.joined(nobody) as worker:
        with worker.turn():
            mine = store_of(one, tmp_path)
            trial = mine.begin(proposal(0.25), BOUNDS, worker.name)
        theirs = store_of(two, tmp_path)
        assert two.exists()
        (seen,) = theirs.in_work()
        assert seen.params == {"a": 0.25, "b": 0.75, "vae": 1.0}
        assert list(seen.params) == ["a", "b", "vae"]
        assert seen.distributions == BOUNDS
        assert seen.user_attrs == {"name": "groups 1", "stage": "groups", "slots": [0, 2], "worker": worker.name}
        with mine.one_write():
            trial.set_user_attr("recipe", "A")
            trial.set_user_attr("scores", {"style": {"raw": 1.0, "scaled": 2.0}})
            mine.complete(trial, 0.5)
        (seen,) = theirs.trials()
        assert seen.value == 0.5
        assert seen.user_attrs["scores"] == {"style": {"raw": 1.0, "scaled": 2.0}}
        assert seen.user_attrs["name"] == "groups 1"
        assert theirs.history() == mine.history()
        assert theirs.history()[0].slots == (0, 2)


def test_a_note_is_seen_by_others_and_changes_the_mark(machine: Machines, tmp_path: Path) -> None:
    one, two = store_of(machine(), tmp_path), store_of(machine(), tmp_path)
    before = two.backend.mark()
    one.note("noise", {"shots": 3})
    assert two.noted("noise") == {"shots": 3}
    noted = two.backend.mark()
    assert noted != before
    one.begin(proposal(0.5), BOUNDS, "one")
    begun = two.backend.mark()
    assert begun != noted
    assert two.backend.mark() == begun


def test_only_one_has_the_turn_and_a_lock(machine: Machines) -> None:
    one, two = machine(), machine()
    order: list[str] = []
    inside = threading.Event()

    def other() -> None:
        with two.joined(nobody) as worker, worker.turn():
            order.append("two")
        with two.held("proof", lambda: order.append("two waits")):
            order.append("two proves")

    with one.joined(nobody) as worker, one.held("proof"):
        thread = threading.Thread(target=other)
        with worker.turn():
            thread.start()
            inside.wait(0.7)
            order.append("one")
        inside.wait(0.7)
        order.append("one has proved")
    thread.join(30)
    assert order == ["one", "two", "two waits", "one has proved", "two proves"]


def test_workers_see_each_other_and_nobody_has_the_study_alone(machine: Machines) -> None:
    one, two, third = machine(), machine(), machine()
    with one.joined(nobody) as first:
        assert first.others() == frozenset()
        with two.joined(nobody) as second:
            assert first.others() == {second.name}
            assert third.at_work() == {first.name, second.name}
            with pytest.raises(StudyError, match="working on this study"), third.alone():
                pass
    assert third.at_work() == frozenset()
    with third.alone():
        with pytest.raises(StudyError, match="working on this study"), one.alone():
            pass
        waited: list[bool] = []

        def waiting() -> None:
            waited.append(True)
            raise StudyError("waits")

        with pytest.raises(StudyError, match="waits"), one.joined(waiting):
            pass
        assert waited


def test_what_a_worker_left_in_work_is_cut_short_and_owed(machine: Machines, tmp_path: Path) -> None:
    one, two = machine(), machine()
    with one.joined(nobody) as worker:
        with worker.turn():
            store = store_of(one, tmp_path)
            store.begin(proposal(0.5), BOUNDS, worker.name)
            assert store.reap({worker.name}) == 0
        store.interrupt(worker.name, ending=False)
        assert [trial.user_attrs["reason"] for trial in store.study.trials] == ["interrupted"]
        owed = store_of(two, tmp_path).owed()
        assert owed is not None
        assert (owed.point, owed.slots) == ({"a": 0.5, "b": 0.5, "vae": 1.0}, (0, 2))
        with worker.turn():
            trial = store.begin(owed, BOUNDS, worker.name)
            store.expect(trial, Ending(value=1.0))
        store.interrupt(worker.name, ending=False)
        assert len(store.in_work()) == 1  # it is being written
        assert store.owed() is None


def test_a_candidate_whose_workers_end_each_time_is_given_up(machine: Machines, tmp_path: Path) -> None:
    store = store_of(machine(), tmp_path)
    for times in range(1, ATTEMPTS + 1):
        store.begin(proposal(0.5), BOUNDS, "gone")
        assert store.reap() == 1
        assert store.study.trials[-1].user_attrs[LOST] == times
    assert store.study.trials[-1].user_attrs["reason"] == GIVEN_UP
    assert store.owed() is None


def test_pictures_and_files_reach_another_machine(machine: Machines, tmp_path: Path) -> None:
    one, two = store_of(machine(), tmp_path), store_of(machine(), tmp_path)
    picture = tmp_path / "runs" / "renders" / "sheet.webp"
    picture.parent.mkdir()
    assert not two.backend.files.bring(picture)
    picture.write_bytes(b"RIFF\0\0\0\0WEBP")
    trial = one.begin(proposal(0.5), BOUNDS, "one")
    one.attach(trial, picture)
    one.backend.files.share(picture)
    (file,) = two.sheets(two.in_work()[0])
    assert file.suffix == ".webp"
    assert file.read_bytes() == picture.read_bytes()
    if "artifacts" in {path.name for path in tmp_path.iterdir()}:  # another machine lacks the file
        picture.unlink()
    assert two.backend.files.bring(picture)
    assert picture.read_bytes() == b"RIFF\0\0\0\0WEBP"


def test_a_rescored_study_takes_the_place_of_the_first(machine: Machines, tmp_path: Path) -> None:
    store = store_of(machine(), tmp_path)
    trial = store.begin(proposal(0.5), BOUNDS, "one")
    store.complete(trial, 0.5)
    new = store.successor()
    new.copy(store.trials()[0], 0.75, store.trials()[0].user_attrs)
    assert store_of(machine(), tmp_path).trials()[0].value == 0.5
    new.seal()
    seen = store_of(machine(), tmp_path)
    assert (seen.rescored, seen.trials()[0].value) == (1, 0.75)
    assert seen.trials()[0].params == store.trials()[0].params

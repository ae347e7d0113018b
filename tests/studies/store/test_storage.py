"""The study's storage: what its trials tell later processes, trials cut short and taken up again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from search.suggester import Proposal
from studies.store.storage import ATTEMPTS, INTERRUPTED, LOST, StudyStore, complete

DISTRIBUTIONS = {"IN00": FloatDistribution(0, 1), "OUT11": FloatDistribution(0, 1)}
POINT = {"IN00": 0.25, "OUT11": 0.5}


def proposal(stage: str = "flat") -> Proposal:
    return Proposal(stage=stage, point=POINT)  # pyright: ignore[reportArgumentType]


def test_a_finished_trial_is_history_in_every_later_process(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, "one")
    trial = store.begin(proposal(), DISTRIBUTIONS)
    trial.set_user_attr("standard_error", 0.1)
    store.study.tell(trial, 1.5)
    told = StudyStore(tmp_path, "one").history()
    assert [(one.stage, dict(one.point), one.value, one.standard_error) for one in told] == [("flat", POINT, 1.5, 0.1)]


def test_trials_cut_short_are_failed_and_not_history(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, "one")
    store.begin(proposal(), DISTRIBUTIONS)
    again = StudyStore(tmp_path, "one")
    assert again.reap() == 1
    assert again.history() == []
    kept = again.study.get_trials()[0]
    assert kept.state is TrialState.FAIL
    assert kept.user_attrs["reason"] == INTERRUPTED


def test_a_failed_trial_keeps_its_reason_and_counts(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, "one")
    store.fail(store.begin(proposal("groups"), DISTRIBUTIONS), "the picture of seed 3 is not finite")
    (told,) = store.history()
    assert (told.stage, told.value) == ("groups", None)
    assert store.trials()[0].user_attrs["reason"] == "the picture of seed 3 is not finite"
    assert complete(store.trials()) == []


def test_opening_a_study_to_read_it_writes_nothing(tmp_path: Path) -> None:
    StudyStore(tmp_path, "one")
    before = (tmp_path / "journal.log").read_bytes()
    StudyStore(tmp_path, "one").history()
    assert (tmp_path / "journal.log").read_bytes() == before


def test_a_trial_is_begun_whole_and_for_its_worker(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, "one")
    before = (tmp_path / "journal.log").read_bytes().count(b"\n")
    trial = store.begin(proposal(), DISTRIBUTIONS, "41-ab")
    assert (tmp_path / "journal.log").read_bytes().count(b"\n") == before + 1
    (begun,) = StudyStore(tmp_path, "one").in_work()
    assert (begun.number, begun.params, begun.user_attrs["worker"]) == (trial.number, POINT, "41-ab")


def test_a_trial_of_a_living_worker_is_left_alone_and_told_without_a_value(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, "one")
    store.begin(proposal("groups"), DISTRIBUTIONS, "41-ab")
    assert store.reap({"41-ab", "42-cd"}) == 0
    assert store.owed() is None
    (told,) = store.history()
    assert (told.stage, dict(told.point), told.value, told.infeasible) == ("groups", POINT, None, False)
    assert store.trials() == []


def test_the_candidate_of_a_lost_trial_is_owed_until_another_trial_takes_it_up(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, "one")
    lost = Proposal(stage="blocks", point=POINT, slots=(1, 3), label="blocks 1")  # a trial keeps its name
    store.begin(lost, DISTRIBUTIONS, "41-ab")
    store.begin(Proposal(stage="blocks", point=POINT, slots=(0, 2)), DISTRIBUTIONS, "43-ef")
    assert store.reap({"42-cd", "43-ef"}) == 1
    assert store.owed() == lost
    assert (store.owed(["blocks"]), store.owed(["flat", "self"])) == (lost, None)
    assert StudyStore(tmp_path, "one").owed() == lost
    store.begin(lost, DISTRIBUTIONS, "42-cd")
    assert store.owed() is None
    store.interrupt("42-cd")  # Ctrl+C, which is no fault of the candidate's
    assert [trial.user_attrs.get(LOST) for trial in store.study.get_trials()] == [1, None, None]
    assert store.owed() == lost
    store.begin(lost, DISTRIBUTIONS, "42-cd")
    assert store.owed() is None


def test_a_candidate_that_ends_its_workers_is_given_up(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, "one")
    for attempt in range(ATTEMPTS):
        assert (store.owed() == replace(proposal("blocks"), label="blocks 1")) == bool(attempt)
        store.begin(proposal("blocks"), DISTRIBUTIONS, f"{attempt}-ab")
        assert store.reap() == 1
    assert store.owed() is None
    (told,) = store.history()
    assert (told.stage, told.value, told.infeasible) == ("blocks", None, False)
    assert store.trials()[0].user_attrs["reason"].startswith("its worker ended without a message each of 3 times")


def test_only_what_is_in_work_is_interrupted(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, "one")
    store.study.tell(store.begin(proposal(), DISTRIBUTIONS, "41-ab"), 1.0)
    store.begin(proposal("groups"), DISTRIBUTIONS, "42-cd")
    store.interrupt("41-ab")
    assert [(one.stage, one.value) for one in store.history()] == [("flat", 1.0), ("groups", None)]

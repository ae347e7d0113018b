"""The study's storage: torn journals, the lock, trials cut short."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import TrialState

from search.suggester import Proposal
from studies.errors import StudyError
from studies.storage import INTERRUPTED, StudyStore, complete, night_lock, repair

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


def test_opening_a_study_to_read_it_writes_nothing(tmp_path: Path) -> None:
    StudyStore(tmp_path, "one")
    before = (tmp_path / "journal.log").read_bytes()
    StudyStore(tmp_path, "one").history()
    assert (tmp_path / "journal.log").read_bytes() == before


def test_a_whole_journal_is_left_alone(tmp_path: Path) -> None:
    journal = tmp_path / "journal.log"
    assert repair(journal) == 0
    journal.write_bytes(b"{}\n")
    assert repair(journal) == 0
    assert journal.read_bytes() == b"{}\n"


def test_a_second_night_is_refused_while_the_first_one_runs(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from studies.storage import night_lock\n"
        "with night_lock(Path(sys.argv[1])): print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline().strip() == "held"
        with pytest.raises(StudyError, match="another `recipe-search run` is working"), night_lock(tmp_path):
            pass
        other.communicate("")
    with night_lock(tmp_path):
        pass

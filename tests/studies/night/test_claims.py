"""Claiming trials: a proposal keeps no other worker waiting, and holds only while the history is the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import filelock
import pytest
from optuna.distributions import FloatDistribution

from search.history import TrialRecord
from search.suggester import Proposal, Suggester
from studies.night.claims import Claims
from studies.store.backends.journal.workers import Worker, joined
from studies.store.ledger import Ending
from studies.store.storage import StudyStore

BOUNDS = {"IN00": FloatDistribution(0, 1)}


@dataclass
class Counting:
    """Proposes the number of the history's trials, after something else has happened."""

    meanwhile: Callable[[int], None]
    asked: list[int] = field(default_factory=list[int])
    locked: list[bool] = field(default_factory=list[bool])
    lock: Path = Path()

    def next(self, history: Sequence[TrialRecord]) -> Proposal | None:
        self.asked.append(len(history))
        try:
            with filelock.FileLock(self.lock, timeout=0):
                self.locked.append(False)
        except filelock.Timeout:
            self.locked.append(True)
        self.meanwhile(len(self.asked))
        return None if len(history) > 6 else Proposal(stage="flat", point={"IN00": len(history) / 10})


def claims_of(store: StudyStore, worker: Worker, meanwhile: Callable[[int], None]) -> tuple[Claims, Counting]:
    counting = Counting(meanwhile, lock=store.folder / "locks" / "turn.lock")
    suggester = cast("Suggester", counting)
    return Claims(store=store, worker=worker, suggester=suggester, bounds=BOUNDS, stages=["flat"]), counting


@pytest.mark.parametrize("changes", [0, 1, 2, 3])
def test_a_proposal_is_worked_out_again_where_the_history_changed(tmp_path: Path, changes: int) -> None:
    store, other = StudyStore(tmp_path, "one"), StudyStore(tmp_path, "one")

    def change(time: int) -> None:
        if time <= changes:
            other.begin(Proposal(stage="flat", point={"IN00": 0.9 + time / 100}), BOUNDS, second.name)

    with joined(tmp_path, lambda: None) as worker, joined(tmp_path, lambda: None) as second:
        claims, counting = claims_of(store, worker, change)
        other.fail(other.begin(Proposal(stage="flat", point={"IN00": 0.5}), BOUNDS, worker.name), "x")
        claim = claims.take()
    assert claim is not None
    tries = min(changes, 2) + 1
    assert counting.asked == [1, 2, 3][:tries]
    assert counting.locked == [False, False, True][:tries]
    assert claim.proposal.point == {"IN00": tries / 10}


def test_what_is_expected_of_a_trial_is_as_good_as_its_end(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, "one")
    with joined(tmp_path, lambda: None) as worker:
        own = store.begin(Proposal(stage="flat", point={"IN00": 0.5}), BOUNDS, worker.name)
        store.expect(own, Ending(value=1 / 3, standard_error=0.1))
        before = store.history()

        def end(_: int) -> None:
            own.set_user_attr("standard_error", 0.1)
            store.study.tell(own, 1 / 3)

        claims, counting = claims_of(store, worker, end)
        assert claims.take() is not None
    assert counting.asked == [1]
    assert store.history()[:1] == before


def test_a_trial_that_was_cut_short_goes_first_and_needs_no_proposal(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, "one")
    store.begin(Proposal(stage="flat", point={"IN00": 0.5}), BOUNDS, "gone")
    with joined(tmp_path, lambda: None) as worker:
        own = store.begin(Proposal(stage="flat", point={"IN00": 0.7}), BOUNDS, worker.name)
        claims, counting = claims_of(store, worker, lambda _: None)
        first = claims.take()
        assert first is not None
        assert first.proposal.point == {"IN00": 0.5}
        assert own.number in [one.number for one in store.in_work()], "what this worker has in work is not given up"
        store.interrupt(worker.name)
        counting.asked.clear()
        again = [claims.take() for _ in range(2)]
    assert [dict(one.proposal.point)["IN00"] for one in again if one] == [0.5, 0.7]
    assert not counting.asked


def test_nothing_is_claimed_where_the_search_is_over(tmp_path: Path) -> None:
    store = StudyStore(tmp_path, "one")
    with joined(tmp_path, lambda: None) as worker:
        claims, _ = claims_of(store, worker, lambda _: None)
        made: list[Any] = [claims.take() for _ in range(9)]
    assert [one is None for one in made] == [False] * 7 + [True] * 2

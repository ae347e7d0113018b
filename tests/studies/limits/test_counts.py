"""What a night has made, and what pages show, read while its writer ends trials."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from optuna.trial import FrozenTrial

from search.samplers.optuna_samplers import distributions
from search.suggester import Proposal
from studies.limits.counts import NightCounts
from studies.pages.reading.trials import shown_trials
from studies.store.ledger import Ledger
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.sample_study import write_small_study


@pytest.fixture
def spec(tmp_path: Path) -> StudySpec:
    return read_study_file(write_small_study(tmp_path))


def ending_after(reading: int, end: Callable[[], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Have something happen just after some reading of the trials."""
    read, readings = Ledger.read, list[int]()

    def read_and_end(ledger: Ledger, trials: Sequence[FrozenTrial]) -> Ledger:
        found = read(ledger, trials)
        readings.append(len(readings) + 1)
        if len(readings) == reading:
            monkeypatch.setattr(Ledger, "read", read)
            end()
        return found

    monkeypatch.setattr(Ledger, "read", read_and_end)


@pytest.mark.parametrize("reading", [1, 2, 3])
def test_a_trial_that_ends_meanwhile_is_counted_once(
    spec: StudySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reading: int
) -> None:
    store, suggester = StudyStore(tmp_path, "small"), spec.search.suggester()
    proposal = Proposal(stage="flat", point=suggester.calibration()[0].point)
    trial = store.begin(proposal, distributions(spec.search.space), "worker")
    ending_after(reading, lambda: store.fail(trial, "the writer ends it"), monkeypatch)
    counts = NightCounts.of(suggester, store, 0, 0, 4, frozenset())
    assert (counts.trials, counts.drawn) == (1, 4)


def test_a_trial_that_ends_meanwhile_is_shown(spec: StudySpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = StudyStore(tmp_path, "small")
    proposal = Proposal(stage="flat", point=spec.search.suggester().calibration()[0].point)
    trial = store.begin(proposal, distributions(spec.search.space), "worker")
    ending_after(1, lambda: store.fail(trial, "the writer ends it"), monkeypatch)
    assert [one.number for one in shown_trials(store)] == [0]

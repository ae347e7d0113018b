"""A trial's record: what it tries when it is begun, its verdict and its contact sheet at its end; one write each."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from optuna.trial import Trial

from studies.candidate import Candidate
from studies.store.dashboard.dashboard import write_note
from studies.store.ledger import Ending
from studies.store.records import INFEASIBLE, STOPPED, Stop, attributes_of
from studies.store.storage import StudyStore

if TYPE_CHECKING:
    from scorers.panel.verdict import Verdict


def record_candidate(store: StudyStore, trial: Trial, candidate: Candidate) -> None:
    """Record what a trial in work tries."""
    with store.one_write():
        for name, text in candidate.attributes.items():
            trial.set_user_attr(name, text)


def record_verdict(
    store: StudyStore,
    trial: Trial,
    verdict: Verdict,
    sheet: Path,
    seconds: Mapping[str, float],
    stop: Stop | None = None,
) -> None:
    """Record how a trial went, and end it: last comes its value, or the reason why it has none.

    Args:
        store: of the study.
        trial: in work, with its candidate recorded.
        verdict: of the panel.
        sheet: its contact sheet.
        seconds: what it took, by the part of the work.
        stop: where it was given up in a race.
    """
    stopped = {STOPPED: stop.attribute} if stop else {}
    with store.one_write():
        for name, value in {**attributes_of(verdict), "seconds": dict(seconds), **stopped}.items():
            trial.set_user_attr(name, value)
        write_note(trial, store.attach(trial, sheet))
        if verdict.value is None:
            store.fail(trial, INFEASIBLE + "; ".join(verdict.reasons))
        else:
            store.complete(trial, verdict.value)


def ending_of(verdict: Verdict, stop: Stop | None = None) -> Ending:
    """Return how a trial with this verdict will end; ``stop`` as in ``record_verdict``."""
    return Ending(
        value=verdict.value,
        standard_error=verdict.standard_error,
        infeasible=verdict.value is None,
        share=stop.share if stop else 1.0,
    )

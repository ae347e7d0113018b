"""A trial as pages show it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, cast

from optuna.trial import FrozenTrial, TrialState

from search.history import Point, Slots
from search.plan import Stage
from studies.candidate import Candidate
from studies.store.records import INFEASIBLE, Stop, drawn_slots
from studies.store.storage import WORKER, StudyStore

TrialStatus = Literal["scored", "broken", "failed", "running"]
"""How a trial stands: with a score; with broken pictures; failed; in work."""


@dataclass(frozen=True, kw_only=True)
class ShownTrial:
    """One trial. Times are local."""

    number: int
    stage: Stage
    status: TrialStatus
    score: float | None
    """The objective on search pictures."""
    standard_error: float | None
    point: Point
    attributes: Mapping[str, Any]
    """The attributes of its record."""
    sheet: Path | None
    """Its contact sheet, if one is kept."""
    begun: datetime | None
    ended: datetime | None

    @property
    def reason(self) -> str:
        """Why it has no score; "" where it has one, or runs."""
        return str(self.attributes.get("reason", "")).removeprefix(INFEASIBLE)

    @property
    def slots(self) -> Slots:
        """The shots it drew, by their places; none: all of the study."""
        return drawn_slots(self.attributes)

    @property
    def stop(self) -> Stop | None:
        """Where it was given up in a race; None where it was not."""
        return Stop.of(self.attributes)

    @property
    def worker(self) -> str:
        """The name of its worker."""
        return str(self.attributes.get(WORKER, ""))

    @cached_property
    def candidate(self) -> Candidate | None:
        """What it tried; None where its record does not say yet."""
        return Candidate.of(self.attributes) if "recipe" in self.attributes else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Of its score, 95 %."""
        pair = self.attributes.get("interval")
        return None if pair is None else (pair[0], pair[1])


def shown_trials(store: StudyStore) -> tuple[ShownTrial, ...]:
    """Return every trial of a study that was not cut short, in order."""
    ledger = store.ledger  # read once: a trial that ends between two readings would be in neither
    return tuple(_shown(store, trial) for trial in (*ledger.ended(), *ledger.in_work()))


def _shown(store: StudyStore, trial: FrozenTrial) -> ShownTrial:
    sheets = store.sheets(trial)
    return ShownTrial(
        number=trial.number,
        stage=cast("Stage", trial.user_attrs.get("stage", "flat")),
        status=_status(trial),
        score=trial.value if trial.state is TrialState.COMPLETE else None,
        standard_error=trial.user_attrs.get("standard_error"),
        point=trial.params,
        attributes=trial.user_attrs,
        sheet=sheets[0] if sheets else None,
        begun=trial.datetime_start,
        ended=trial.datetime_complete,
    )


def _status(trial: FrozenTrial) -> TrialStatus:
    if trial.state is TrialState.COMPLETE:
        return "scored"
    if trial.state is not TrialState.FAIL:
        return "running"
    return "broken" if str(trial.user_attrs.get("reason", "")).startswith(INFEASIBLE) else "failed"

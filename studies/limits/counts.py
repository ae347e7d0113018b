"""What a night has made, and what its plan has ahead, counted from the study's records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from search.history import TrialRecord
from search.plan import STAGES, Stage
from search.suggester import Suggester
from studies.limits.pace import pictures_of
from studies.store.ledger import slots_of
from studies.store.storage import StudyStore


@dataclass(frozen=True, slots=True, kw_only=True)
class NightCounts:
    """Trials and pictures of a study, and of one of its nights."""

    whole: Mapping[Stage, int]
    """Trials of the whole plan, by stage; those that a plateau lends are counted where they are made."""
    before: Mapping[Stage, int]
    """Trials that there were when the plan was shared out: at the night's beginning, or later."""
    now: Mapping[Stage, int]
    """Trials that there are, those in work among them."""
    shots: Mapping[Stage, int]
    """Pictures of a whole trial."""
    free: int
    """Trials to come whose pictures are drawn already, because their recipes calibrated the scorers."""
    trials: int
    """Trials of the night."""
    drawn: int
    """Pictures that they drew, or are drawing."""

    @classmethod
    def of(
        cls, suggester: Suggester, store: StudyStore, first: int, shared: int, every: int, over: Container[Stage]
    ) -> Self:
        """Count.

        Args:
            suggester: with the whole plan.
            store: of the study.
            first: number of trials when the night began, those that were cut short left out.
            shared: number of trials when the plan was shared out.
            every: how many shots the study has.
            over: stages that get no more trials.
        """
        ledger = store.ledger  # read once: a trial that ends between two readings would be in neither
        history = ledger.history()
        now, planned = _by_stage(history), suggester.planned(history)
        drawn = sum(pictures_of(trial, every)[1] for trial in ledger.ended()[first:])
        return cls(
            whole={stage: now[stage] if stage in over else planned[stage] for stage in STAGES},
            before=_by_stage(history[:shared]),
            now=now,
            shots={stage: len(suggester.rotation.slots(stage)) or every for stage in STAGES},
            free=max(len(suggester.calibration()) - now["flat"], 0),
            trials=len(history) - first,
            drawn=drawn + sum(len(slots_of(trial)) or every for trial in ledger.in_work()),
        )

    @property
    def stage(self) -> Stage:
        """The stage that the night is at: the last one that it has a trial of."""
        reached: list[Stage] = [stage for stage in STAGES if self.now[stage] > self.before[stage]]
        return reached[-1] if reached else STAGES[0]

    @property
    def spared(self) -> int:
        """Pictures of trials to come that are drawn already."""
        return self.free * self.shots["flat"]

    def pictures_to(self, targets: Mapping[Stage, int]) -> int:
        """Return the pictures of the trials that are to come until every stage has so many."""
        return sum(max(targets[stage] - self.now[stage], 0) * self.shots[stage] for stage in STAGES)

    def trials_to(self, targets: Mapping[Stage, int]) -> int:
        """Return how many trials are to come until every stage has so many."""
        return sum(max(targets[stage] - self.now[stage], 0) for stage in STAGES)


def _by_stage(history: Sequence[TrialRecord]) -> dict[Stage, int]:
    counts = Counter(record.stage for record in history)
    return {stage: counts[stage] for stage in STAGES}

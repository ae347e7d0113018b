"""What is known of a study's trials, kept up as they end: one that ended never changes, so it is read once.

Read is the list of all trials as Optuna's storage has it. Its beginning, up to the first trial that has not ended, is
settled: what follows from it is remembered, and only the rest is looked at again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

from optuna.trial import FrozenTrial, TrialState

from search.history import Slots, TrialRecord, is_measured
from studies.store.records import INFEASIBLE, INTERRUPTED, SLOTS, UNREADABLE, Stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a trial in work will end; known before its record is written."""

    value: float | None
    """None for one that failed, or is infeasible."""
    standard_error: float | None = None
    infeasible: bool = False
    share: float = 1.0
    """The part of its shots whose pictures it has."""


@dataclass(slots=True, kw_only=True)
class Ledger:
    """The trials of one study."""

    trials: Sequence[FrozenTrial] = ()
    """All of them, as they were read last."""
    endings: dict[int, Ending] = field(default_factory=dict[int, Ending])
    """How trials in work will end, by their numbers."""
    _settled: int = 0
    """How many of the first trials have all ended."""
    _records: list[TrialRecord] = field(default_factory=list[TrialRecord])
    _ended: list[FrozenTrial] = field(default_factory=list[FrozenTrial])
    _cut: list[FrozenTrial] = field(default_factory=list[FrozenTrial])
    _begun: Counter[str] = field(default_factory=Counter[str])
    _best: float | None = None

    def read(self, trials: Sequence[FrozenTrial]) -> Ledger:
        """Take in the list of all trials as it is now; returns itself."""
        self.trials = trials
        for trial in trials[self._settled :]:
            if not trial.state.is_finished():
                break
            self._settle(trial)
        return self

    def _settle(self, trial: FrozenTrial) -> None:
        self._settled += 1
        self.endings.pop(trial.number, None)
        self._begun[stage_of(trial)] += 1
        if is_interrupted(trial):
            self._cut = [*self._cut, *self._owed([trial])]
            return
        self._records.append(record_of(trial, len(self._records)))
        self._best = _higher(self._best, self._records[-1].value)
        self._ended.append(trial)
        self._cut = [one for one in self._cut if not have_one_candidate(one, trial)]

    def _owed(self, trials: Sequence[FrozenTrial]) -> Iterator[FrozenTrial]:
        """Those of some trials that were cut short and whose candidate no settled trial has."""
        for trial in trials:
            if is_interrupted(trial) and trial.params:
                known = (*self._ended, *self._cut)
                if not any(have_one_candidate(trial, other) for other in known):
                    yield trial

    @property
    def _rest(self) -> Sequence[FrozenTrial]:
        return self.trials[self._settled :]

    def ended(self) -> list[FrozenTrial]:
        """Return every trial that ended and was not interrupted, in order."""
        return [*self._ended, *(one for one in self._rest if one.state.is_finished() and not is_interrupted(one))]

    def in_work(self) -> list[FrozenTrial]:
        """Return every trial that was begun and has not ended, in order."""
        return [trial for trial in self._rest if not trial.state.is_finished()]

    def history(self) -> list[TrialRecord]:
        """Return the suggester's input; trials in work have the value that they will end with, if that is known."""
        known = [trial for trial in self._rest if not is_interrupted(trial)]
        numbers = range(len(self._records), len(self._records) + len(known))
        rest = (record_of(one, n, self.endings.get(one.number)) for n, one in zip(numbers, known, strict=True))
        return [*self._records, *rest]

    def cut_short(self) -> list[FrozenTrial]:
        """Return the trials that were cut short and whose candidate none took up since, in order."""
        taken = [trial for trial in self._rest if not is_interrupted(trial)]
        cut = [*self._cut, *self._owed(self._rest)]
        return [trial for trial in cut if not any(have_one_candidate(trial, other) for other in taken)]

    def begun(self, stage: str) -> int:
        """Return how many trials of a stage were begun, those that were cut short among them."""
        return self._begun[stage] + sum(stage_of(trial) == stage for trial in self._rest)

    @property
    def best(self) -> float | None:
        """The highest value, one that is only expected among them; None where there is none."""
        best = self._best
        for record in self.history()[len(self._records) :]:
            best = _higher(best, record.value)
        return best

    def made(self, stages: Container[str]) -> int:
        """Return how many trials of some stages ended, or have an ending that is known."""
        settled = sum(stage_of(trial) in stages for trial in self._ended)
        rest = [one for one in self._rest if one.state.is_finished() or one.number in self.endings]
        return settled + sum(stage_of(trial) in stages for trial in rest if not is_interrupted(trial))


def _higher(one: float | None, other: float | None) -> float | None:
    return max((value for value in (one, other) if value is not None), default=None)


def record_of(trial: FrozenTrial, number: int, ending: Ending | None = None) -> TrialRecord:
    """Return what the suggester is told of a trial; of one in work, what is known of its ending."""
    known = ending or Ending(
        value=trial.value if trial.state is TrialState.COMPLETE else None,
        standard_error=trial.user_attrs.get("standard_error"),
        infeasible=str(trial.user_attrs.get("reason", "")).startswith(INFEASIBLE),
        share=stop.share if (stop := Stop.of(trial.user_attrs)) else 1.0,
    )
    measured = is_measured(known.value)
    return TrialRecord(
        number=number,
        stage=str(trial.user_attrs["stage"]),
        point=dict(trial.params),
        value=known.value if measured else None,
        standard_error=known.standard_error if measured else None,
        infeasible=known.infeasible or (known.value is not None and not measured),
        slots=slots_of(trial),
        share=known.share,
    )


def stage_of(trial: FrozenTrial) -> str:
    """Return the stage that a trial was begun in; "" for one whose record was damaged."""
    return str(trial.user_attrs.get("stage", ""))


def slots_of(trial: FrozenTrial) -> Slots:
    """Return the shots that a trial draws, by their places; none: all of the study."""
    return tuple(cast("list[int]", trial.user_attrs.get(SLOTS, ())))


def is_interrupted(trial: FrozenTrial) -> bool:
    """Return whether a trial does not count as tried: it was cut short, or its record was damaged."""
    return trial.state is TrialState.FAIL and trial.user_attrs.get("reason") in (INTERRUPTED, UNREADABLE)


def have_one_candidate(one: FrozenTrial, other: FrozenTrial) -> bool:
    """Return whether two trials try the same: equal parameters on the same shots."""
    return one.params == other.params and slots_of(one) == slots_of(other)

"""The next trial: taken up again after a worker that is gone, or proposed by the suggester; claimed by one worker.

A proposal can take long, and nobody needs to wait for it: it is worked out from the history as it is, and only claimed
while no other worker can. Where the history has changed meanwhile, it is worked out again.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass

from optuna.distributions import BaseDistribution
from optuna.trial import Trial

from search.suggester import Proposal, Suggester
from studies.store.backends.backend import StudyWorker, TurnLostError
from studies.store.storage import StudyStore

FREE_ATTEMPTS = 2
"""How often a proposal is worked out while other workers can claim trials; the next time they wait for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A trial in work."""

    proposal: Proposal
    trial: Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Takes one worker's trials into work."""

    store: StudyStore
    worker: StudyWorker
    suggester: Suggester
    bounds: Mapping[str, BaseDistribution]
    """Optuna's distributions of the study's knobs."""
    stages: Container[str]
    """Stages that have trials; what was cut short in others is left."""
    before: Callable[[], None] = lambda: None
    """Called before a trial is begun; may end the night."""

    def take(self) -> Claim | None:
        """Claim the next trial; None where there is nothing to try, unless a trial in work is cut short."""
        while True:
            try:
                return self._taken()
            except TurnLostError:  # another worker may have begun the same meanwhile
                self.store.interrupt(self.worker.name, ending=False)

    def _taken(self) -> Claim | None:
        for _ in range(FREE_ATTEMPTS):
            history, owed = self.store.history(), self.store.owed(self.stages)
            proposal = None if owed else self.suggester.next(history)
            with self.worker.turn():
                if claim := self._taken_up():
                    return claim
                if not owed and self.store.history() == history:
                    return self._begun(proposal)
        with self.worker.turn():
            return self._taken_up() or self._begun(self.suggester.next(self.store.history()))

    def _taken_up(self) -> Claim | None:
        """Claim what was cut short; trials of workers that are gone are marked as that first."""
        self.store.reap(self.worker.others() | {self.worker.name})
        return self._begun(self.store.owed(self.stages))

    def _begun(self, proposal: Proposal | None) -> Claim | None:
        if proposal is None:
            return None
        self.before()
        return Claim(proposal=proposal, trial=self.store.begin(proposal, self.bounds, self.worker.name))

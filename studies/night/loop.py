"""The trials of a night, one after another, until the plan is done, the time is over, or somebody asks for the end.

The order of a trial is: pictures and features, then the record, then Optuna's value. They are written beside the
rendering of the next trial, whose own are written only after them. So whatever ends the night loses at most the trial
in flight and the one that is written; the next night makes both again, from their renders where these were kept.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from functools import partial

from rich.console import Console

from engine.errors import EngineError, Named, counted
from scorers.errors import ScorerError
from search.history import Slots
from search.plan import STAGES, Stage
from search.racing import rival_of
from search.samplers.optuna_samplers import distributions
from search.suggester import Suggester
from studies.errors import StudyError
from studies.limits.account import NightAccount, keep_account
from studies.limits.keeper import POLL_S, NightKeeper
from studies.limits.pace import TrialTime
from studies.limits.schedule import NightSchedule
from studies.limits.thinning import Thinning, delete
from studies.night.claims import Claim, Claims
from studies.night.race import Rival
from studies.night.recording import ending_of, record_candidate, record_verdict
from studies.night.trial import tried
from studies.night.workshop import Workshop
from studies.night.writer import Writer
from studies.progress import Meter, meter
from studies.store.backends.backend import OutageError, StudyWorker
from studies.store.ledger import Ending
from studies.store.storage import StudyStore
from studies.studyfile.spec import StudySpec

log = logging.getLogger(__name__)

FAILURES_IN_A_ROW = 5
"""Failed trials in a row after which the night gives up."""
PREPARED_EVERY = 10
"""Trials of a worker between two preparations of later proposals; a fit is used 20 trials after it can be prepared."""


@dataclass(slots=True, kw_only=True)
class TrialLoop:
    """The trials of one worker in one night."""

    spec: StudySpec
    workshop: Workshop
    store: StudyStore
    worker: StudyWorker
    writer: Writer
    keeper: NightKeeper
    schedule: NightSchedule
    suggester: Suggester
    """With the study's whole plan."""
    thinning: Thinning
    """Deletes pictures of hopeless trials."""
    _account: NightAccount | None = field(default=None, init=False)
    _drawn: int = field(default=0, init=False)

    def run(self, account: NightAccount, console: Console) -> None:
        """Try until nothing is left to try, or no time to try it in.

        Args:
            account: what the night is to come to, as it was said.
            console: takes the progress.

        Raises:
            StudyError: too many trials in a row failed.
            KeyboardInterrupt: Ctrl+C or a termination signal.
        """
        self._account = account
        self.keeper.before_pause = self.writer.settle  # a night that says it is paused writes nothing more
        try:
            with meter("searching", sum(account.planned.values()), console) as bar:
                self._try_each(bar)
                self.writer.settle()
                delete(self.thinning.chosen(self.store))
        except BaseException:  # Ctrl+C, a signal, a fault: raised on, but no trial is left in work
            self.keeper.disk.give_up()
            self.store.backend.hurry()
            self.writer.finish()
            try:
                self.store.interrupt(self.worker.name)
            except (OSError, OutageError) as closed:
                why = closed.strerror if isinstance(closed, OSError) else closed
                log.warning("the trial in work is marked by the next night, or by another worker (%s)", why)
            raise

    def has_another(self) -> bool:
        """Whether there is another trial to make, and room for it in a night with a limit."""
        fits = self.schedule.fits_one_more(self.schedule.counts(self.suggester, self.store))
        return fits and self.suggester.next(self.store.history()) is not None

    def _try_each(self, bar: Meter) -> None:
        failures = 0
        for claim in self._claimed(bar):
            with self.keeper.trying(f"trial {claim.trial.number}"):
                reason = self._trial(claim, bar)
            failures = failures + 1 if reason else 0
            if failures >= FAILURES_IN_A_ROW:
                raise StudyError(
                    f"{failures} trials in a row failed, the last one with: {reason}",
                    place=(Named(self.spec.storage.name),),
                    remedy="fix that and run the same command again",
                )

    def _claimed(self, bar: Meter) -> Generator[Claim]:
        """Trials to run, until none is left and none is in work: the trial of a worker that dies is run again."""
        planned = [stage for stage in STAGES if self.suggester.trials(stage)]
        bounds = distributions(self.spec.search.space)
        patient = self.keeper.patient
        claims = Claims(
            store=self.store,
            worker=self.worker,
            suggester=self.suggester,
            bounds=bounds,
            stages=planned,
            before=patient.end_if_asked,
        )
        taken, clock = 0, self.schedule.clock
        while self.keeper.may_go_on() and (claims := self._shortened(claims, bar)) is not None:
            started = clock.now()
            if self.store.owed(planned):  # it may have ended its worker: nothing else is in flight beside it
                self.writer.settle()
            with patient.putting_off():  # a trial that is begun is made to its end
                claim = self.keeper.disk.patient(claims.take)
                if more := self.store.ledger.made(planned) - bar.done:
                    bar.advance(more, note="trials made before, or by other workers")
                if claim is not None:
                    if not (taken := taken + 1) % PREPARED_EVERY:
                        self.writer.submit(partial(delete, self.thinning.chosen(self.store)))
                        self.writer.submit(partial(claims.suggester.prepare, self.store.history()))
                    self._drawn, drawn = 0, self.workshop.drawn
                    yield claim
                    self.schedule.in_trials += self.workshop.drawn - drawn
                    shots = len(claim.proposal.slots) or self.schedule.every
                    self.schedule.pace.add(TrialTime(shots=shots, drawn=self._drawn, seconds=clock.now() - started))
                    continue
            self.writer.settle()
            if self.store.in_work():
                bar.advance(0, note="waiting for trials of other workers")
                clock.sleep(POLL_S)
            elif not self._is_shared_out_again():
                return

    def _is_shared_out_again(self) -> bool:
        """Whether a night with a limit, whose planned trials are made, has others to make in the time that is left."""
        if not self.schedule.limits.is_limited:
            return False
        history = self.store.history()
        ended: list[Stage] = [one.stage for one in self.suggester.statuses(history) if not one.is_open]
        return self.schedule.share_out_again(len(history), frozenset(ended))

    def _shortened(self, claims: Claims, bar: Meter) -> Claims | None:
        """The claims by the plan of tonight as it fits now; None where no trial fits any more."""
        is_limited = self.schedule.limits.is_limited
        if is_limited:
            self.schedule.workers = 1 + len(self.worker.others())
        counts = self.schedule.counts(self.suggester, self.store)
        if is_limited and not self.schedule.fits_one_more(counts):
            return None
        account = self.schedule.account(counts)
        if self._account is None or account.differs_from(self._account):
            self._account = account
            keep_account(self.store, account)
            bar.expect(sum(account.planned.values()))
        tonight, now = self.schedule.tonight(self.suggester, counts), claims.suggester
        return claims if (tonight.plan, tonight.lends) == (now.plan, now.lends) else replace(claims, suggester=tonight)

    def _trial(self, claim: Claim, bar: Meter) -> str:
        """Run one trial to its verdict; returns why it failed, or ""."""
        trial = claim.trial
        try:
            self._work(claim, bar)
        except (EngineError, ScorerError) as error:
            reason = str(error)
            self.store.expect(trial, Ending(value=None))
            self.writer.submit(lambda: self.store.fail(trial, reason))
            facts = {"event": "trial failed", "trial": trial.number, "reason": reason}
            bar.advance(note=f"trial {trial.number} failed: {reason}", level=logging.WARNING, facts=facts)
            return reason
        return ""

    def _work(self, claim: Claim, bar: Meter) -> None:
        started, trial, proposal, store = time.perf_counter(), claim.trial, claim.proposal, self.store
        candidate = self.spec.search.candidate(proposal.point)
        self.writer.submit(lambda: record_candidate(store, trial, candidate))
        rival, drawn = self._rival(proposal.slots), self.workshop.drawn
        work, verdict, stop = tried(self.spec.search, self.spec.shots, self.workshop, candidate, proposal.slots, rival)
        self._drawn = self.workshop.drawn - drawn
        seconds = {**work.seconds, "whole": time.perf_counter() - started}
        store.expect(trial, ending_of(verdict, stop))
        self.writer.submit(lambda: record_verdict(store, trial, verdict, work.sheet, seconds, stop))
        best, value = store.ledger.best, verdict.value
        if best is None or value is None:
            broken = {"event": "trial broken", "trial": trial.number}
            bar.advance(note=f"trial {trial.number} infeasible", facts=broken)
        else:
            after = f" after {len(stop.drawn)} of {counted(stop.shots, 'picture')}" if stop else ""
            facts = {"event": "trial scored", "trial": trial.number, "score": value, "seconds": seconds["whole"]}
            bar.advance(note=f"{proposal.stage}: {value:+.2f}{after}, best {best:+.2f}", facts=facts)

    def _rival(self, slots: Slots) -> Rival | None:
        """What the next candidate races against; None where there is no racing, or nothing of these shots yet."""
        search = self.spec.search
        best = rival_of(self.store.history(), slots) if search.racing else None
        return best and Rival(candidate=search.candidate(best.point), value=best.value or 0.0)

"""One night: the loop that takes a study from where it is to its outcome, beside others, and survives being killed.

The order of a trial is: pictures and features, then the record, then Optuna's value. They are written beside the
rendering of the next trial, whose own are written only after them. So whatever ends the night loses at most the trial
in flight and the one that is written; the next night makes both again, from their renders where these were kept.
"""

from __future__ import annotations

import logging
import signal
import sys
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType

from rich.console import Console

from engine.errors import EngineError, Named
from scorers.errors import ScorerError
from search.history import Slots
from search.plan import STAGES
from search.racing import rival_of
from search.samplers.optuna_samplers import distributions
from search.suggester import Suggester
from studies.errors import StudyError, disk_problem
from studies.inputs.models import model_hashes
from studies.night.calibration import calibrate
from studies.night.claims import Claim, Claims
from studies.night.fingerprint import inputs_of, refuse_changes
from studies.night.noise import suggester_of
from studies.night.proof import prove
from studies.night.race import Rival
from studies.night.recording import ending_of, record_candidate, record_verdict
from studies.night.searched import note_search
from studies.night.study_note import renew_study_note
from studies.night.trial import tried
from studies.night.workshop import Workshop
from studies.night.writer import Writer
from studies.progress import Meter, meter
from studies.store.ledger import Ending
from studies.store.locks import held
from studies.store.note_keys import PROVED, PROVING
from studies.store.outcome import Outcome
from studies.store.requests import is_asked, withdraw
from studies.store.storage import StudyStore
from studies.store.workers import BusyError, Worker, joined
from studies.studyfile.spec import StudySpec

log = logging.getLogger(__name__)

FAILURES_IN_A_ROW = 5
"""Failed trials in a row after which the night gives up."""
PREPARED_EVERY = 10
"""Trials of a worker between two preparations of later proposals; a fit is used 20 trials after it can be prepared."""
POLL_S = 2.0
"""Seconds between two checks whether trials of other workers have ended."""


class Night:
    """The one stateful object of a study: opens it, runs trials until the plan is done, proves the finalists.

    Several at once share a study, each in a process of its own: only the next trial is asked for one at a time, and one
    of them calibrates, and proves.
    """

    def __init__(self, spec: StudySpec, console: Console, *, proof: bool = True) -> None:
        """``console`` takes the progress; without ``proof`` the night ends with its last trial."""
        self.spec = spec
        self.console = console
        self._proof = proof

    def run(self) -> Outcome | None:
        """Run, or go on with, the study.

        Returns:
            The outcome of the finalists' comparison; None if another worker makes it, or if none is to be made.

        Raises:
            StudyError: the study cannot go on; everything finished is kept.
            EngineError: a checkpoint cannot be used.
            ScorerError: an encoder, a reference or a scorer cannot be used.
            SearchError: no trial has a value, so there is nothing to prove.
            KeyboardInterrupt: Ctrl+C or a termination signal; run again to go on.
        """
        folder = self.spec.storage.folder
        folder.mkdir(parents=True, exist_ok=True)
        waiting = self._saying("another command has this study for itself; waiting for it")
        with (
            termination_as_interrupt(),
            disk_errors_named(folder),
            joined(folder, waiting) as worker,
            Writer() as writer,
        ):
            log.info("worker %s joined", worker.name, extra={"facts": {"event": "joined", "worker": worker.name}})
            with held(folder, "hashes"):  # so that the others find them remembered
                models = model_hashes(self.spec.merge, self.spec.storage)
            workshop = Workshop.open(self.spec, models, writer=writer)
            try:
                return self._search(workshop, models, worker, writer)
            finally:
                workshop.close()

    def _search(self, workshop: Workshop, models: Mapping[str, str], worker: Worker, writer: Writer) -> Outcome | None:
        folder = self.spec.storage.folder
        with worker.turn():
            store = StudyStore(folder, self.spec.storage.name)
            refuse_changes(store, self.spec.storage, inputs_of(self.spec, models, workshop.panel), workshop)
            note_search(store, self.spec.search)
            if not worker.others():
                withdraw(folder, "pause", "stop")  # of an earlier night
            if left_behind := store.reap(worker.others()):
                log.info("%d trial(s) of an earlier night were cut short and will be run again", left_behind)
        waiting = self._saying("another worker renders the recipes that calibrate the scorers; waiting for it")
        with held(folder, "calibration", busy=waiting):
            calibrate(self.spec.merge, self.spec.search, self.spec.shots, workshop, store, self.console)
        self._try_all(workshop, store, worker, writer)
        if is_asked(folder, "stop"):
            self._saying("stopped as asked; run the same command again to go on")()
            return None
        if not self._proof:
            return None
        try:
            with held(folder, "proof", busy=_raise_busy):
                return self._prove(workshop, store, models, worker)
        except BusyError as busy:
            self._saying(str(busy))()
            return None

    def _prove(self, workshop: Workshop, store: StudyStore, models: Mapping[str, str], worker: Worker) -> Outcome:
        trials, last = len(store.trials()), store.noted(PROVED)
        if last and last["trials"] == trials and last["at"] > worker.since:
            _raise_busy()
        store.note(PROVING, {"at": time.time(), "trials": trials})
        outcome = prove(self.spec, workshop, store, models, self.console)
        store.note(PROVED, {"at": time.time(), "trials": trials})
        renew_study_note(self.spec, store)
        return outcome

    def _saying(self, words: str) -> Callable[[], None]:
        return lambda: self.console.print(words, highlight=False, markup=False)

    def _try_all(self, workshop: Workshop, store: StudyStore, worker: Worker, writer: Writer) -> None:
        try:
            with meter("searching", self._suggester(store).total, self.console) as bar:
                self._try_each(workshop, store, worker, writer, bar)
                writer.settle()
        except BaseException:  # Ctrl+C, a signal, a fault: raised on, but no trial is left in work
            writer.finish()
            try:
                store.interrupt(worker.name)
            except OSError as full:
                log.warning("the trial in work is marked by the next night, or by another worker (%s)", full.strerror)
            raise

    def _try_each(self, workshop: Workshop, store: StudyStore, worker: Worker, writer: Writer, bar: Meter) -> None:
        failures = 0
        for claim in self._claimed(store, worker, writer, bar):
            reason = self._trial(workshop, store, claim, writer, bar)
            failures = failures + 1 if reason else 0
            if failures >= FAILURES_IN_A_ROW:
                raise StudyError(
                    f"{failures} trials in a row failed, the last one with: {reason}",
                    place=(Named(self.spec.storage.name),),
                    remedy="fix that and run the same command again",
                )

    def _claimed(self, store: StudyStore, worker: Worker, writer: Writer, bar: Meter) -> Generator[Claim]:
        """Trials to run, until none is left and none is in work: the trial of a worker that dies is run again."""
        suggester = self._suggester(store)
        planned = [stage for stage in STAGES if suggester.trials(stage)]
        bounds = distributions(self.spec.search.space)
        claims = Claims(store=store, worker=worker, suggester=suggester, bounds=bounds, stages=planned)
        taken = 0
        while self._may_go_on():
            if store.owed(planned):  # it may have ended its worker: nothing else is in flight beside it
                writer.settle()
            claim = claims.take()
            if more := store.ledger.made(planned) - bar.done:
                bar.advance(more, note="trials made before, or by other workers")
            if claim is not None:
                if not (taken := taken + 1) % PREPARED_EVERY:
                    writer.submit(partial(suggester.prepare, store.history()))
                yield claim
                continue
            writer.settle()
            if not store.in_work():
                return
            bar.advance(0, note="waiting for trials of other workers")
            time.sleep(POLL_S)

    def _may_go_on(self) -> bool:
        """Wait while a pause is asked; False when a stop is asked."""
        folder = self.spec.storage.folder
        if is_asked(folder, "pause"):
            self._saying("paused as asked")()
        while is_asked(folder, "pause") and not is_asked(folder, "stop"):
            time.sleep(POLL_S)
        return not is_asked(folder, "stop")

    def _suggester(self, store: StudyStore) -> Suggester:
        return suggester_of(self.spec.search, self.spec.shots, store)

    def _trial(self, workshop: Workshop, store: StudyStore, claim: Claim, writer: Writer, bar: Meter) -> str:
        """Run one trial to its verdict; returns why it failed, or ""."""
        trial = claim.trial
        try:
            self._work(workshop, store, claim, writer, bar)
        except (EngineError, ScorerError) as error:
            reason = str(error)
            store.expect(trial, Ending(value=None))
            writer.submit(lambda: store.fail(trial, reason))
            facts = {"event": "trial failed", "trial": trial.number, "reason": reason}
            bar.advance(note=f"trial {trial.number} failed: {reason}", level=logging.WARNING, facts=facts)
            return reason
        return ""

    def _work(self, workshop: Workshop, store: StudyStore, claim: Claim, writer: Writer, bar: Meter) -> None:
        started, trial, proposal = time.perf_counter(), claim.trial, claim.proposal
        candidate = self.spec.search.candidate(proposal.point)
        writer.submit(lambda: record_candidate(store, trial, candidate))
        rival = self._rival(store, proposal.slots)
        work, verdict, stop = tried(self.spec.search, self.spec.shots, workshop, candidate, proposal.slots, rival)
        seconds = {**work.seconds, "whole": time.perf_counter() - started}
        store.expect(trial, ending_of(verdict, stop))
        writer.submit(lambda: record_verdict(store, trial, verdict, work.sheet, seconds, stop))
        best, value = store.ledger.best, verdict.value
        if best is None or value is None:
            broken = {"event": "trial broken", "trial": trial.number}
            bar.advance(note=f"trial {trial.number} infeasible", facts=broken)
        else:
            after = f" after {len(stop.drawn)} of {stop.shots} pictures" if stop else ""
            facts = {"event": "trial scored", "trial": trial.number, "score": value, "seconds": seconds["whole"]}
            bar.advance(note=f"{proposal.stage}: {value:+.2f}{after}, best {best:+.2f}", facts=facts)

    def _rival(self, store: StudyStore, slots: Slots) -> Rival | None:
        """What the next candidate races against; None where there is no racing, or nothing of these shots yet."""
        search = self.spec.search
        best = rival_of(store.history(), slots) if search.racing else None
        return best and Rival(candidate=search.candidate(best.point), value=best.value or 0.0)


def _raise_busy() -> None:
    raise BusyError(
        "the search is over", remedy="another worker makes the proof, and recipe-search show has it when it is done"
    )


@contextmanager
def termination_as_interrupt() -> Generator[None]:
    """Let a termination signal, or a closed terminal, end the night as Ctrl+C does: the trial in flight is marked.

    Only the first of them ends it: a second Ctrl+C would break into the end, and leave locks and half a record. What a
    library makes of it where it was interrupted, such as a ValueError while safetensors reads, is the interrupt still.
    """
    ending = False

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal ending
        if not ending:
            ending = True
            outer = before.get(signal.SIGINT)
            if callable(outer):
                outer(number, frame)  # so that it knows, once this has ended
            raise KeyboardInterrupt(f"signal {number}")

    hang_up = getattr(signal, "SIGHUP", None)  # a terminal was closed; nohup ignores that, and so it stays
    numbers = [signal.SIGTERM, *([hang_up] if hang_up and signal.getsignal(hang_up) == signal.SIG_DFL else [])]
    numbers += [signal.SIGINT] if signal.getsignal(signal.SIGINT) != signal.SIG_IGN else []
    before = {number: signal.getsignal(number) for number in numbers}
    for number in numbers:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if ending and isinstance(error := sys.exception(), Exception):
            raise KeyboardInterrupt("turned into another error by what it interrupted") from error


@contextmanager
def disk_errors_named(folder: Path) -> Generator[None]:
    """Turn a full or unwritable disk into a message that also says that nothing is lost."""
    try:
        yield
    except OSError as error:
        problem = disk_problem(error, folder)
        if problem is None:
            raise
        what = f"{problem.what}, and every finished trial is kept"
        raise StudyError(what, place=problem.place, remedy=f"{problem.remedy}, and run again") from error

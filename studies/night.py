"""One night: the loop that takes a study from where it is to its outcome, and survives being killed.

The order of a trial is: pictures and features, then the record, then Optuna is told. Whatever ends the night between
two of these loses at most the trial in flight, and the next night finds its renders kept.
"""

from __future__ import annotations

import errno
import logging
import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

from optuna.trial import Trial
from rich.console import Console

from engine.errors import EngineError
from scorers.errors import ScorerError
from search.samplers import distributions
from search.suggester import Proposal
from studies.calibration import calibrate
from studies.dashboard import write_note
from studies.errors import StudyError
from studies.fingerprint import refuse_changes
from studies.noise import suggester_of
from studies.outcome import Outcome
from studies.progress import Meter, meter
from studies.proof import prove
from studies.records import attributes_of
from studies.storage import INFEASIBLE, INTERRUPTED, StudyStore, night_lock, repair
from studies.studyfile import StudySpec
from studies.workshop import Workshop, model_hashes

log = logging.getLogger(__name__)

FAILURES_IN_A_ROW = 5
"""Failed trials in a row after which the night gives up."""


class Night:
    """The one stateful object of a study: opens it, runs trials until the plan is done, proves the finalists."""

    def __init__(self, spec: StudySpec, console: Console) -> None:
        """``console`` takes the progress."""
        self.spec = spec
        self.console = console

    def run(self) -> Outcome:
        """Run, or go on with, the study.

        Returns:
            The outcome of the finalists' comparison.

        Raises:
            StudyError: the study cannot go on; everything finished is kept.
            EngineError: a checkpoint cannot be used.
            KeyboardInterrupt: Ctrl+C or a termination signal; run again to go on.
        """
        self.spec.folder.mkdir(parents=True, exist_ok=True)
        with night_lock(self.spec.folder), termination_as_interrupt(), disk_errors_named(self.spec):
            repair(self.spec.folder / "journal.log")
            models = model_hashes(self.spec)
            workshop = Workshop.open(self.spec, models)
            try:
                store = StudyStore(self.spec.folder, self.spec.name)
                refuse_changes(store, self.spec, models, workshop)
                left_behind = store.reap()
                if left_behind:
                    log.info("%d trial(s) of an earlier night were cut short and will be run again", left_behind)
                calibrate(self.spec, workshop, store, self.console)
                self._search(workshop, store)
                return prove(self.spec, workshop, store, models, self.console)
            finally:
                workshop.close()

    def _search(self, workshop: Workshop, store: StudyStore) -> None:
        suggester = suggester_of(self.spec, store)
        history = store.history()
        failures = 0
        with meter("searching", suggester.total, self.console) as bar:
            bar.advance(len(history), note="trials of earlier nights" if history else "")
            while (proposal := suggester.next(history)) is not None:
                failures = 0 if self._trial(workshop, store, proposal, bar) else failures + 1
                if failures >= FAILURES_IN_A_ROW:
                    raise StudyError(
                        f"{self.spec.name}: {failures} trials in a row failed, the last with: "
                        f"{store.trials()[-1].user_attrs.get('reason')}; mend that and run the same command again"
                    )
                history = store.history()

    def _trial(self, workshop: Workshop, store: StudyStore, proposal: Proposal, bar: Meter) -> bool:
        """Run one trial to its end; False if it failed."""
        trial = store.begin(proposal, distributions(self.spec.space))
        try:
            return self._work(workshop, store, trial, proposal, bar)
        except (EngineError, ScorerError) as error:
            store.fail(trial, str(error))
            bar.advance(note=f"trial {trial.number} failed: {error}")
            return False
        except OSError:
            raise  # a full disk takes no more records: the next night marks the trial
        except BaseException:  # Ctrl+C, a signal, a fault of our own: raised on, but no trial is left in work
            store.fail(trial, INTERRUPTED)
            raise

    def _work(self, workshop: Workshop, store: StudyStore, trial: Trial, proposal: Proposal, bar: Meter) -> bool:
        started = time.perf_counter()
        candidate = self.spec.candidate(proposal.point)
        for name, text in candidate.attributes.items():
            trial.set_user_attr(name, text)
        work = workshop.make(candidate, self.spec.drawn(proposal.slots), among=self.spec.shots)
        verdict = workshop.panel.judge(work.features)
        for name, value in attributes_of(verdict).items():
            trial.set_user_attr(name, value)
        trial.set_user_attr("seconds", {**work.seconds, "whole": time.perf_counter() - started})
        write_note(trial, store.attach(trial, work.sheet))
        if verdict.value is None:
            store.fail(trial, INFEASIBLE + "; ".join(verdict.reasons))
            bar.advance(note=f"trial {trial.number} infeasible")
            return True
        store.study.tell(trial, verdict.value)
        best = max((told.value for told in store.history() if told.value is not None), default=verdict.value)
        bar.advance(note=f"{proposal.stage}: {verdict.value:+.2f}, best {best:+.2f}")
        return True


@contextmanager
def termination_as_interrupt() -> Generator[None]:
    """Let a termination signal end the night as Ctrl+C does: the trial in flight is marked, nothing is lost."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt(f"signal {number}")

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def disk_errors_named(spec: StudySpec) -> Generator[None]:
    """Say of a full or unwritable disk what it is and that nothing is lost."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            message = f"{spec.folder}: the disk is full; every finished trial is kept: free some space, run again"
        elif error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            message = (
                f"{error.filename or spec.folder}: cannot be written ({error.strerror}); every finished trial is kept"
            )
        else:
            raise
        raise StudyError(message) from error

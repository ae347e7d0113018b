"""One night: it takes a study from where it is to its outcome, beside others, and survives being killed."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from rich.console import Console

from engine.errors import ProblemError
from studies.inputs.models import model_hashes
from studies.joining.published import publish_inputs
from studies.limits.account import NightAccount, keep_account
from studies.limits.deadline import Clock, NightLimits
from studies.limits.disk import disk_errors_named, proved_bytes, trial_bytes
from studies.limits.keeper import STOPPED, NightKeeper, NightStopped
from studies.limits.schedule import NightSchedule, ProofNeeds
from studies.limits.signals import PatientEnd, termination_as_interrupt
from studies.limits.thinning import Thinning
from studies.night.calibration import calibrate
from studies.night.continuing.earlier_study import with_earlier_study
from studies.night.continuing.fingerprint import inputs_of, refuse_changes
from studies.night.continuing.searched import note_search
from studies.night.loop import TrialLoop
from studies.night.noise import suggester_of
from studies.night.proved import Afterwards, ProvedNight, nothing_afterwards
from studies.night.proving.proof import prove
from studies.night.proving.proof_time import draw_baselines, proof_needs
from studies.night.study_note import renew_study_note
from studies.night.workshop import Workshop
from studies.night.writer import Writer
from studies.store.backends.backend import Backend, StudyWorker
from studies.store.backends.journal.workers import BusyError
from studies.store.backends.of_study import backend_of
from studies.store.judged.outcome import Outcome
from studies.store.note_keys import AFTER_PROOF, PROVED, PROVING
from studies.store.storage import HUNG, StudyStore
from studies.studyfile.spec import StudySpec

log = logging.getLogger(__name__)


class Night:
    """The one stateful object of a study: opens it, runs trials until the plan is done, proves the finalists.

    Several at once share a study, each in a process of its own: only the next trial is asked for one at a time, and one
    of them calibrates, and proves.
    """

    def __init__(
        self,
        spec: StudySpec,
        console: Console,
        *,
        proof: bool = True,
        limits: NightLimits | None = None,
        clock: Clock | None = None,
        guess: float | None = None,
        begin_again: Callable[[], None] = lambda: None,
        begun_again: bool = False,
        afterwards: Afterwards = nothing_afterwards,
    ) -> None:
        """Prepare a night.

        Args:
            spec: the study.
            console: takes the progress.
            proof: whether the finalists are proved; without, the night ends with its last trial.
            limits: what the night may take; None: what its plan needs.
            clock: by which it keeps its limits.
            guess: seconds of a picture, where nothing was measured yet.
            begin_again: puts a new process in the place of this one where it hangs; without, that one ends.
            begun_again: whether this process is in the place of one that hung, and goes on with its night.
            afterwards: what the worker that made the proof does next.
        """
        self.spec = spec
        self.console = console
        self._proof = proof
        self._limits = limits or NightLimits()
        self._clock = clock or Clock()
        self._guess = guess
        self._begin_again, self._begun_again = begin_again, begun_again
        self._afterwards = afterwards

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
        folder, patient = self.spec.storage.folder, PatientEnd()
        folder.mkdir(parents=True, exist_ok=True)
        backend = backend_of(self.spec.storage)
        keeper = NightKeeper(
            folder,
            self._say,
            requests=backend.requests,
            patient=patient,
            clock=self._clock,
            until=self._limits.until,
            hang_s=self.spec.rendering.hang_s,
            begin_again=self._begin_again,
        )
        waiting = self._saying("another command has this study for itself; waiting for it")
        with (
            termination_as_interrupt(patient),
            disk_errors_named(folder),
            backend.joined(waiting) as worker,
            Writer(keeper.disk.patient) as writer,
        ):
            log.info("worker %s joined", worker.name, extra={"facts": {"event": "joined", "worker": worker.name}})
            with backend.held("hashes"):  # so that the others find them remembered
                models = model_hashes(self.spec.merge, self.spec.storage)
            workshop = Workshop.open(self.spec, models, writer=writer, backend=backend)
            workshop.watch(keeper.watchdog.beat, keeper.between)
            try:
                return self._search(workshop, models, worker, writer, backend, keeper)
            except NightStopped as stopped:
                self._say(str(stopped))
                return None
            finally:
                keeper.close()
                workshop.close()

    def _search(
        self,
        workshop: Workshop,
        models: Mapping[str, str],
        worker: StudyWorker,
        writer: Writer,
        backend: Backend,
        keeper: NightKeeper,
    ) -> Outcome | None:
        with worker.turn():
            store = StudyStore(self.spec.storage.folder, self.spec.storage.name, backend=backend)
            refuse_changes(store, self.spec.storage, inputs_of(self.spec, models, workshop.panel), workshop)
            self.spec = with_earlier_study(self.spec, store, models)
            note_search(store, self.spec.search)
            schedule = self._begun(store, worker)
        publish_inputs(self.spec, store, models)
        keeper.lost = lambda reason: _give_up_trial(store, worker, reason, schedule, workshop.drawn)
        self._foresee(workshop, store, schedule)
        self._calibrate(workshop, store, keeper, schedule)
        account = self._planned(workshop, store, keeper, schedule)
        loop = TrialLoop(
            spec=self.spec,
            workshop=workshop,
            store=store,
            worker=worker,
            writer=writer,
            keeper=keeper,
            schedule=schedule,
            suggester=suggester_of(self.spec.search, self.spec.shots, store),
            thinning=Thinning(self.spec.storage, self.spec.shots, workshop.renders),
        )
        loop.run(account, self.console)
        if "stop" in backend.requests.asked():
            raise NightStopped(STOPPED)
        if not self._proof:
            return None
        drawn = workshop.drawn
        try:
            with backend.held("proof", _raise_busy), keeper.working("the proof"):
                outcome = self._prove(workshop, store, models, worker, schedule)
        except BusyError as busy:
            self._say(str(busy))
            return None
        if outcome is not None:
            self._go_on(outcome, workshop, store, models, keeper, schedule)
            schedule.end_proof(workshop.drawn - drawn)
            self._try_on(loop, store, schedule)
        return outcome

    def _try_on(self, loop: TrialLoop, store: StudyStore, schedule: NightSchedule) -> None:
        """Make further trials in what the proof left of a night with a limit; a later night proves them."""
        if not self._limits.is_limited or not loop.has_another():
            return
        self._say("the proof is made, and there is room for further trials, which a later night proves")
        try:
            loop.run(self._account(store, schedule, aloud=False), self.console)
        except ProblemError as error:
            self._say(f"after the proof: {error}")
        store.note(AFTER_PROOF, {"trials": len(store.trials())})

    def _go_on(
        self,
        outcome: Outcome,
        workshop: Workshop,
        store: StudyStore,
        models: Mapping[str, str],
        keeper: NightKeeper,
        schedule: NightSchedule,
    ) -> None:
        """Do what comes after the proof; what goes wrong there is said, and costs the night nothing."""
        proved = ProvedNight(
            spec=self.spec,
            workshop=workshop,
            store=store,
            hashes=models,
            outcome=outcome,
            console=self.console,
            left_s=schedule.left_s,
            picture_s=schedule.pace.proof_seconds(1),
            limits_pictures=self._limits.pictures is not None,
        )
        try:
            with keeper.working("what comes after the proof"):
                self._afterwards(proved)
        except (ProblemError, NightStopped) as error:
            self._say(f"after the proof: {error}")

    def _begun(self, store: StudyStore, worker: StudyWorker) -> NightSchedule:
        """Begin the night, or join one that other workers began, or that a process which hung was in."""
        others = worker.others()
        if not others:
            # Those of an earlier night; since this worker joined, requests are meant for it.
            store.backend.requests.withdraw("pause", "stop", made_before=worker.since)
        if left_behind := store.reap(others):
            log.info("%d trial(s) of an earlier night were cut short and will be run again", left_behind)
        every = len(self.spec.shots.trials)
        is_new = not others and not self._begun_again
        schedule = NightSchedule.of(store, self._limits, self._clock, every=every, guess=self._guess, is_new=is_new)
        if is_new:
            keep_account(store, schedule.begun)
        schedule.workers = 1 + len(others)
        return schedule

    def _calibrate(self, workshop: Workshop, store: StudyStore, keeper: NightKeeper, schedule: NightSchedule) -> None:
        waiting = self._saying("another worker renders the recipes that calibrate the scorers; waiting for it")
        keeper.need(trial_bytes(self.spec.shots.trials))
        with store.backend.held("calibration", waiting), keeper.working("calibration"):
            started = self._clock.now()
            calibrate(self.spec.merge, self.spec.search, self.spec.shots, workshop, store, self.console)
        schedule.other_pictures += workshop.drawn
        if workshop.drawn:
            schedule.pace.guess = (self._clock.now() - started) / workshop.drawn

    def _foresee(self, workshop: Workshop, store: StudyStore, schedule: NightSchedule) -> None:
        """Say what fits into a night with a limit, as far as can be told before its first picture."""
        if not self._limits.is_limited:
            return
        if self._proof:
            schedule.needs = proof_needs(self.spec, workshop)
        if schedule.pace.is_known and not schedule.leaves_no_proof():
            self._account(store, schedule, aloud=True)

    def _planned(
        self, workshop: Workshop, store: StudyStore, keeper: NightKeeper, schedule: NightSchedule
    ) -> NightAccount:
        """Plan the night by what calibration measured, and say how it changed; draw what the proof compares with."""
        spec, is_new = self.spec, not schedule.pace.trials
        keeper.need(trial_bytes(spec.shots.trials) + spec.search.finalists * proved_bytes(spec.shots.proof))
        if self._limits.is_limited and self._proof:
            if schedule.leaves_no_proof():
                schedule.needs, self._proof = ProofNeeds(), False
                self._say("there is no room for a proof in this night: it makes trials only, and a later one proves")
            elif self._limits.until is not None:
                with keeper.working("the proof"):
                    draw_baselines(spec, workshop, schedule, store.backend, self.console)
        account = self._account(store, schedule, aloud=self._limits.is_limited and is_new)
        keep_account(store, account)
        return account

    def _account(self, store: StudyStore, schedule: NightSchedule, *, aloud: bool) -> NightAccount:
        """Return what the night is to come to, and say it."""
        counts = schedule.counts(suggester_of(self.spec.search, self.spec.shots, store), store)
        account = schedule.account(counts)
        if aloud:
            self._say(account.sentence(counts.trials_to(account.planned), self._clock.now()))
        return account

    def _prove(
        self,
        workshop: Workshop,
        store: StudyStore,
        models: Mapping[str, str],
        worker: StudyWorker,
        schedule: NightSchedule,
    ) -> Outcome | None:
        trials, last = len(store.trials()), store.noted(PROVED)
        if last and last["trials"] == trials and last["at"] > worker.since:
            _raise_busy()
        search = self.spec.search
        if self._limits.is_limited:
            if not trials:
                self._say("no trial fitted into this night, so there is nothing to prove; a later night goes on")
                return None
            counts = schedule.counts(suggester_of(search, self.spec.shots, store), store)
            finalists, simplify = schedule.proof_size(counts)
            if not finalists:
                self._say("no time is left for the proof; run the same command again to make it")
                return None
            workshop.has_time = schedule.has_time_for_a_recipe
            search = replace(search, finalists=finalists, simplify=simplify)
        store.note(PROVING, {"at": time.time(), "trials": trials})
        outcome = prove(replace(self.spec, search=search), workshop, store, models, self.console)
        store.note(PROVED, {"at": time.time(), "trials": trials})
        renew_study_note(self.spec, store)
        return outcome

    def _say(self, words: str) -> None:
        self.console.print(words, highlight=False, markup=False)

    def _saying(self, words: str) -> Callable[[], None]:
        return lambda: self._say(words)


def _give_up_trial(store: StudyStore, worker: StudyWorker, reason: str, schedule: NightSchedule, drawn: int) -> None:
    """Mark what a worker that hangs has in work, so that another one takes it up; hand over what its night made."""
    with worker.turn():
        schedule.hand_over(store, drawn)
        for trial in store.in_work():
            if trial.user_attrs.get("worker") == worker.name:
                store.storage.set_trial_user_attr(trial._trial_id, HUNG, reason)  # pyright: ignore[reportPrivateUsage]
        store.reap(worker.others())


def _raise_busy() -> None:
    raise BusyError(
        "the search is over", remedy="another worker makes the proof, and recipe-search show has it when it is done"
    )

"""A study's Optuna storage: a journal file and an artifact folder inside the study's own folder, or a database.

Optuna's storage is the one truth about trials: parameters, values, user attributes, artifacts. A trial in work names
its worker (`workers.py`); one whose worker is gone is failed with the reason "interrupted" and does not count as tried,
and its candidate is taken up again before anything else is proposed.
"""

from __future__ import annotations

import json
from collections.abc import Container, Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, cast

import optuna
from optuna.artifacts import upload_artifact
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.distributions import BaseDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from search.history import TrialRecord
from search.plan import STAGES, Stage
from search.suggester import Proposal
from studies.store.backends.backend import Backend
from studies.store.backends.journal.journal_backend import WORKER, JournalBackend
from studies.store.ledger import Ending, Ledger, have_one_candidate, slots_of, stage_of
from studies.store.note_keys import WHOLE
from studies.store.records import INTERRUPTED, SLOTS

optuna.logging.set_verbosity(optuna.logging.WARNING)  # its own progress lines would run through ours

LOST = "lost"
"""Key of how often a trial's candidate was in work when its worker ended without a message."""
ATTEMPTS = 3
"""The most times that a candidate is tried when its worker ends: then the candidate may be the cause."""
GIVEN_UP = f"its worker ended without a message each of {ATTEMPTS} times (killed, or out of memory?); not tried again"
"""Reason of a trial whose candidate was lost too often."""
HUNG = "hung"
"""Key of a trial's record of why its worker ended, where that found itself hung."""
NAME = "name"
"""Key of what a trial is called: FLAT_50, or its stage and its number there; trials of before have none."""
ARTIFACT = "artifacts:"
"""How Optuna's attribute of a trial begins that names one of its pictures."""


def _optuna_name(name: str, rescored: int) -> str:
    """The name in Optuna of the study, or of one of its later scorings."""
    return f"{name} (rescored {rescored})" if rescored else name


class StudyStore:
    """The Optuna study of a study folder, and its artifacts."""

    def __init__(self, folder: Path, name: str, *, rescored: int | None = None, backend: Backend | None = None) -> None:
        """Open, or create where no other process does at the same time.

        Args:
            folder: of the study.
            name: of the study.
            rescored: which of its scorings, 0 being the first; None: the newest that is whole.
            backend: what keeps it; None: the journal in its folder.

        Raises:
            StudyError: the journal is damaged, or another study's; the database cannot be used.
        """
        self.backend = backend or JournalBackend(folder, name)
        self.backend.refuse_unusable()
        self.folder = folder
        self.name = name
        self.artifacts = self.backend.artifacts
        self._ledger = Ledger()
        self.storage = self.backend.storage
        sampler = optuna.samplers.RandomSampler(seed=0)  # never asked: every trial carries its point
        known = self.storage.get_all_studies()  # reading must not write
        self.rescored = self.newest_scoring() if rescored is None else rescored
        title = _optuna_name(name, self.rescored)
        self.study = (
            optuna.load_study(study_name=title, storage=self.storage, sampler=sampler)
            if title in {study.study_name for study in known}
            else optuna.create_study(study_name=title, storage=self.storage, sampler=sampler, direction="maximize")
        )

    def newest_scoring(self) -> int:
        """Which of the study's scorings is the newest that is whole."""
        known = {study.study_name: study for study in self.storage.get_all_studies()}
        names = {n: _optuna_name(self.name, n) for n in range(1, len(known))}
        return max((n for n, name in names.items() if name in known and WHOLE in known[name].user_attrs), default=0)

    def successor(self) -> StudyStore:
        """An empty study beside this one, for the same trials with other scores; `seal` lets it take this one's place.

        What an earlier attempt left of it is deleted.
        """
        title = _optuna_name(self.name, self.rescored + 1)
        if title in optuna.get_all_study_names(self.storage):
            optuna.delete_study(study_name=title, storage=self.storage)
        return StudyStore(self.folder, self.name, rescored=self.rescored + 1, backend=self.backend)

    def copy(self, trial: FrozenTrial, value: float | None, attributes: Mapping[str, Any]) -> Trial:
        """Add a finished trial with other scores; its number and its pictures stay.

        Args:
            trial: of the study before this one; trials are copied in order.
            value: None for a trial that has none.
            attributes: all of its attributes.
        """
        pictures = {key: text for key, text in trial.system_attrs.items() if key.startswith(ARTIFACT)}
        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        self.study.add_trial(
            optuna.create_trial(
                state=state,
                value=value,
                params=trial.params,
                distributions=trial.distributions,
                user_attrs=dict(attributes),
                system_attrs=pictures,
            )
        )
        added = self.study.get_trials(deepcopy=False)[-1]
        return Trial(self.study, added._trial_id)  # pyright: ignore[reportPrivateUsage] - as in `_end`

    def seal(self) -> None:
        """Mark that every trial was copied: from now on this study is the one that is opened."""
        self.note(WHOLE, True)

    @property
    def number(self) -> int:
        """The study's number in its storage, as the dashboard's addresses have it."""
        return self.study._study_id  # pyright: ignore[reportPrivateUsage] - Optuna has no public name for it

    @property
    def ledger(self) -> Ledger:
        """What is known of the trials, as of now."""
        return self._ledger.read(self.study.get_trials(deepcopy=False))

    def expect(self, trial: Trial, ending: Ending) -> None:
        """Let `history` tell already how a trial in work will end, which is written later."""
        self._ledger.endings[trial.number] = ending

    def reap(self, alive: Container[str] | None = None) -> int:
        """Fail the trials in work whose workers are gone; returns how many. Only in one's turn.

        A candidate that was in work too often when its worker ended is given up, which its trial's reason says.

        Args:
            alive: names of the workers whose trials are left alone; None: nobody else is at work.
        """
        ledger = self.ledger
        stale = ledger.in_work()
        if alive is not None:
            stale = self.backend.lost(self.number, stale, alive)
        lost = [one for one in ledger.trials if one.state.is_finished() and LOST in one.user_attrs] if stale else []
        for trial in stale:
            times = sum(have_one_candidate(one, trial) for one in lost) + 1
            self._end(trial, INTERRUPTED if times < ATTEMPTS else _given_up(trial), {LOST: times})
        return len(stale)

    def interrupt(self, worker: str, *, ending: bool = True) -> None:
        """Mark what a worker has in work as cut short: its candidate is taken up again.

        Args:
            worker: its name.
            ending: also what was `expect`ed to end, and is being written.
        """
        for trial in self.in_work():
            if trial.user_attrs.get(WORKER) == worker and (ending or trial.number not in self._ledger.endings):
                self._end(trial, INTERRUPTED, {})

    def _end(self, trial: FrozenTrial, reason: str, attributes: Mapping[str, Any]) -> None:
        number = trial._trial_id  # pyright: ignore[reportPrivateUsage] - the storage's own API asks for it
        self._ledger.endings.pop(trial.number, None)
        with suppress(UpdateFinishedTrialError):  # its worker has ended it meanwhile
            for key, value in {**attributes, "reason": reason}.items():
                self.storage.set_trial_user_attr(number, key, value)
            self.storage.set_trial_state_values(number, TrialState.FAIL)

    def in_work(self) -> list[FrozenTrial]:
        """Every trial that was begun and has not ended, in order."""
        return self.ledger.in_work()

    def trials(self) -> list[FrozenTrial]:
        """Every trial that ended and was not interrupted, in order."""
        return self.ledger.ended()

    def history(self) -> list[TrialRecord]:
        """The suggester's input: ``trials()`` and those in work; failed and infeasible ones have no value.

        Those in work appear as failed ones, so that no other worker tries the same, unless they were `expect`ed.
        """
        return self.ledger.history()

    def owed(self, stages: Container[str] = STAGES) -> Proposal | None:
        """The first candidate of some stages whose trial was cut short and that none took up since, if there is one."""
        for trial in self.ledger.cut_short():
            if stage_of(trial) in stages:
                stage, name = cast("Stage", stage_of(trial)), trial.user_attrs.get(NAME, "")
                return Proposal(stage=stage, point=dict(trial.params), label=name, slots=slots_of(trial))
        return None

    def begin(self, proposal: Proposal, distributions: Mapping[str, BaseDistribution], worker: str = "") -> Trial:
        """Take a proposal into work as a trial of a worker: all of it in one write, and only in one's turn."""
        name = proposal.label or f"{proposal.stage} {self.ledger.begun(proposal.stage) + 1}"
        trial = optuna.create_trial(
            state=TrialState.RUNNING,
            params={name: proposal.point[name] for name in distributions},
            distributions=dict(distributions),
            user_attrs={NAME: name, "stage": proposal.stage, SLOTS: list(proposal.slots), WORKER: worker},
        )
        number = self.storage.create_new_trial(self.number, trial)
        self.backend.begun(number)
        return Trial(self.study, number)

    @contextmanager
    def one_write(self) -> Generator[None]:
        """Write all that this thread says of trials in the block at once, at its end: all of it, or none.

        A database writes each by itself. A trial that another worker took for lost and ended is left as it is.
        """
        with self.backend.one_write():
            yield

    def complete(self, trial: Trial, value: float) -> None:
        """End a trial with its value."""
        self.study.tell(trial, value, skip_if_finished=True)

    def fail(self, trial: Trial, reason: str) -> None:
        """End a trial without a value, for a reason that is kept with it."""
        with self.one_write():
            trial.set_user_attr("reason", reason)
            self.study.tell(trial, state=TrialState.FAIL, skip_if_finished=True)

    def attach(self, owner: Trial | optuna.Study, picture: Path) -> str:
        """Store a picture as an artifact of a trial in work, or of the study; returns the artifact's id."""
        return upload_artifact(
            artifact_store=self.artifacts,
            file_path=str(picture),
            study_or_trial=owner,
            mimetype=f"image/{picture.suffix.lstrip('.')}",
        )

    def sheets(self, trial: FrozenTrial) -> list[Path]:
        """The files of a trial's pictures, as `attach` stored them; those that are gone are left out."""
        kept = (json.loads(text) for key, text in trial.system_attrs.items() if key.startswith(ARTIFACT))
        paths = list[Path]()
        for one in kept:
            with suppress(ArtifactNotFound):
                paths.append(self.backend.picture(str(one["artifact_id"])))
        return paths

    def note(self, key: str, value: Any) -> None:
        """Store a fact about the whole study, as JSON."""
        self.study.set_user_attr(key, value)

    def noted(self, key: str) -> Any:
        """A fact stored by ``note``, or None."""
        return self.study.user_attrs.get(key)


def _given_up(trial: FrozenTrial) -> str:
    """Why a candidate that was lost too often is given up."""
    why = trial.user_attrs.get(HUNG)
    return f"{why}; that was so {ATTEMPTS} times, so it is not tried again" if why else GIVEN_UP


def complete(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials with a value, best first."""
    done = [trial for trial in trials if trial.state is TrialState.COMPLETE and trial.value is not None]
    return sorted(done, key=lambda trial: -(trial.value or 0.0))

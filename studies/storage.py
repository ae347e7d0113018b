"""A study's Optuna storage: one journal file and one artifact folder inside the study's own folder.

Optuna's storage is the one truth about trials: parameters, values, user attributes, artifacts. Exactly one night may
write at a time (a lock file holds the others off), so a trial found RUNNING or WAITING on opening belongs to a night
that was killed: it is failed with the reason "interrupted", does not count as tried, and is proposed again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import filelock
import optuna
from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from optuna.distributions import BaseDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState

from search.history import Told
from search.suggester import Proposal
from studies.errors import StudyError
from studies.files import replaced

log = logging.getLogger(__name__)
optuna.logging.set_verbosity(optuna.logging.WARNING)  # its own progress lines would run through ours

INTERRUPTED = "interrupted"
"""Reason of a trial whose night ended under it; such a trial is run again."""
INFEASIBLE = "infeasible: "
"""How the reason of a trial begins whose pictures are broken: the suggester keeps away from there."""

SLOTS = "slots"
"""Key of a trial's record of the shots it draws, by their places; none: all of the study."""
WHOLE = "whole"
"""Key of the note that a rescored study holds all its trials."""
ARTIFACT = "artifacts:"
"""How Optuna's attribute of a trial begins that names one of its pictures."""


def _title(name: str, rescored: int) -> str:
    """What Optuna calls the study, or one of its later scorings."""
    return f"{name} (rescored {rescored})" if rescored else name


@contextmanager
def night_lock(folder: Path) -> Generator[None]:
    """Hold the study folder for one night.

    Raises:
        StudyError: another process holds it.
    """
    lock = filelock.FileLock(folder / "night.lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise StudyError(
            f"{folder}: another `recipe-search run` is working on this study; wait for it, or stop it first"
        ) from None
    try:
        yield
    finally:
        lock.release()


def repair(journal: Path) -> int:
    """Drop the records of a journal that were never finished: a power cut or a full disk leaves such a line.

    Call it only where no night is at work. Optuna cannot read past such a line, and what is appended to one is lost
    with it.

    Returns:
        The number of bytes dropped.
    """
    if not journal.exists():
        return 0
    lines = journal.read_bytes().splitlines(keepends=True)
    whole = [line for line in lines if _is_record(line)]
    dropped = sum(map(len, lines)) - sum(map(len, whole))
    if dropped:
        with replaced(journal) as temporary:
            temporary.write_bytes(b"".join(whole))
        log.warning("%s: dropped %d bytes of records that were never finished", journal, dropped)
    return dropped


def _is_record(line: bytes) -> bool:
    if not line.endswith(b"\n"):
        return False
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


class StudyStore:
    """The Optuna study of a study folder, and its artifacts."""

    def __init__(self, folder: Path, name: str, *, rescored: int | None = None) -> None:
        """Open or create; call ``reap`` under ``night_lock`` before the first trial of a night.

        Args:
            folder: of the study.
            name: of the study.
            rescored: which of its scorings, 0 being the first; None: the newest that is whole.
        """
        self.folder = folder
        self.name = name
        artifacts = folder / "artifacts"
        artifacts.mkdir(parents=True, exist_ok=True)
        self.artifacts = FileSystemArtifactStore(artifacts)
        journal = folder / "journal.log"
        self.storage = JournalStorage(JournalFileBackend(str(journal), lock_obj=JournalFileOpenLock(str(journal))))
        sampler = optuna.samplers.RandomSampler(seed=0)  # never asked: every trial carries its point
        known = {study.study_name: study for study in self.storage.get_all_studies()}  # reading must not write
        whole = [n for n in range(1, len(known)) if (one := known.get(_title(name, n))) and WHOLE in one.user_attrs]
        self.rescored = max(whole, default=0) if rescored is None else rescored
        title = _title(name, self.rescored)
        self.study = (
            optuna.load_study(study_name=title, storage=self.storage, sampler=sampler)
            if title in known
            else optuna.create_study(study_name=title, storage=self.storage, sampler=sampler, direction="maximize")
        )

    def successor(self) -> StudyStore:
        """An empty study beside this one, for the same trials with other scores; `seal` lets it take this one's place.

        What an earlier attempt left of it is deleted.
        """
        title = _title(self.name, self.rescored + 1)
        if title in optuna.get_all_study_names(self.storage):
            optuna.delete_study(study_name=title, storage=self.storage)
        return StudyStore(self.folder, self.name, rescored=self.rescored + 1)

    def copy(self, trial: FrozenTrial, value: float | None, attributes: Mapping[str, Any]) -> Trial:
        """Add a finished trial with other scores, its number and its pictures kept.

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
        return Trial(self.study, added._trial_id)  # pyright: ignore[reportPrivateUsage] - as in `reap`

    def seal(self) -> None:
        """Say that every trial was copied: from now on this study is the one that is opened."""
        self.note(WHOLE, True)

    @property
    def number(self) -> int:
        """The study's number in its storage, as the dashboard's addresses have it."""
        return self.study._study_id  # pyright: ignore[reportPrivateUsage] - Optuna has no public name for it

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether a study was ever started in the folder."""
        return (folder / "journal.log").exists()

    def reap(self) -> int:
        """Fail the trials that a killed night left behind; returns how many."""
        stale = self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.WAITING))
        for trial in stale:
            number = trial._trial_id  # pyright: ignore[reportPrivateUsage] - the storage's own API asks for it
            self.storage.set_trial_user_attr(number, "reason", INTERRUPTED)
            self.storage.set_trial_state_values(number, TrialState.FAIL)
        return len(stale)

    def trials(self) -> list[FrozenTrial]:
        """Every trial that ended on its own account, in order."""
        ended = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.FAIL))
        return [trial for trial in ended if trial.user_attrs.get("reason") != INTERRUPTED]

    def history(self) -> list[Told]:
        """What the suggester needs to know of ``trials()``; failed and infeasible ones have no value."""
        return [
            Told(
                number=index,
                stage=str(trial.user_attrs["stage"]),
                point=dict(trial.params),
                value=trial.value if trial.state is TrialState.COMPLETE else None,
                standard_error=trial.user_attrs.get("standard_error"),
                infeasible=str(trial.user_attrs.get("reason", "")).startswith(INFEASIBLE),
                slots=tuple(trial.user_attrs.get(SLOTS, ())),
            )
            for index, trial in enumerate(self.trials())
        ]

    def begin(self, proposal: Proposal, distributions: Mapping[str, BaseDistribution]) -> Trial:
        """Record a proposal as a trial and take it into work, all its parameters in one write."""
        self.study.add_trial(
            optuna.create_trial(
                state=TrialState.WAITING,
                params={name: proposal.point[name] for name in distributions},
                distributions=dict(distributions),
                user_attrs={"stage": proposal.stage, SLOTS: list(proposal.slots)},
            )
        )
        return self.study.ask()

    def fail(self, trial: Trial, reason: str) -> None:
        """End a trial without a value, for a reason that is kept with it."""
        trial.set_user_attr("reason", reason)
        self.study.tell(trial, state=TrialState.FAIL)

    def attach(self, trial: Trial, picture: Path) -> str:
        """Store a picture as an artifact of a trial in work; returns the artifact's id."""
        return upload_artifact(
            artifact_store=self.artifacts,
            file_path=str(picture),
            study_or_trial=trial,
            mimetype=f"image/{picture.suffix.lstrip('.')}",
        )

    def note(self, key: str, value: Any) -> None:
        """Store a fact about the whole study, as JSON."""
        self.study.set_user_attr(key, value)

    def noted(self, key: str) -> Any:
        """A fact stored by ``note``, or None."""
        return self.study.user_attrs.get(key)


def complete(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """The trials with a value, best first."""
    done = [trial for trial in trials if trial.state is TrialState.COMPLETE and trial.value is not None]
    return sorted(done, key=lambda trial: -(trial.value or 0.0))

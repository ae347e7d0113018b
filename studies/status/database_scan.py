"""A study in a database, read for what its status needs: through Optuna, which keeps what it read of ended trials."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from studies.status.journal_scan import ScannedStudy, TrialFacts
from studies.status.living import LivingWorker, worker_of

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from studies.store.backends.requests import NightRequest
    from studies.store.storage import StudyStore


class DatabaseScan:
    """A study as it was read last; see `JournalScan`, which reads the other kind."""

    damaged = 0
    """A database has no damaged lines."""

    def __init__(self, file: Path) -> None:
        """``file`` is the study file; nothing is read yet."""
        self._file = file
        self._store: StudyStore | None = None
        self._study: ScannedStudy | None = None

    def read(self) -> DatabaseScan:
        """Read the study; returns itself.

        Raises:
            StudyError: the study file has mistakes, or the database does not answer.
        """
        from studies.store.backends.of_study import backend_of
        from studies.store.storage import StudyStore
        from studies.studyfile.read import read_study_file

        storage = read_study_file(self._file).storage
        backend = self._store.backend if self._store else backend_of(storage)
        if not backend.exists():
            return self
        if self._store is None or self._store.rescored != self._store.newest_scoring():
            self._store = StudyStore(storage.folder, storage.name, backend=backend)
        trials = self._store.study.get_trials(deepcopy=False)
        notes: Mapping[str, Any] = self._store.study.user_attrs
        self._study = ScannedStudy(name=storage.name, notes=dict(notes), trials=list(map(_facts, trials)))
        return self

    def study(self, name: str) -> ScannedStudy | None:
        """Return the study, where it has begun."""
        return self._study if self._study is not None and self._study.name == name else None

    def living(self) -> tuple[LivingWorker, ...]:
        """Return the workers that live, on all machines; when they joined is when their first trial began."""
        if self._store is None or self._study is None:
            return ()
        begun = [(trial.worker, trial.begun) for trial in reversed(self._study.trials) if trial.begun]
        return tuple(worker_of(name, _moment(dict(begun).get(name))) for name in sorted(self._store.backend.at_work()))

    def asked(self) -> frozenset[NightRequest]:
        """Return what is asked of the night."""
        return self._store.backend.requests.asked() if self._store is not None else frozenset()


def _facts(trial: FrozenTrial) -> TrialFacts:
    return TrialFacts(
        number=trial.number,
        state=int(trial.state),
        score=trial.value if trial.values else None,
        begun=trial.datetime_start.isoformat() if trial.datetime_start else "",
        ended=trial.datetime_complete.isoformat() if trial.datetime_complete else "",
        attributes=trial.user_attrs,
    )


def _moment(text: str | None) -> datetime:
    return (datetime.fromisoformat(text) if text else datetime.now(UTC)).astimezone()

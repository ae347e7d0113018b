"""A study that is kept in its own folder: a journal, a folder of artifacts, and locks of the operating system."""

from __future__ import annotations

from collections.abc import Callable, Container, Generator, Hashable, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import cached_property
from pathlib import Path

from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial

from studies.store.backends.artifact_files import ArtifactFiles
from studies.store.backends.backend import KeptFiles
from studies.store.backends.journal import workers
from studies.store.backends.journal.journal import (
    JournalFile,
    cut_torn_record,
    is_writable,
    journal_of,
    refuse_damage,
    refuse_other_study,
)
from studies.store.backends.locks import NoLocksError, ReadOnlyError, held
from studies.store.backends.requests import FolderRequests

ARTIFACTS = "artifacts"
"""The folder, within a study's, of the trials' pictures."""
WORKER = "worker"
"""Key of a trial's worker."""


class FolderFiles:
    """The study's folder is the one place where files are kept."""

    def bring(self, path: Path, *, newest: bool = False) -> bool:
        """Return whether the file is there."""
        return path.is_file()

    def share(self, path: Path) -> None:
        """It is shared as it is: all workers have this folder."""

    def withdraw(self, path: Path) -> None:
        """It is not in the folder any more, so nobody has it."""


class JournalBackend:
    """See `studies.store.backends.backend.Backend`."""

    files: KeptFiles = FolderFiles()

    def __init__(self, folder: Path, name: str) -> None:
        """Nothing is opened yet.

        Args:
            folder: of the study.
            name: of the study.
        """
        self._folder = folder
        self._name = name

    @property
    def place(self) -> str:
        """The journal's path."""
        return str(journal_of(self._folder))

    @cached_property
    def _journal(self) -> JournalFile:
        return JournalFile(journal_of(self._folder))

    @cached_property
    def _storage(self) -> JournalStorage:
        return JournalStorage(self._journal)

    @property
    def storage(self) -> JournalStorage:
        """The journal; it is made where it is not there."""
        return self._storage

    @property
    def artifacts(self) -> ArtifactFiles:
        """The folder of the trials' pictures; it is made where it is not there."""
        folder = self._folder / ARTIFACTS
        folder.mkdir(parents=True, exist_ok=True)
        return ArtifactFiles(folder)

    @property
    def requests(self) -> FolderRequests:
        """Files in the study's folder."""
        return FolderRequests(self._folder)

    def picture(self, artifact: str) -> Path:
        """Return the file of an artifact; see `Backend`."""
        return self.artifacts.path(artifact)

    def exists(self) -> bool:
        """Whether a study was ever started in the folder."""
        return journal_of(self._folder).exists()

    def refuse_unusable(self) -> None:
        """Refuse a journal that is damaged, or another study's; see `Backend`."""
        refuse_damage(self._folder, self._name)
        refuse_other_study(self._folder, self._name)

    def is_writable(self) -> bool:
        """Whether the journal can be appended to."""
        return is_writable(journal_of(self._folder))

    def mark(self) -> Hashable:
        """Return what a journal shows of having changed."""
        try:
            status = journal_of(self._folder).stat()
        except OSError:
            return None
        return status.st_ino, status.st_size, status.st_mtime_ns

    def one_write(self) -> AbstractContextManager[None]:
        """Write all of the block or nothing."""
        return self._journal.one_write()

    def joined(self, waiting: Callable[[], None]) -> AbstractContextManager[workers.Worker]:
        """Be a worker; see `studies.store.backends.journal.workers.joined`."""
        return workers.joined(self._folder, waiting)

    @contextmanager
    def alone(self) -> Generator[None]:
        """Have the study alone, without a torn last record; see `studies.store.backends.journal.workers.alone`."""
        with workers.alone(self._folder):
            cut_torn_record(journal_of(self._folder))
            yield

    def tidy(self) -> None:
        """Cut off a torn last record; a night at work does it itself, and where nobody may write it is read over."""
        with suppress(workers.BusyError, NoLocksError, ReadOnlyError), self.alone():
            pass

    @contextmanager
    def made_whole(self) -> Generator[str]:
        """Make a study; its folder is another one until then, see `Backend`."""
        yield self._name

    def at_work(self) -> frozenset[str]:
        """Names of the workers that live."""
        return workers.at_work(self._folder)

    def held(self, name: str, busy: Callable[[], None] = lambda: None) -> AbstractContextManager[None]:
        """Hold a lock in the study's folder."""
        return held(self._folder, name, busy=busy)

    def begun(self, trial: int) -> None:
        """The worker's lock shows that it lives, so nothing is to be said of its trial."""

    def lost(self, study: int, trials: Sequence[FrozenTrial], alive: Container[str]) -> list[FrozenTrial]:
        """Return the trials whose workers' locks are free."""
        del study
        return [trial for trial in trials if trial.user_attrs.get(WORKER, "") not in alive]

    def hurry(self) -> None:
        """A folder answers at once."""

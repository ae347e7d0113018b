"""A study's storage, opened for reading."""

from __future__ import annotations

from studies.errors import StudyError
from studies.store.backends.backend import Backend
from studies.store.backends.of_study import backend_of
from studies.store.judged.outcome import RESULTS
from studies.store.storage import StudyStore
from studies.studyfile.spec import Storage


def open_store(storage: Storage) -> StudyStore:
    """The study's storage, for reading; a torn last record is cut off.

    Raises:
        StudyError: the study was never run, the folder holds another one, or its journal is damaged.
    """
    backend = _begun(storage)
    backend.tidy()
    return _opened(storage, backend)


def store_for_reading(storage: Storage) -> StudyStore:
    """The study's storage, without a lock that a night could wait for; a torn last record is read over.

    Raises:
        StudyError: the study was never run, the folder holds another one, or its journal is damaged.
    """
    return _opened(storage, _begun(storage))


def _begun(storage: Storage) -> Backend:
    backend = backend_of(storage)
    if not backend.exists():
        backend.refuse_unusable()
        raise not_run(storage)
    return backend


def _opened(storage: Storage, backend: Backend) -> StudyStore:
    store = StudyStore(storage.folder, storage.name, backend=backend)
    bring_results(storage, backend)
    return store


def bring_results(storage: Storage, backend: Backend) -> None:
    """Have the newest outcome in the study's folder, whichever machine made the proof."""
    for name in RESULTS:
        backend.files.bring(storage.folder / name, newest=True)


def not_run(storage: Storage, what: str = "this study has not been run yet") -> StudyError:
    """The error of a study that a run has to begin first."""
    return StudyError(what, place=(storage.folder,), remedy=f"recipe-search run {storage.file}")

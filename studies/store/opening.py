"""A study's storage, opened for reading."""

from __future__ import annotations

from contextlib import suppress

from studies.errors import StudyError
from studies.store.journal import cut_torn_record, journal_of, refuse_damage, refuse_other_study
from studies.store.locks import NoLocksError, ReadOnlyError
from studies.store.storage import StudyStore
from studies.store.workers import BusyError, alone
from studies.studyfile.spec import Storage


def open_store(storage: Storage) -> StudyStore:
    """The study's storage, for reading; a torn last record is cut off.

    Raises:
        StudyError: the study was never run, the folder holds another one, or its journal is damaged.
    """
    _refuse_nothing_there(storage)
    # A night at work finishes its records itself; where nothing can be written, a torn last record is read over.
    with suppress(BusyError, NoLocksError, ReadOnlyError), alone(storage.folder):
        cut_torn_record(journal_of(storage.folder))
    return StudyStore(storage.folder, storage.name)


def store_for_reading(storage: Storage) -> StudyStore:
    """The study's storage, without a lock that a night could wait for; a torn last record is read over.

    Raises:
        StudyError: the study was never run, the folder holds another one, or its journal is damaged.
    """
    _refuse_nothing_there(storage)
    return StudyStore(storage.folder, storage.name)


def _refuse_nothing_there(storage: Storage) -> None:
    refuse_other_study(storage.folder, storage.name)
    if not StudyStore.exists(storage.folder):
        refuse_damage(storage.folder, storage.name)
        raise not_run(storage)


def not_run(storage: Storage, what: str = "this study has not been run yet") -> StudyError:
    """The error of a study that a run has to begin first."""
    return StudyError(what, place=(storage.folder,), remedy=f"recipe-search run {storage.file}")

"""Which backend a study has, by its file: the journal of its folder, or a database."""

from __future__ import annotations

from studies.store.backends.backend import Backend
from studies.store.backends.journal.journal_backend import JournalBackend
from studies.studyfile.spec import Storage


def backend_of(storage: Storage) -> Backend:
    """Return what keeps a study; nothing is opened yet.

    Raises:
        StudyError: what opens databases is not installed.
    """
    if not storage.url:
        return JournalBackend(storage.folder, storage.name)
    from studies.store.backends.database.backend import DatabaseBackend

    return DatabaseBackend(storage)

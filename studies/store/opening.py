"""A study's storage, opened for reading."""

from __future__ import annotations

from contextlib import suppress

from studies.errors import StudyError
from studies.store.journal import repair
from studies.store.storage import StudyStore
from studies.store.workers import BusyError, alone
from studies.studyfile.read import StudySpec


def open_store(spec: StudySpec) -> StudyStore:
    """The study's storage, for reading.

    Raises:
        StudyError: the study was never run.
    """
    if not StudyStore.exists(spec.folder):
        raise StudyError(f"{spec.folder}: this study has not been run yet; recipe-search run {spec.file}")
    with suppress(BusyError), alone(spec.folder):  # a night at work finishes its records itself
        repair(spec.folder / "journal.log")
    return StudyStore(spec.folder, spec.name)

"""The inputs of a study in a database: published by its first worker, for those that come with the models alone."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from engine.checkpoints.checkpoint import file_sha256
from studies.joining.bundle import WANTED, Bundle
from studies.store.storage import StudyStore
from studies.studyfile.spec import StudySpec

log = logging.getLogger(__name__)

ARCHIVE = "inputs.zip"
"""The archive, in the study's folder of every machine."""
PUBLISHED = "inputs published"
"""Key of the study's note of the archive's SHA-256, and of where artifacts lie."""


def publish_inputs(spec: StudySpec, store: StudyStore, models: Mapping[str, str]) -> None:
    """Let workers of other machines have the study file and what it names; does nothing for a journal.

    Args:
        spec: the study.
        store: its storage.
        models: SHA-256 of its model files, by letter.

    Raises:
        StudyError: something of it cannot be had on another machine.
    """
    if not spec.storage.url or (spec.storage.file.parent / WANTED).exists():  # a worker that got it so
        return
    archive = spec.storage.folder / ARCHIVE
    with store.backend.held(ARCHIVE):
        Bundle.of(spec).write(archive, models)
        note = {"sha256": file_sha256(archive), "artifacts": spec.storage.artifacts}
        if store.noted(PUBLISHED) != note:
            store.backend.files.share(archive)
            store.note(PUBLISHED, note)
            log.info("the study file and what it names are published for other machines")


def archive_in(folder: Path) -> Path:
    """Return where a study's archive lies."""
    return folder / ARCHIVE

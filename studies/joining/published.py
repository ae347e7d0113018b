"""The inputs of a study in a database: published by its first worker, for those that come with the models alone."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from engine.checkpoints.checkpoint import file_sha256
from studies.errors import StudyError
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

    Where something cannot be had on another machine, that is a warning, and nothing is published.

    Args:
        spec: the study.
        store: its storage.
        models: SHA-256 of its model files, by letter.
    """
    if not spec.storage.url or (spec.storage.file.parent / WANTED).exists():  # a worker that got it so
        return
    archive = spec.storage.folder / ARCHIVE
    try:
        bundle = Bundle.of(spec)
    except StudyError as error:  # this machine has everything, and so may others that have a study file of their own
        log.warning("`recipe-search worker` cannot join from other machines: %s", error)
        return
    with store.backend.held(ARCHIVE):
        bundle.write(archive, models)
        note = {"sha256": file_sha256(archive), "artifacts": spec.storage.artifacts}
        if store.noted(PUBLISHED) != note:
            store.backend.files.share(archive)
            store.note(PUBLISHED, note)
            log.info("the study file and what it names are published for other machines")


def archive_in(folder: Path) -> Path:
    """Return where a study's archive lies."""
    return folder / ARCHIVE

"""What a pin can be exported to, an entry each; pages offer all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from studies.inputs.models import model_hashes
from studies.review.export import export_file, export_pin, vae_note
from studies.store.journal import refuse_other_study
from studies.store.pins import Pin
from studies.studyfile.spec import Storage, StudySpec

if TYPE_CHECKING:
    from studies.inputs.hashes import BytesProgress

ExportWriter = Callable[[StudySpec, Pin, "BytesProgress", "BytesProgress"], tuple[str, ...]]
"""Writes a pin: given the study, the pin, and what is called with (bytes done, bytes in all) as the models are read and
as the file is written. Returns what was written, a line each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportTarget:
    """One form in which a pin can be written."""

    name: str
    """In addresses and forms."""
    file: Callable[[Storage, Pin], Path]
    """Where it is written; what is there already is not written again."""
    write: ExportWriter


def _write_checkpoint(spec: StudySpec, pin: Pin, reading: BytesProgress, writing: BytesProgress) -> tuple[str, ...]:
    """Write the checkpoint as `recipe-search export` does where nothing else is asked for.

    Raises:
        StudyError, CheckpointError: as `export_pin`.
    """
    from engine.merging.output import Output

    refuse_other_study(spec.storage.folder, spec.storage.name)
    models, output = model_hashes(spec.merge, spec.storage, reading, afresh=True), Output()
    done = export_pin(spec.storage, spec.merge, spec.rendering, pin, output=output, models=models, progress=writing)
    note = vae_note(spec.rendering, output, done)
    return (done.checkpoint.path.name, f"sha256 {done.checkpoint.sha256}", *([note] if note else []))


EXPORT_TARGETS = {
    one.name: one for one in (ExportTarget(name="checkpoint", file=export_file, write=_write_checkpoint),)
}
"""All of them, by name."""

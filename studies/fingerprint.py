"""What a study's numbers depend on. It is stored with the first trial, and a night with other inputs is refused."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from studies.embeddings import embedding_hashes
from studies.errors import StudyError
from studies.storage import StudyStore
from studies.studyfile import StudySpec
from studies.upscalers import upscaler_hashes
from studies.workshop import vae_hash

if TYPE_CHECKING:
    from studies.workshop import Workshop

log = logging.getLogger(__name__)

LIBRARIES = ("torch", "diffusers", "transformers", "open_clip_torch", "optuna", "numpy")


def refuse_changes(store: StudyStore, spec: StudySpec, models: Mapping[str, str], workshop: Workshop) -> None:
    """Compare the inputs with those of the study's first night, or store them if this is the first.

    Other libraries or another device change pictures by rounding only: they are warned of, not refused.

    Raises:
        StudyError: the study file, a checkpoint, the VAE, the references, an embedding, an upscaler or the scorers
            changed.
    """
    inputs: dict[str, Any] = {**spec.fingerprint(), "panel": workshop.panel.version}
    inputs |= {f"models.{letter}": digest for letter, digest in models.items()}
    inputs |= vae_hash(spec)
    inputs |= {f"embeddings.{name}": digest for name, digest in embedding_hashes(spec).items()}
    inputs |= {f"upscalers.{name}": digest for name, digest in upscaler_hashes(spec).items()}
    surroundings = {name: version(name) for name in LIBRARIES} | {"device": str(workshop.engine.device)}
    known = store.noted("inputs")
    if known is None:
        store.note("inputs", inputs)
        store.note("surroundings", surroundings)
        return
    changed = [
        f"  {name}: was {known.get(name, 'not set')}, is {inputs.get(name, 'not set')}"
        for name in differing(known, inputs)
    ]
    if changed:
        raise StudyError(
            f"{spec.folder}: this study began with other inputs, and scores of both would not compare:\n"
            + "\n".join(changed)
            + "\nput them back, or give the study another name to start a new one"
        )
    before = store.noted("surroundings")
    for name in differing(before, surroundings):
        log.warning("%s was %s when the study began and is %s now", name, before.get(name), surroundings.get(name))


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Names whose values differ between two mappings, sorted."""
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))

"""The inputs of a study's numbers: stored in its first night; a later night with other inputs is refused."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from studies.errors import StudyError
from studies.inputs.assets import embedding_hashes, upscaler_hashes
from studies.inputs.models import MODELS, vae_hashes
from studies.store.storage import StudyStore
from studies.studyfile.spec import Storage, StudySpec

if TYPE_CHECKING:
    from studies.night.workshop import Workshop

log = logging.getLogger(__name__)

PANEL = "panel"
"""Name of the panel's version among the inputs."""
INPUTS, JUDGED_BY, SURROUNDINGS = "inputs", "judged by", "surroundings"
"""Keys of the study's notes: hashes of all inputs; the parts of the panel; libraries and device."""
LIBRARIES = ("torch", "diffusers", "transformers", "open_clip_torch", "optuna", "numpy")


def refuse_changes(store: StudyStore, storage: Storage, inputs: Mapping[str, str], workshop: Workshop) -> None:
    """Compare the inputs with those of the study's first night, or store them if this is the first.

    Other libraries or another device change pictures by rounding only: they are warned of, not refused.

    Args:
        store: the study's storage.
        storage: names the study in messages.
        inputs: as `inputs_of` returns them.
        workshop: the panel and the device.

    Raises:
        StudyError: the study file, a checkpoint, the VAE, the references, an embedding, an upscaler or the scorers
            changed.
    """
    # Workers on cuda:0 and cuda:1 have the same surroundings.
    surroundings = {name: version(name) for name in LIBRARIES} | {"device": workshop.device.type}
    known = store.noted(INPUTS)
    if known is None:
        store.note(INPUTS, dict(inputs))
        store.note(JUDGED_BY, dict(workshop.panel.made_of))
        store.note(SURROUNDINGS, surroundings)
        return
    changed = [
        f"  {name}: was {known.get(name, 'not set')}, is {inputs.get(name, 'not set')}"
        for name in differing(known, inputs)
    ]
    if differing(known, inputs) == [PANEL]:
        what = panel_changes(store.noted(JUDGED_BY) or {}, workshop.panel.made_of)
        raise StudyError(
            f"what judges pictures changed ({'; '.join(what) or 'the versions of the scorers'}), and scores "
            f"of both would not compare",
            place=(storage.folder,),
            remedy=f"`recipe-search rescore {storage.file}` judges all trials anew, or put it back",
        )
    if changed:
        raise StudyError(
            "this study began with other inputs, and scores of both would not compare:\n"
            + "\n".join(changed)
            + "\nput them back, or give the study another name to start a new one",
            place=(storage.folder,),
        )
    before = store.noted(SURROUNDINGS)
    for name in differing(before, surroundings):
        log.warning("%s was %s when the study began and is %s now", name, before.get(name), surroundings.get(name))


def inputs_of(spec: StudySpec, models: Mapping[str, str], workshop: Workshop) -> dict[str, str]:
    """Everything that a study's numbers depend on, by name."""
    inputs = {**spec.fingerprint(), PANEL: workshop.panel.version}
    inputs |= {f"{MODELS}{letter}": digest for letter, digest in models.items()}
    inputs |= vae_hashes(spec.rendering, spec.storage)
    embeddings, upscalers = embedding_hashes(spec.rendering, spec.shots), upscaler_hashes(spec.rendering, spec.shots)
    inputs |= {f"embeddings.{name}": digest for name, digest in embeddings.items()}
    return inputs | {f"upscalers.{name}": digest for name, digest in upscalers.items()}


def kept_device(store: StudyStore) -> str:
    """The kind of device ("cpu", "cuda") that a study's kept renders were made on; "cpu" where nothing says it."""
    surroundings = store.noted(SURROUNDINGS) or {}
    return str(surroundings.get("device", "cpu")).partition(":")[0]


def panel_changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """How two panels differ, for people; both as ``Panel.made_of`` has them, ``before`` may be unknown."""
    lines: list[str] = []
    for name in differing(before, now) if before else ():
        old, new = before.get(name), now.get(name)
        if isinstance(old, list) and isinstance(new, list):
            gone, come = len(set(old) - set(new)), len(set(new) - set(old))
            lines.append(f"{name}: {come} new, {gone} gone")
        elif isinstance(old, dict | None) and isinstance(new, dict | None):
            old, new = old or {}, new or {}
            texts = [f"{key} {old.get(key, 'none')} -> {new.get(key, 'none')}" for key in differing(old, new)]
            lines.append(f"{name}: {', '.join(texts)}")
        else:
            lines.append(f"{name}: {old} -> {new}")
    return lines


def differing(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Names whose values differ between two mappings, sorted."""
    return sorted(name for name in {*one, *other} if one.get(name) != other.get(name))

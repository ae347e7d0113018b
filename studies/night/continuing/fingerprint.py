"""The inputs of a study's numbers: stored in its first night; a later night with other inputs is refused."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING

from studies.errors import StudyError
from studies.inputs.assets import embedding_hashes, upscaler_hashes
from studies.inputs.models import MODELS, model_hashes, vae_hashes
from studies.night.continuing.differences import changed_inputs, differing, panel_changes
from studies.night.continuing.searched import PACKAGES
from studies.sample.former import changed_note
from studies.store.backends.journal.journal import studies_in
from studies.store.backends.of_study import backend_of
from studies.store.note_keys import INPUTS, SEARCHED
from studies.store.storage import StudyStore
from studies.studyfile.spec import Storage, StudySpec

if TYPE_CHECKING:
    from scorers.panel.panel import Panel
    from studies.night.workshop import Workshop

log = logging.getLogger(__name__)

PANEL = "panel"
"""Name of the panel's version among the inputs."""
JUDGED_BY, SURROUNDINGS = "judged by", "surroundings"
"""Keys of the study's notes: the parts of the panel; libraries and device."""
NOISE_LEVELS = "noise levels"
"""Name of how noise levels are rounded among the surroundings, which changes the noise of the SDE samplers."""
SURROUNDINGS_BEFORE = {NOISE_LEVELS: "float64"}
"""Surroundings that studies of before lack: in float64 until the levels became those of the WebUI, bit for bit."""
LIBRARIES = ("torch", "diffusers", "transformers", "open_clip_torch", "optuna", "numpy")


def refuse_changes(store: StudyStore, storage: Storage, inputs: Mapping[str, str], workshop: Workshop) -> None:
    """Compare the inputs with those of the study's first night, or store them if this is the first.

    Other libraries, another device or other roundings of noise levels change pictures by rounding, and the noise of the
    SDE samplers by a few percent at most: they are warned of, not refused.

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
    surroundings[NOISE_LEVELS] = "float32"
    if store.noted(INPUTS) is None:
        store.note(INPUTS, dict(inputs))
        store.note(JUDGED_BY, dict(workshop.panel.made_of))
        store.note(SURROUNDINGS, surroundings)
        return
    refuse_other_inputs(store, storage, inputs, workshop.panel)
    before = SURROUNDINGS_BEFORE | (store.noted(SURROUNDINGS) or {})
    told = PACKAGES if store.noted(SEARCHED) else ()
    for name in (name for name in differing(before, surroundings) if name not in told):
        log.warning("%s was %s when the study began and is %s now", name, before.get(name), surroundings.get(name))


def refuse_other_inputs(store: StudyStore, storage: Storage, inputs: Mapping[str, str], panel: Panel) -> None:
    """Compare the inputs with those of the study's first night, if there was one.

    Args:
        store: the study's storage.
        storage: names the study in messages.
        inputs: as `inputs_of` returns them.
        panel: which they speak of.

    Raises:
        StudyError: as `refuse_changes`.
    """
    known = store.noted(INPUTS)
    if known is None:
        return
    changed = changed_inputs(known, inputs)
    if differing(known, inputs) == [PANEL]:
        what = panel_changes(store.noted(JUDGED_BY) or {}, panel.made_of)
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
            + "\nput them back, or give the study another name to start a new one"
            + changed_note(known.values()),
            place=(storage.folder,),
        )


def refuse_other_inputs_than_before(spec: StudySpec, panel: Panel) -> None:
    """Compare the inputs of a study that was begun with those of its first night, before a night renders anything.

    Args:
        spec: the study.
        panel: its scorers, opened.

    Raises:
        StudyError: as `refuse_changes`.
        EngineError: a file of the inputs cannot be read.
    """
    storage = spec.storage
    backend = backend_of(storage)
    if not storage.url and storage.name not in studies_in(storage.folder):
        return
    if not backend.exists():
        return
    store = StudyStore(storage.folder, storage.name, backend=backend)
    refuse_other_inputs(store, storage, inputs_of(spec, model_hashes(spec.merge, storage), panel), panel)


def inputs_of(spec: StudySpec, models: Mapping[str, str], panel: Panel) -> dict[str, str]:
    """Everything that a study's numbers depend on, by name."""
    inputs = {**spec.fingerprint(), PANEL: panel.version}
    inputs |= {f"{MODELS}{letter}": digest for letter, digest in models.items()}
    inputs |= vae_hashes(spec.rendering, spec.storage)
    embeddings, upscalers = embedding_hashes(spec.rendering, spec.shots), upscaler_hashes(spec.rendering, spec.shots)
    inputs |= {f"embeddings.{name}": digest for name, digest in embeddings.items()}
    return inputs | {f"upscalers.{name}": digest for name, digest in upscalers.items()}


def kept_device(store: StudyStore) -> str:
    """The kind of device ("cpu", "cuda") that a study's kept renders were made on; "cpu" where nothing says it."""
    surroundings = store.noted(SURROUNDINGS) or {}
    return str(surroundings.get("device", "cpu")).partition(":")[0]

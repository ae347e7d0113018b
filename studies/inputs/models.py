"""Hashes of the model and VAE files of a study."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from studies.studyfile.spec import Merge, Rendering, Storage

if TYPE_CHECKING:
    from studies.inputs.hashes import BytesProgress

MODELS = "models."
"""What the names of the models' hashes begin with, among the inputs of a study."""


def model_hashes(
    merge: Merge, storage: Storage, progress: BytesProgress | None = None, *, afresh: bool = False
) -> dict[str, str]:
    """SHA-256 of every model file, by letter, remembered beside the study.

    Args:
        merge: names the files.
        storage: of the study.
        progress: called with (bytes hashed, bytes in all) as files are hashed.
        afresh: read every file whole, whatever is remembered.
    """
    from studies.inputs.hashes import hashes_of

    return hashes_of(merge.models, storage.hashes, progress, afresh=afresh)


def vae_hashes(rendering: Rendering, storage: Storage, *, afresh: bool = False) -> dict[str, str]:
    """SHA-256 of every VAE file of a study, under its key, remembered beside the study.

    The keys are `render.vae`, or `space.vae.` and a word of the choice. ``afresh`` as in `model_hashes`.
    """
    from studies.inputs.hashes import hashes_of

    return hashes_of(_vae_files(rendering), storage.hashes, afresh=afresh)


def swapped_files(
    merge: Merge, rendering: Rendering, storage: Storage, inputs: Mapping[str, str], progress: BytesProgress | None
) -> tuple[Path, ...]:
    """The model and VAE files that are not those of a study's beginning; every file is read whole.

    Args:
        merge: names the models.
        rendering: names the VAEs.
        storage: of the study.
        inputs: SHA-256 by the name of the input, as the study keeps them; those of other inputs are passed over, and
            so are files that are gone: what is not there is not taken for another.
        progress: called with (bytes hashed, bytes in all).
    """
    from studies.inputs.hashes import hashes_of

    files = {f"{MODELS}{letter}": path for letter, path in merge.models.items()} | _vae_files(rendering)
    there = {name: path for name, path in files.items() if name in inputs and path.is_file()}
    now = hashes_of(there, storage.hashes, progress, afresh=True)
    return tuple(path for name, path in there.items() if now[name] != inputs[name])


def _vae_files(rendering: Rendering) -> dict[str, Path]:
    files = {f"space.vae.{word}": path for word, path in rendering.vaes.items() if path is not None}
    return files | ({"render.vae": rendering.vae} if rendering.vae else {})

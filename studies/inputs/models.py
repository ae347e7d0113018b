"""Hashes of the model and VAE files of a study."""

from __future__ import annotations

from studies.studyfile.spec import Merge, Rendering, Storage


def model_hashes(merge: Merge, storage: Storage) -> dict[str, str]:
    """SHA-256 of every model file, by letter, remembered beside the study."""
    from studies.inputs.hashes import hashes_of

    return hashes_of(merge.models, storage.hashes)


def vae_hashes(rendering: Rendering, storage: Storage) -> dict[str, str]:
    """SHA-256 of every VAE file of a study, under its key, remembered beside the study.

    The keys are `render.vae`, or `space.vae.` and a word of the choice.
    """
    from studies.inputs.hashes import hashes_of

    files = {f"space.vae.{word}": path for word, path in rendering.vaes.items() if path is not None}
    files |= {"render.vae": rendering.vae} if rendering.vae else {}
    return hashes_of(files, storage.hashes)

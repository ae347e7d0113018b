"""Hashes of the model and VAE files of a study."""

from __future__ import annotations

from studies.studyfile.read import StudySpec


def model_hashes(spec: StudySpec) -> dict[str, str]:
    """SHA-256 of every model file, by letter, remembered beside the study."""
    from studies.inputs.hashes import hashes_of

    return hashes_of(spec.models, spec.folder / "hashes.json")


def vae_hashes(spec: StudySpec) -> dict[str, str]:
    """SHA-256 of every VAE file of a study, under its key, remembered beside the study.

    The keys are `render.vae`, or `space.vae.` and a word of the choice.
    """
    from studies.inputs.hashes import hashes_of

    files = {f"space.vae.{word}": path for word, path in spec.vaes.items() if path is not None}
    files |= {"render.vae": spec.vae} if spec.vae else {}
    return hashes_of(files, spec.folder / "hashes.json")

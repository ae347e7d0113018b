"""The upscaler models that a study's hires fix names: whether they can be used, and the hashes of their files."""

from __future__ import annotations

from studies.studyfile import StudySpec


def upscaler_names(spec: StudySpec) -> tuple[str, ...]:
    """The model files that the study's shots are enlarged with, by name, sorted."""
    shots = (*spec.shots, *spec.proof_shots)
    return tuple(sorted({shot.hires.model for shot in shots if shot.hires and shot.hires.model}))


def upscaler_hashes(spec: StudySpec) -> dict[str, str]:
    """SHA-256 of every upscaler's file that the study names, by the upscaler's name.

    Raises:
        RenderError: there is no such folder, no such file, or several.
    """
    names = upscaler_names(spec)
    if spec.upscalers is None or not names:
        return {}
    from engine.upscaler_folder import UpscalerFolder

    return UpscalerFolder(spec.upscalers).hashes(names)


def refuse_unusable(spec: StudySpec) -> None:
    """Read every upscaler that the study names.

    Raises:
        RenderError: one is not there, is no upscaler, or the package that runs it is missing.
    """
    names = upscaler_names(spec)
    if spec.upscalers is None or not names:
        return
    import torch

    from engine.upscaler_folder import UpscalerFolder

    folder = UpscalerFolder(spec.upscalers)
    for name in names:
        folder.opened(name, torch.device("cpu"))

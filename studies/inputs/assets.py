"""The embeddings that a study's prompts name, and the hashes of their files: other files give other pictures."""

from __future__ import annotations

from engine.architecture.widths import Widths
from studies.studyfile.spec import Rendering, StudyShots


def embedding_hashes(rendering: Rendering, shots: StudyShots) -> dict[str, str]:
    """SHA-256 of every embedding file that a prompt or negative of the study names, by the embedding's name.

    Raises:
        RenderError: a file cannot be read, or several answer to one name.
    """
    if rendering.embeddings is None:
        return {}
    from engine.prompts.embeddings import EmbeddingFolder

    prompts, negatives = {shot.prompt for shot in shots.passes}, {shot.negative for shot in shots.passes}
    return EmbeddingFolder(rendering.embeddings).hashes(prompts, negatives)


def refuse_misfits(rendering: Rendering, shots: StudyShots, widths: Widths) -> None:
    """Look whether the embeddings that the prompts name suit the text encoders of models of these widths.

    Raises:
        RenderError: one does not, or its file cannot be used.
    """
    if rendering.embeddings is None:
        return
    from engine.prompts.chunks import refuse_long_embedding
    from engine.prompts.embedding_file import PAIR, SINGLE
    from engine.prompts.embeddings import EmbeddingFolder

    folder = EmbeddingFolder(rendering.embeddings)
    kinds = PAIR if widths.family == "sdxl" else (SINGLE,)
    for name in embedding_hashes(rendering, shots):
        for kind, encoder in zip(kinds, widths.encoders, strict=True):
            refuse_long_embedding(name, len(folder.fitting(name, encoder.width, kind)))


def upscaler_names(shots: StudyShots) -> tuple[str, ...]:
    """The model files that the study's shots are enlarged with, by name, sorted."""
    return tuple(sorted({shot.hires.model for shot in shots.every if shot.hires and shot.hires.model}))


def upscaler_hashes(rendering: Rendering, shots: StudyShots) -> dict[str, str]:
    """SHA-256 of every upscaler's file that the study names, by the upscaler's name.

    Raises:
        RenderError: there is no such folder, no such file, or several.
    """
    names = upscaler_names(shots)
    if rendering.upscalers is None or not names:
        return {}
    from engine.rendering.upscaler_models import UpscalerFolder

    return UpscalerFolder(rendering.upscalers).hashes(names)


def refuse_unusable(rendering: Rendering, shots: StudyShots) -> None:
    """Read every upscaler that the study names.

    Raises:
        RenderError: one is not there, is no upscaler, or the package that runs it is missing.
    """
    if rendering.upscalers is None:
        return
    import torch

    from engine.rendering.upscaler_models import UpscalerFolder

    folder = UpscalerFolder(rendering.upscalers)
    for name in upscaler_names(shots):
        folder.opened(name, torch.device("cpu"))

"""The embeddings that a study's prompts name, and the hashes of their files: other files give other pictures."""

from __future__ import annotations

from engine.widths import Widths
from studies.studyfile import StudySpec


def embedding_hashes(spec: StudySpec) -> dict[str, str]:
    """SHA-256 of every embedding file that a prompt or negative of the study names, by the embedding's name.

    Raises:
        RenderError: a file cannot be read, or several answer to one name.
    """
    if spec.embeddings is None:
        return {}
    from engine.embeddings import EmbeddingFolder

    shots = [part for whole in (*spec.shots, *spec.proof_shots) for part in whole.passes]
    prompts, negatives = {shot.prompt for shot in shots}, {shot.negative for shot in shots}
    return EmbeddingFolder(spec.embeddings).hashes(prompts, negatives)


def refuse_misfits(spec: StudySpec, widths: Widths) -> None:
    """Look whether the embeddings that the prompts name suit the text encoders of models of these widths.

    Raises:
        RenderError: one does not, or its file cannot be used.
    """
    if spec.embeddings is None:
        return
    from engine.embedding_file import PAIR, SINGLE
    from engine.embeddings import EmbeddingFolder

    folder = EmbeddingFolder(spec.embeddings)
    kinds = PAIR if widths.family == "sdxl" else (SINGLE,)
    for name in embedding_hashes(spec):
        for kind, encoder in zip(kinds, widths.encoders, strict=True):
            folder.fitting(name, encoder.width, kind)

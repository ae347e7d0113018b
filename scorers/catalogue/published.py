"""Published files, encoders and scorers, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Files = tuple["PublishedFile", ...]
"""Files of which one is enough, best first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFile:
    """One file that somebody publishes.

    Attributes:
        name: its path in the folder of scorers: the published name, after the name of its repository where many
            repositories have a file of that name.
        source: its URL.
        licence: the licence under which it is published there.
        sha256: SHA-256 of the whole file; its first digits, or "", where no more is known.
        size: in bytes; a round number where the exact one is not known.
    """

    name: str
    source: str
    licence: str
    sha256: str = ""
    size: int = 0

    def is_file_of(self, sha256: str) -> bool | None:
        """Whether a file of that hash is this one; None where this file's hash is not known."""
        return sha256.startswith(self.sha256) if self.sha256 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEncoder:
    """An encoder with a name.

    Attributes:
        name: in study files.
        title: a name for people.
        architecture: open_clip's name of it. It decides the activation function, which weights do not show.
        files: those that hold its weights, best first; one is enough.
        resize: how pictures are brought to its size, see ``scorers.encoders.preprocess``.
        normal: mean and standard deviation that channels are normalised by: OpenAI's, or a half for all.
        views: names of further embeddings of the same forward pass, see ``scorers.encoders.encoder.Encoder``.
        reads_text: whether prompts can be embedded offline.
        aliases: other names.
    """

    name: str
    title: str
    architecture: str
    files: Files
    resize: Literal["shortest", "longest", "squash"] = "shortest"
    normal: Literal["openai", "half"] = "openai"
    views: tuple[str, ...] = ("pooled",)
    reads_text: bool = True
    aliases: tuple[str, ...] = ()


ScorerKind = Literal["style", "words", "prompt", "head", "statistics"]
Aspect = Literal["style", "fidelity", "aesthetics", "artifacts", ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownScorer:
    """A scorer with a name.

    Attributes:
        name: in study files.
        rates: what it measures, for people.
        scale: the range of its numbers, for people.
        aspect: see ``scorers.scoring.aspects``.
        kind: how it is made: ``words`` is a direction between two texts, ``prompt`` a cosine between picture and
            prompt, ``head`` a small network on an embedding.
        encoder: name of its own encoder; "" where it reads the study's main encoder, or none.
        heads: for kind ``head``, its files by name of the encoder they were trained on; the first is the default.
        view: the view of the encoder that the head reads, "" for the embedding itself.
        layout: the layout of the head's file, see ``scorers.scoring.heads``.
        low_is_good: whether low published numbers are good; their sign is changed, so that more is better.
        aliases: other names, as in other tools.
    """

    name: str
    rates: str
    scale: str
    aspect: Aspect
    kind: ScorerKind
    encoder: str = ""
    heads: Mapping[str, Files] = field(default_factory=dict[str, Files])
    view: str = ""
    layout: str = ""
    low_is_good: bool = False
    aliases: tuple[str, ...] = ()

    @property
    def default_encoder(self) -> str:
        """Name of the encoder when the user names none; "" for the study's main one, or none."""
        return next(iter(self.heads), self.encoder)

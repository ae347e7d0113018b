"""What is published for judging pictures, as values: files, encoders and scorers; free of torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Files = tuple["PublishedFile", ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedFile:
    """One file that somebody publishes.

    Attributes:
        name: its path in the folder of scorers: the published name, behind the name of its repository where many
            repositories have a file of that name.
        source: where it can be had, a URL.
        licence: under which it is published there.
        sha256: of the whole file; the first digits, or "", where no more is known.
        size: bytes; a round number where no exact one is known.
    """

    name: str
    source: str
    licence: str
    sha256: str = ""
    size: int = 0

    def is_file_of(self, sha256: str) -> bool | None:
        """Whether a file of that hash is this one; None where that cannot be told."""
        return sha256.startswith(self.sha256) if self.sha256 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownEncoder:
    """An encoder with a name.

    Attributes:
        name: in study files.
        title: for people.
        architecture: open_clip's name of it. Which activation it has cannot be told from weights, so this counts.
        files: those that hold its weights, best first; one is enough.
        resize: how pictures come to its size, see ``scorers.encoders.preprocess``.
        normal: mean and deviation of the channels: OpenAI's, or a half for all.
        views: names of what else can be read off one forward pass, see ``scorers.encoders.encoder.Encoder``.
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


Kind = Literal["style", "words", "prompt", "head", "statistics"]
Aspect = Literal["style", "fidelity", "aesthetics", "artifacts", ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownScorer:
    """A scorer with a name.

    Attributes:
        name: in study files.
        rates: what it measures, for people.
        scale: of the numbers it was made to give, for people.
        aspect: what it is about, see ``scorers.scoring.aspects``.
        kind: how it is made: ``words`` is an axis between two texts, ``prompt`` a cosine between picture and prompt,
            ``head`` a small network on an embedding.
        encoder: name of the one that is its own; "" where the study's main encoder, or none, is looked through.
        heads: for kind ``head``, its files by name of the encoder they were trained on; the first is the default.
        view: of the encoder that the head reads, "" for the embedding itself.
        layout: of the head's file, see ``scorers.scoring.heads``.
        low_is_good: the published number is turned round, so that more is better.
        aliases: other names, as other tools have them.
    """

    name: str
    rates: str
    scale: str
    aspect: Aspect
    kind: Kind
    encoder: str = ""
    heads: Mapping[str, Files] = field(default_factory=dict[str, Files])
    view: str = ""
    layout: str = ""
    low_is_good: bool = False
    aliases: tuple[str, ...] = ()

    @property
    def default_encoder(self) -> str:
        """Name of the encoder when none is named; "" for the study's main one, or none."""
        return next(iter(self.heads), self.encoder)

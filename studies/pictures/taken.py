"""The settings that a WebUI's picture gives for new ones, and what a person should know of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.shots.infotext import NOISE_LEVELS, ZERO_TERMINAL, read_fields, shot_settings, unfollowed
from engine.shots.infotext_origin import named_embeddings, origin_remarks
from studies.errors import StudyError
from studies.pictures.embedding_names import EmbeddingNames
from studies.pictures.pictures import parameters_of

OWN_VAE = frozenset({"", "none", "automatic"})
"""Values of "VAE" that name no file, in small letters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenSettings:
    """What a picture says.

    Attributes:
        settings: Those of its shot, by the names of ``Shot``; none without a picture.
        zero_terminal: Whether its noise levels ended in pure noise, whatever its model is marked with.
        notes: What is not followed, and what is open.
        warnings: What makes another picture than that one, unseen.
    """

    settings: Mapping[str, Any] = field(default_factory=dict[str, Any])
    zero_terminal: bool = False
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def read_taken(
    picture: Path | None, given: Mapping[str, Any], *, vae: Path | None, embeddings: Path | None
) -> TakenSettings:
    """Read a picture's text.

    Args:
        picture: None: there is none.
        given: Settings that options give, which win.
        vae: The VAE that an option gives.
        embeddings: The folder of embeddings that an option gives.

    Raises:
        StudyError: It is no picture, has no text, or names no sampler where no option gives one.
        RenderError: The text cannot be read, or there is no such folder of embeddings.
    """
    if picture is None:
        return TakenSettings()
    fields = read_fields(parameters_of(picture))
    if "Sampler" not in fields and "sampler" not in given:
        raise StudyError(
            "its text names no sampler", place=(picture,), remedy="name the one that it was made with: --sampler"
        )
    notes = [f"{picture.name} {remark}" for remark in origin_remarks(_with_options(fields, given))]
    notes += [f"{picture.name} says {words}, which is not followed here" for words in unfollowed(fields)]
    if vae is None and fields.get("VAE", "").casefold() not in OWN_VAE:
        notes.append(f"{picture.name} was decoded by {fields['VAE']}; give that file with --vae")
    return TakenSettings(
        settings=shot_settings(fields),
        zero_terminal=fields.get(NOISE_LEVELS) == ZERO_TERMINAL,
        notes=tuple(notes),
        warnings=tuple(_embedding_warnings(picture, fields, EmbeddingNames(embeddings))),
    )


def _with_options(fields: Mapping[str, str], given: Mapping[str, Any]) -> dict[str, str]:
    """The fields of a picture, and those that options give in their place."""
    options = {"steps": "Steps", "cfg": "CFG scale", "seed": "Seed"}
    found = {key: "" for name, key in options.items() if name in given and key not in fields}
    if "Size" not in fields and {"width", "height"} <= given.keys():
        found["Size"] = ""
    return {**fields, **found}


def _embedding_warnings(picture: Path, fields: Mapping[str, str], names: EmbeddingNames) -> Iterator[str]:
    """Embeddings that are not at hand, or are other ones by that name."""
    for name, digits in named_embeddings(fields).items():
        said = f'{picture.name} was made with the embedding "{name}" ({digits})'
        found = names.sha256(name)
        if found is None:
            where = "which is not in that folder" if names.folder else "and no folder of embeddings is given"
            yield f"{said}, {where}: its name is read as words; put its file into the folder of --embeddings"
        elif digits and not found.startswith(digits):
            yield f"{said}, and the one in the folder of --embeddings is another ({found[: len(digits)]})"

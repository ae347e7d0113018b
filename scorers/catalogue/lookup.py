"""The catalogue: encoders and scorers by any of their names, and the file that a hash belongs to.

A scorer looks through an encoder; ``NAME@ENCODER`` takes another one than its own, ``clip@openclip-h`` say. Names that
end in ``.py`` or ``.py:Class`` are plug-ins, see ``scorers.scoring.plugins``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from scorers.catalogue.encoders import ENCODERS
from scorers.catalogue.published import KnownEncoder, KnownScorer, PublishedFile
from scorers.catalogue.scorers import NOT_OFFERED, SCORERS
from scorers.errors import ScorerError, did_you_mean

PLUGIN = re.compile(r"(?P<path>.+\.py)(?::(?P<attribute>[^\W\d]\w*))?")
"""A plug-in's name: a file, and perhaps what in it is meant."""

ENTRY_POINTS = "sd_recipe_search.scorers"
"""The group of entry points in which packages offer scorers."""

_ENCODERS = {name: known for known in ENCODERS for name in (known.name, *known.aliases)}
_SCORERS = {name: known for known in SCORERS for name in (known.name, *known.aliases)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A scorer as a person wrote it.

    Attributes:
        text: as written.
        scorer: what it names.
        encoder: name of the encoder behind the ``@``; "" without one.
    """

    text: str
    scorer: KnownScorer
    encoder: str

    @property
    def plain(self) -> str:
        """The same, the first names instead of others."""
        return f"{self.scorer.name}@{self.encoder}" if self.encoder else self.scorer.name


def is_plugin(text: str) -> bool:
    """Whether a scorer's name is that of a file."""
    return PLUGIN.fullmatch(text) is not None


def is_known(text: str) -> bool:
    """Whether a scorer's name, without what follows an ``@``, is in the catalogue."""
    return text.partition("@")[0] in _SCORERS


def encoder_named(name: str) -> KnownEncoder | None:
    """The encoder of that name or other name."""
    return _ENCODERS.get(name)


def scorer_named(name: str) -> KnownScorer | None:
    """The scorer of that name or other name, without ``@``."""
    return _SCORERS.get(name)


def choice(text: str) -> Choice:
    """What a scorer's name means; not for plug-ins.

    Raises:
        ScorerError: no such scorer or encoder, or a scorer that keeps to its own encoder.
    """
    name, at, through = text.partition("@")
    scorer, encoder = _SCORERS.get(name), _ENCODERS.get(through)
    if scorer is None:
        raise ScorerError(_unknown("scorer", name, _SCORERS))
    if at and encoder is None:
        raise ScorerError(f"{text!r}: {_unknown('encoder', through, _ENCODERS)}")
    if at and (scorer.encoder or scorer.kind == "statistics"):
        raise ScorerError(f"{text!r}: {scorer.name} takes no other encoder; write {scorer.name!r}")
    return Choice(text=text, scorer=scorer, encoder=encoder.name if encoder else "")


def _unknown(kind: str, name: str, known: Iterable[str]) -> str:
    if kind == "scorer" and name in NOT_OFFERED:
        return f"scorer {name!r} is not built in ({NOT_OFFERED[name]}); plug in a file with score(image, prompt)"
    return f"no {kind} {name!r}; {did_you_mean(name, known)}"


def file_owner(name: str) -> str:
    """The first name of what a file can belong to: an encoder, or a scorer that has a head.

    Raises:
        ScorerError: nothing of that name has a file.
    """
    encoder = encoder_named(name)
    if encoder is not None:
        return encoder.name
    wanted = choice(name)
    if wanted.scorer.kind != "head":
        raise ScorerError(f"{name!r} has no file of its own; name the file of its encoder")
    return wanted.plain


def check_encoder_name(name: str) -> None:
    """Refuse a name that no encoder has.

    Raises:
        ScorerError: with the nearest name, or all.
    """
    if name not in _ENCODERS:
        raise ScorerError(_unknown("encoder", name, _ENCODERS))


def published() -> Iterator[tuple[KnownEncoder | KnownScorer, PublishedFile]]:
    """Every published file, with what it belongs to."""
    for encoder in ENCODERS:
        yield from ((encoder, file) for file in encoder.files)
    for scorer in SCORERS:
        yield from ((scorer, file) for files in scorer.heads.values() for file in files)


def owner_of(sha256: str) -> tuple[KnownEncoder | KnownScorer, PublishedFile] | None:
    """What the file with this hash is, if its hash is known."""
    return next(((owner, file) for owner, file in published() if file.is_file_of(sha256)), None)

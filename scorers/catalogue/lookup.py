"""The catalogue: encoders and scorers by any of their names, and the file that a hash belongs to.

A scorer reads an encoder's embedding; ``NAME@ENCODER`` takes another encoder than its own, such as ``clip@openclip-h``.
Names that end in ``.py`` or ``.py:Class`` are plug-ins, see ``scorers.scoring.plugins``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from engine.errors import Named, did_you_mean
from scorers.catalogue.encoders import ENCODERS
from scorers.catalogue.published import KnownEncoder, KnownScorer, PublishedFile
from scorers.catalogue.scorers import NOT_OFFERED, SCORERS
from scorers.errors import ScorerError

PLUGIN = re.compile(r"(?P<path>.+\.py)(?::(?P<attribute>[^\W\d]\w*))?")
"""A plug-in's name: a file, and optionally a class or function in it."""

ENTRY_POINTS = "sd_recipe_search.scorers"
"""The entry-point group in which installed packages offer scorers."""

_ENCODERS = {name: known for known in ENCODERS for name in (known.name, *known.aliases)}
_SCORERS = {name: known for known in SCORERS for name in (known.name, *known.aliases)}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerChoice:
    """A scorer as a person wrote it.

    Attributes:
        text: as written.
        scorer: what it names.
        encoder: name of the encoder after the ``@``; "" without one.
    """

    text: str
    scorer: KnownScorer
    encoder: str

    @property
    def plain(self) -> str:
        """The same with first names in place of aliases."""
        return f"{self.scorer.name}@{self.encoder}" if self.encoder else self.scorer.name


def is_plugin(text: str) -> bool:
    """Whether a scorer's name is that of a file."""
    return PLUGIN.fullmatch(text) is not None


def is_known(text: str) -> bool:
    """Whether a scorer's name, without ``@ENCODER``, is in the catalogue."""
    return text.partition("@")[0] in _SCORERS


def encoder_named(name: str) -> KnownEncoder | None:
    """The encoder of that name or alias; None if there is none."""
    return _ENCODERS.get(name)


def scorer_named(name: str) -> KnownScorer | None:
    """The scorer of that name or alias, without ``@ENCODER``; None if there is none."""
    return _SCORERS.get(name)


def choice(text: str) -> ScorerChoice:
    """What a scorer's name means; not for plug-ins.

    Raises:
        ScorerError: no such scorer or encoder, or a scorer that keeps to its own encoder.
    """
    name, at, encoder_name = text.partition("@")
    scorer, encoder = _SCORERS.get(name), _ENCODERS.get(encoder_name)
    if scorer is None:
        raise _unknown("scorer", name, _SCORERS)
    if at and encoder is None:
        raise _unknown("encoder", encoder_name, _ENCODERS).under(Named(repr(text)))
    if at and (scorer.encoder or scorer.kind == "statistics"):
        place = (Named(repr(text)),)
        raise ScorerError(f"{scorer.name} takes no other encoder", place=place, remedy=f"write {scorer.name!r}")
    return ScorerChoice(text=text, scorer=scorer, encoder=encoder.name if encoder else "")


def _unknown(kind: str, name: str, known: Iterable[str]) -> ScorerError:
    if kind == "scorer" and name in NOT_OFFERED:
        what = f"scorer {name!r} is not built in ({NOT_OFFERED[name]})"
        return ScorerError(what, remedy="plug in a file with score(image, prompt)")
    return ScorerError(f"no {kind} {name!r}", remedy=did_you_mean(name, known))


def check_name(name: str) -> None:
    """Refuse a name that neither an encoder nor a scorer has.

    Raises:
        ScorerError: with the nearest name of either, or all; or as ``choice``.
    """
    if name in _ENCODERS:
        return
    if name.partition("@")[0] not in {*_SCORERS, *NOT_OFFERED}:
        raise ScorerError(
            f"there is no encoder and no scorer {name!r}", remedy=did_you_mean(name, {**_ENCODERS, **_SCORERS})
        )
    choice(name)


def file_owner(name: str) -> str:
    """The first name of an encoder, or of a scorer that has a head: what a file can belong to.

    Raises:
        ScorerError: nothing of that name has a file.
    """
    encoder = encoder_named(name)
    if encoder is not None:
        return encoder.name
    named = choice(name)
    if named.scorer.kind != "head":
        raise ScorerError(f"{name!r} has no file of its own", remedy="name the file of its encoder")
    return named.plain


def check_encoder_name(name: str) -> None:
    """Refuse a name that no encoder has.

    Raises:
        ScorerError: with the nearest name, or all.
    """
    if name not in _ENCODERS:
        raise _unknown("encoder", name, _ENCODERS)


def published() -> Iterator[tuple[KnownEncoder | KnownScorer, PublishedFile]]:
    """Every published file, with what it belongs to."""
    for encoder in ENCODERS:
        yield from ((encoder, file) for file in encoder.files)
    for scorer in SCORERS:
        yield from ((scorer, file) for files in scorer.heads.values() for file in files)


def owner_of(sha256: str) -> tuple[KnownEncoder | KnownScorer, PublishedFile] | None:
    """The published file with this hash, and the encoder or scorer that it belongs to; None if the hash is unknown."""
    return next(((owner, file) for owner, file in published() if file.is_file_of(sha256)), None)

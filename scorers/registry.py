"""The scorers by name, and how each is made from the encoders of a panel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from scorers.base import Scorer
from scorers.encoders import Encoders
from scorers.errors import ScorerError
from scorers.features import EMBEDDING
from scorers.fidelity import Fidelity
from scorers.readouts import Along, Margin
from scorers.statistics import Statistics
from scorers.style import Style
from scorers.text_axis import NEUTRAL, TextAxis


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What scorers are made from.

    Attributes:
        encoders: the opened ones.
        main: name of the encoder that the user chose for style and prompts.
        like: the wanted look in words, for ``text``.
        unlike: what it shall be told from.
    """

    encoders: Encoders
    main: str
    like: str = ""
    unlike: str = NEUTRAL


Maker = Callable[[Means], Scorer]

BUILT_IN: Mapping[str, Maker] = {
    "style": lambda means: Style(means.main),
    "text": lambda means: TextAxis(means.encoders[means.main], means.main, means.like, means.unlike),
    "lda": lambda means: Along(means.main),
    "margin": lambda means: Margin(means.main),
    "clip": lambda means: Fidelity(means.encoders[means.main], means.main),
    "stats": lambda means: Statistics(),
}


def made(names: Iterable[str], means: Means) -> list[Scorer]:
    """The scorers of these names.

    Raises:
        ScorerError: scorers that cannot be made; all are named.
    """
    scorers: list[Scorer] = []
    wrong: list[str] = []
    for name in names:
        try:
            scorers.append(BUILT_IN[name](means))
        except ScorerError as error:
            wrong.append(str(error))
    if wrong:
        raise ScorerError("\n".join(wrong))
    return scorers


def embeddings_of(scorers: Iterable[Scorer]) -> tuple[str, ...]:
    """Names of the embeddings that the scorers read, each once."""
    needed = (need for scorer in scorers for need in sorted(scorer.needs) if need.startswith(EMBEDDING))
    return tuple(dict.fromkeys(need.removeprefix(EMBEDDING) for need in needed))

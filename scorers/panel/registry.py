"""From settings to scorers: files are found, encoders opened, and every scorer made from them by its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from engine.errors import Named, Problems
from scorers.base import Scorer
from scorers.catalogue import lookup as catalogue
from scorers.catalogue.sources import Sources
from scorers.encoders.opened import Encoders
from scorers.errors import ScorerError
from scorers.features import EMBEDDING
from scorers.panel.settings import PanelSettings
from scorers.scoring.bands import Statistics
from scorers.scoring.heads import Rating
from scorers.scoring.plugins import offered, open_plugin
from scorers.scoring.prompt_match import Fidelity
from scorers.scoring.readouts import Along, Margin
from scorers.scoring.style import Style
from scorers.scoring.text_axis import NEUTRAL, TextAxis

PICK = "pick"
"""PickScore's published number is the cosine times CLIP's scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What scorers are made from.

    Attributes:
        encoders: the opened ones.
        sources: the files of all, and which embedding each scorer reads.
        like: the wanted look in words, for ``text``.
        unlike: what it shall be told from.
    """

    encoders: Encoders
    sources: Sources
    like: str = ""
    unlike: str = NEUTRAL


def opened(
    settings: PanelSettings, device: str | torch.device, extra: Sequence[Scorer] = ()
) -> tuple[Encoders, list[Scorer]]:
    """Open the encoders and make the scorers of a panel.

    Args:
        settings: what it is made of.
        device: of the encoders.
        extra: further scorers, ready made.

    Raises:
        ScorerError: files that are missing or cannot be used, or scorers that cannot be made; all are named.
    """
    others = {scorer.name for scorer in extra}
    names = [name for name in settings.weights if name not in others]
    plugged = plug_ins(names, settings.here)
    sources = sources_of(settings, [name for name in names if name not in plugged], [*plugged.values(), *extra])
    if sources.missing:
        raise ScorerError.of(missing.problem for missing in sources.missing)
    encoders = Encoders.open(sources.encoders, device, sources.prompted)
    means = Means(encoders=encoders, sources=sources, like=settings.like, unlike=settings.unlike)
    _check_needs([*plugged.values(), *extra], means.encoders)
    built = {scorer.name: scorer for scorer in made([name for name in names if name not in plugged], means)}
    ready = {**built, **plugged}
    return means.encoders, [*(ready[name] for name in names), *extra]


def plug_ins(names: Iterable[str], here: Path) -> dict[str, Scorer]:
    """The plug-ins among these names, loaded.

    Raises:
        ScorerError: plug-ins that cannot be loaded; all are named.
    """
    points, found, problems = offered(), dict[str, Scorer](), Problems()
    for name in names:
        if not catalogue.is_plugin(name) and (name not in points or catalogue.scorer_named(name)):
            continue
        with problems.collecting():
            found[name] = open_plugin(name, here)
    problems.raise_as(ScorerError)
    return found


def sources_of(settings: PanelSettings, names: Iterable[str], others: Iterable[Scorer] = ()) -> Sources:
    """The files of the named scorers, and of the encoders that others need.

    Raises:
        ScorerError: names that mean nothing.
    """
    return settings.shelf().sources(names, embeddings_of(others))


def _check_needs(scorers: Iterable[Scorer], encoders: Encoders) -> None:
    for scorer in scorers:
        for name in embeddings_of([scorer]):
            try:
                encoders[name]
            except ScorerError as error:
                raise error.under(Named(f"scorer {scorer.name!r}")) from error


def made(names: Iterable[str], means: Means) -> list[Scorer]:
    """The built-in scorers of these names, as a user writes them.

    Raises:
        ScorerError: scorers that cannot be made; all are named.
    """
    scorers: list[Scorer] = []
    problems = Problems()
    for name in names:
        with problems.collecting():
            scorers.append(_made(catalogue.choice(name), means))
    problems.raise_as(ScorerError)
    return scorers


_STYLES: Mapping[str, type[Style | Along | Margin]] = {"style": Style, "lda": Along, "margin": Margin}


def _made(wanted: catalogue.Choice, means: Means) -> Scorer:
    if wanted.scorer.kind == "statistics":
        statistics = Statistics()
        statistics.name = wanted.text
        return statistics
    embedding = means.sources.embeddings[wanted.text]
    if wanted.scorer.kind == "style":
        style = _STYLES[wanted.scorer.name](embedding)
        style.name = wanted.text
        return style
    encoder = means.encoders[embedding]
    if wanted.scorer.kind == "words":
        return TextAxis(encoder, embedding, means.like, means.unlike)
    if wanted.scorer.kind == "prompt":
        scale = encoder.logit_scale if wanted.scorer.name == PICK else 1.0
        return Fidelity(encoder, embedding, wanted.text, scale)
    rating = Rating(wanted.text, wanted.scorer, means.sources.heads[wanted.text], embedding)
    rating.check_width(encoder.width(embedding.partition("/")[2]))
    return rating


def embeddings_of(scorers: Iterable[Scorer]) -> tuple[str, ...]:
    """Names of the embeddings that the scorers read, each once."""
    needed = (need for scorer in scorers for need in sorted(scorer.needs) if need.startswith(EMBEDDING))
    return tuple(dict.fromkeys(need.removeprefix(EMBEDDING) for need in needed))

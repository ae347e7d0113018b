"""From settings to scorers: find the files, open the encoders, and make every scorer by its name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch

from engine.errors import Named, Problems
from scorers.base import Scorer
from scorers.catalogue import lookup as catalogue
from scorers.catalogue.sources import Sources
from scorers.encoders.opened import Encoders
from scorers.errors import ScorerError
from scorers.features import EMBEDDING
from scorers.panel.settings import PanelSettings
from scorers.scoring.aspects import STYLE, aspect_of
from scorers.scoring.bands import Statistics
from scorers.scoring.heads import HeadScorer
from scorers.scoring.plugins import entry_points, open_plugin
from scorers.scoring.prompt_match import Fidelity
from scorers.scoring.readouts import Margin, Projection
from scorers.scoring.style import Style
from scorers.scoring.text_axis import NEUTRAL, TextAxis

PICK = "pick"
"""Name of PickScore, whose published number is the cosine times CLIP's scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerInputs:
    """What built-in scorers are made from.

    Attributes:
        encoders: the opened encoders.
        sources: the files of all, and which embedding each scorer reads.
        like: the target style in words, for ``text``.
        unlike: in words, what pictures should be less like than ``like``.
    """

    encoders: Encoders
    sources: Sources
    like: str = ""
    unlike: str = NEUTRAL


def open_scorers(
    settings: PanelSettings, device: str | torch.device, extra: Sequence[Scorer] = ()
) -> tuple[Encoders, list[Scorer]]:
    """Open the encoders and make the scorers of a panel.

    Args:
        settings: what the panel is made of.
        device: the encoders' device.
        extra: further scorers, already made.

    Raises:
        ScorerError: files that are missing or cannot be used, or scorers that cannot be made; all are named.
    """
    others = {scorer.name for scorer in extra}
    names = [name for name in settings.weights if name not in others]
    plugged = load_plugins(names, settings)
    sources = sources_of(settings, [name for name in names if name not in plugged], [*plugged.values(), *extra])
    if sources.missing:
        raise ScorerError.of(missing.problem for missing in sources.missing)
    encoders = Encoders.open(
        sources.encoders, device, sources.prompted, settings.precision, wait_on_host=settings.wait_on_host
    )
    inputs = ScorerInputs(encoders=encoders, sources=sources, like=settings.like, unlike=settings.unlike)
    _check_needs([*plugged.values(), *extra], encoders)
    built_in = built_in_scorers([name for name in names if name not in plugged], inputs)
    ready = {scorer.name: scorer for scorer in built_in} | plugged
    return encoders, [*(ready[name] for name in names), *extra]


def load_plugins(names: Iterable[str], settings: PanelSettings) -> dict[str, Scorer]:
    """Load the plug-ins among these names, as a panel's settings say.

    Raises:
        ScorerError: plug-ins that cannot be loaded; all are named.
    """
    points, plugged, problems = entry_points(), dict[str, Scorer](), Problems()
    for name in names:
        if not catalogue.is_plugin(name) and (name not in points or catalogue.scorer_named(name)):
            continue
        with problems.collecting():
            limit = settings.time_limit_s
            plugged[name] = open_plugin(name, settings.here, trusted=settings.trusted, time_limit_s=limit)
    problems.raise_as(ScorerError)
    return plugged


def sources_of(settings: PanelSettings, names: Iterable[str], others: Iterable[Scorer] = ()) -> Sources:
    """The files of the named scorers, and of the encoders that ``others`` read.

    Raises:
        ScorerError: unknown names.
    """
    return settings.file_finder().sources(names, embeddings_of(others))


def _check_needs(scorers: Iterable[Scorer], encoders: Encoders) -> None:
    for scorer in scorers:
        for name in embeddings_of([scorer]):
            try:
                encoders[name]
            except ScorerError as error:
                raise error.under(Named(f"scorer {scorer.name!r}")) from error


def built_in_scorers(names: Iterable[str], inputs: ScorerInputs) -> list[Scorer]:
    """Make the built-in scorers of these names, as a user writes them.

    Raises:
        ScorerError: scorers that cannot be made; all are named.
    """
    scorers: list[Scorer] = []
    problems = Problems()
    for name in names:
        with problems.collecting():
            scorers.append(_built_in(catalogue.choice(name), inputs))
    problems.raise_as(ScorerError)
    return scorers


_STYLES: Mapping[str, type[Style | Projection | Margin]] = {"style": Style, "lda": Projection, "margin": Margin}


def _built_in(choice: catalogue.ScorerChoice, inputs: ScorerInputs) -> Scorer:
    if choice.scorer.kind == "statistics":
        statistics = Statistics()
        statistics.name = choice.text
        return statistics
    embedding = inputs.sources.embeddings[choice.text]
    if choice.scorer.kind == "style":
        style = _STYLES[choice.scorer.name](embedding)
        style.name = choice.text
        return style
    encoder = inputs.encoders[embedding]
    if choice.scorer.kind == "words":
        return TextAxis(encoder, embedding, inputs.like, inputs.unlike)
    if choice.scorer.kind == "prompt":
        scale = encoder.logit_scale if choice.scorer.name == PICK else 1.0
        return Fidelity(encoder, embedding, choice.text, scale)
    rating = HeadScorer(choice.text, choice.scorer, inputs.sources.heads[choice.text], embedding)
    rating.check_width(encoder.width(embedding.partition("/")[2]))
    return rating


def embeddings_of(scorers: Iterable[Scorer]) -> tuple[str, ...]:
    """Names of the embeddings that the scorers read, each once."""
    needed = (need for scorer in scorers for need in sorted(scorer.needs) if need.startswith(EMBEDDING))
    return tuple(dict.fromkeys(need.removeprefix(EMBEDDING) for need in needed))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportEmbeddings:
    """Names of the embeddings that penalties and reports read.

    Attributes:
        style: compares styles and finds copies.
        content: compares contents and whole sets.
    """

    style: str
    content: str


def report_embeddings(settings: PanelSettings, scorers: Sequence[Scorer]) -> ReportEmbeddings | None:
    """The style scorers' embedding for style, the main encoder's for content; None where no scorer reads any.

    Nothing is embedded for penalties and reports alone: they read what the scorers read. Without an embedding only the
    statistics have penalties.
    """
    known = embeddings_of(scorers)
    if not known:
        return None
    styles = embeddings_of([scorer for scorer in scorers if aspect_of(scorer) == STYLE])
    content = settings.main if settings.main in known else known[0]
    return ReportEmbeddings(style=next(iter(styles), known[0]), content=content)

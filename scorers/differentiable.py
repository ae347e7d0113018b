"""The objective as a differentiable function of pictures: the same numbers as a verdict's, with gradients.

Style, words, fidelity and statistics are smooth except at the edges of the references' bands and of 0..1. The base
recipe, from which a verdict is measured, is a constant without gradient and is left out; so is the floor under a scaled
part, where a gradient is needed most. Penalties are left out too: they are 0 except far from the references.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from scorers.base import Scorer
from scorers.errors import ScorerError
from scorers.extraction import guards
from scorers.extraction.statistics import measure
from scorers.panel.panel import Panel
from scorers.panel.registry import embeddings_of
from scorers.scoring.bands import Statistics
from scorers.scoring.prompt_match import Fidelity, plain_prompt
from scorers.scoring.style import Style
from scorers.scoring.text_axis import TextAxis

FEWEST = 2
"""The least number of pictures a recipe is judged by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TracedFeatures:
    """Features of intact pictures, with gradients: embeddings ``[n, d]`` by name, statistics ``[n, k]``; prompts.

    Attributes:
        weights: ``[n]``, how much each picture counts.
    """

    embeddings: Mapping[str, Tensor]
    statistics: Tensor
    prompts: Sequence[str]
    weights: Tensor

    def mean(self, values: Tensor) -> Tensor:
        """The weighted mean of ``[n]`` values."""
        return (self.weights * values).sum() / self.weights.sum()


TracedScorer = Callable[[TracedFeatures], Tensor]
"""``value(features)``: a scorer's value of a recipe, a scalar of float64."""


class DifferentiableObjective:
    """A panel's objective of some pictures of one recipe, as its calibration stands now.

    Args:
        panel: calibrated.

    Raises:
        ScorerError: the panel is not calibrated, or a scorer that counts has no gradient.
    """

    def __init__(self, panel: Panel) -> None:
        self._observer, self._limits = panel.observer, panel.limits
        self._weights = {name: scale.counts / scale.sigma for name, scale in panel.scales.items() if scale.counts}
        scorers = [scorer for scorer in panel.scorers if scorer.name in self._weights]
        self._embeddings = embeddings_of(scorers)
        self._parts = {scorer.name: _traced(scorer) for scorer in scorers}

    def __call__(self, images: Tensor, prompts: Sequence[str], weights: Sequence[float] | None = None) -> Tensor:
        """Return the objective up to a constant; higher is better. Broken pictures are left out, as in verdicts.

        Args:
            images: ``[n, 3, h, w]`` in 0..1, finite.
            prompts: of the pictures.
            weights: how much each picture counts, above 0; None: all alike.

        Returns:
            A scalar of float64, in objective units.

        Raises:
            ScorerError: fewer than 2 pictures are intact.
        """
        statistics = measure(images.float(), self._observer.size)
        rows = self._intact(images.detach(), statistics.detach())
        if len(rows) < FEWEST:
            raise ScorerError(f"{len(rows)} intact picture(s) of {len(images)}", remedy=f"at least {FEWEST} are needed")
        features = TracedFeatures(
            embeddings={name: self._observer.trace(images[rows], name) for name in self._embeddings},
            # measured again, because a broken picture's gradient may not be finite even with a weight of 0
            statistics=statistics if len(rows) == len(images) else measure(images[rows].float(), self._observer.size),
            prompts=[prompts[row] for row in rows],
            weights=torch.tensor([1.0 if weights is None else weights[row] for row in rows]).to(images.device).double(),
        )
        parts = (self._weights[name] * part(features) for name, part in self._parts.items())
        return torch.stack(list(parts)).sum()

    def _intact(self, images: Tensor, statistics: Tensor) -> list[int]:
        brightest: list[float] = images.flatten(1).amax(1).tolist()
        table = statistics.cpu().numpy()
        pairs = enumerate(zip(table, brightest, strict=True))
        return [row for row, (numbers, bright) in pairs if not guards.reason(numbers, bright, self._limits)]


def _traced(scorer: Scorer) -> TracedScorer:
    if isinstance(scorer, Style):
        return lambda features: _style(scorer, _embedding(scorer, features), features)
    if isinstance(scorer, Fidelity):
        return lambda features: _fidelity(scorer, _embedding(scorer, features), features)
    if isinstance(scorer, Statistics):
        return lambda features: _statistics(scorer, features)
    if isinstance(scorer, TextAxis):
        return lambda features: _words(scorer, _embedding(scorer, features), features)
    raise ScorerError(f"scorer {scorer.name!r} has no gradient", remedy="give it weight 0, or search without gradients")


def _embedding(scorer: Scorer, features: TracedFeatures) -> Tensor:
    (name,) = embeddings_of([scorer])
    return features.embeddings[name].double()


def _style(scorer: Style, embeddings: Tensor, features: TracedFeatures) -> Tensor:
    """``1 - sqrt(1 + Q)`` with ``Q`` the mean of ``x_i' x_j`` over pairs of pictures, x relative to the references."""
    style_features, metric = scorer.fitted
    columns, scale = style_features.statistics
    device = embeddings.device
    measured = features.statistics[:, torch.from_numpy(columns).to(device)].double() * torch.from_numpy(scale).to(
        device
    )
    target, root = (torch.from_numpy(part).to(device) for part in (metric.target, metric.root))
    x = (torch.cat([embeddings, measured], 1) - target) @ root
    weights = features.weights
    own = weights[:, None] * x
    squared = (own.sum(0).square().sum() - own.square().sum()) / (weights.sum().square() - weights.square().sum())
    return -torch.where(squared > 0, (1 + squared.clamp_min(0)).sqrt() - 1, squared / 2)


def _fidelity(scorer: Fidelity, embeddings: Tensor, features: TracedFeatures) -> Tensor:
    described = torch.tensor([bool(plain_prompt(prompt)) for prompt in features.prompts], device=embeddings.device)
    texts = torch.from_numpy(scorer.texts(features.prompts)).to(embeddings.device)
    cosines = scorer.scale * (embeddings * texts).sum(1)
    weights = features.weights * described
    return (weights * cosines).sum() / weights.sum() if described.any() else cosines.sum() * 0


def _words(scorer: TextAxis, embeddings: Tensor, features: TracedFeatures) -> Tensor:
    return features.mean(embeddings @ torch.from_numpy(scorer.axis).to(embeddings.device))


def _statistics(scorer: Statistics, features: TracedFeatures) -> Tensor:
    statistics = features.statistics
    columns, target, spread = scorer.bands
    middle, width = (torch.from_numpy(part).to(statistics.device) for part in (target, spread))
    off = (statistics[:, columns].double() - middle).abs() / width
    return -features.mean((off - 0.5).clamp_min(0).mean(1))

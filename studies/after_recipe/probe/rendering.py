"""The renders of a study's probe: in its store of renders, judged by its panel."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from engine.shots.shot import Shot
from studies.after_recipe.measuring.opened import Measuring
from studies.after_recipe.probe.effects import FEWEST_SHOTS
from studies.after_recipe.probe.picture_measures import Numbers, statistic_measures
from studies.after_recipe.probe.renders import PlannedRenders, Scored
from studies.candidate import Candidate
from studies.results.probe import ProbedModel
from studies.store.renders import RenderStore

if TYPE_CHECKING:
    from scorers.features import Features


@dataclass(slots=True, kw_only=True)
class ProbeRenders(PlannedRenders):
    """The renders of a study.

    Attributes:
        measuring: the study, opened.
    """

    measuring: Measuring
    _features: dict[tuple[str, tuple[Shot, ...]], Features] = field(
        default_factory=dict[tuple[str, tuple[Shot, ...]], "Features"]
    )

    @property
    def name(self) -> str:
        """Name of the study."""
        return self.measuring.spec.storage.name

    @property
    def models(self) -> tuple[ProbedModel, ...]:
        """The study's models."""
        hashes = self.measuring.hashes
        return tuple(
            ProbedModel(letter=letter, name=path.name, sha256=hashes[letter])
            for letter, path in self.measuring.spec.merge.models.items()
        )

    @property
    def drawn(self) -> int:
        """Pictures that were rendered since the study was opened."""
        return self.measuring.drawn

    @property
    def store(self) -> RenderStore:
        """The study's renders."""
        return self.measuring.workshop.renders

    def make(self, candidate: Candidate, shots: tuple[Shot, ...]) -> None:
        """Render, keep and measure; see `PlannedRenders.make`."""
        made = self.measuring.workshop.make(candidate, shots, pictures=True)
        self._features[candidate.key, shots] = made.features

    def features(self, candidate: Candidate, *, twins: bool = False) -> Features:
        """The features of all shots of a recipe so far, or of those with other seeds."""
        from scorers.features import joined

        return joined([self._features[candidate.key, one] for one in self.sets(twins=twins)])

    def numbers(self, candidate: Candidate, *, twins: bool = False) -> dict[str, Numbers]:
        """The measures with a sign; see `PlannedRenders.numbers`."""
        features = self.features(candidate, twins=twins)
        return {**self._judged(features), **statistic_measures(features.statistics)}

    def _judged(self, features: Features) -> dict[str, Numbers]:
        """The objective, and how well the prompts are shown where a scorer says so."""
        from scorers.scoring.prompt_match import Fidelity

        panel = self.measuring.panel
        found: dict[str, Numbers] = {}
        scores = panel.contributions(features)
        if counted := {name: scale.counts for name, scale in panel.scales.items() if scale.counts}:
            found["style"] = np.sum([weight * scores[name] for name, weight in counted.items()], axis=0)
        if reader := next((scorer for scorer in panel.scorers if isinstance(scorer, Fidelity)), None):
            found["fidelity"] = reader(features) / reader.scale
        return found

    def against_base(self, candidate: Candidate) -> Scored:
        """What the study's objective says of a recipe."""
        one, base = self.features(candidate), self.features(self.plan.still)
        if len({*one.intact.tolist()} & {*base.intact.tolist()}) < FEWEST_SHOTS:
            return None, None
        difference = self.measuring.panel.compare(one, base)
        return difference.mean, difference.standard_error

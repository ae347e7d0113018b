"""The renders of a probe: made recipe by recipe, kept set by set, and measured shot by shot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from engine.errors import RenderError
from engine.shots.shot import Shot
from studies.candidate import Candidate
from studies.drawing.sheets import RgbPicture
from studies.errors import StudyError
from studies.measuring.opened import Measuring
from studies.probe.picture_measures import DISTANCES, Numbers, inner_products, length, statistic_measures
from studies.probe.plan import CHUNK, PlannedRecipe, ProbePlan, chunked
from studies.progress import Meter

if TYPE_CHECKING:
    from scorers.features import Features


@dataclass(slots=True, kw_only=True)
class ProbeRenders:
    """The renders of a plan, as far as they are made.

    Attributes:
        measuring: the study, opened.
        plan: what is rendered.
        shots: how many shots every recipe has so far.
        broken: why a recipe has no pictures, by key.
    """

    measuring: Measuring
    plan: ProbePlan
    shots: int = 0
    broken: dict[str, str] = field(default_factory=dict[str, str])
    _features: dict[tuple[str, tuple[Shot, ...]], Features] = field(
        default_factory=dict[tuple[str, tuple[Shot, ...]], "Features"]
    )

    def render(self, sets: Sequence[int], bar: Meter) -> None:
        """Render more sets of shots of every recipe, and of the base with other seeds.

        Args:
            sets: their numbers, which follow those that are rendered.
            bar: takes the progress, in pictures.

        Raises:
            StudyError: the base gives no pictures.
            RenderError: the device has too little memory.
            KeyboardInterrupt: Ctrl+C; what was rendered is kept.
        """
        still = PlannedRecipe(label="base, other seeds", candidate=self.plan.still)
        shots, twins = chunked(self.plan.shots), chunked(self.plan.twins)
        for number in sets:
            self._make(still, twins[number], bar)
        for recipe in self.plan.recipes:
            for number in sets:
                self._make(recipe, shots[number], bar)
        self.shots = CHUNK * (max(sets) + 1)

    def _make(self, recipe: PlannedRecipe, shots: tuple[Shot, ...], bar: Meter) -> None:
        key = recipe.candidate.key
        if key not in self.broken:
            try:
                self._features[key, shots] = self.measuring.workshop.make(
                    recipe.candidate, shots, pictures=True
                ).features
            except RenderError as error:
                if error.__cause__ is not None:  # it is the device's, not the recipe's
                    raise
                if recipe.candidate == self.plan.still:
                    raise StudyError.of(error.problems) from error
                self.broken[key] = f"{recipe.label}: {error.problems[0].what.splitlines()[0]}"
        bar.advance(len(shots), note=recipe.label)

    def features(self, candidate: Candidate, *, twins: bool = False) -> Features:
        """The features of all shots of a recipe so far, or of those with other seeds."""
        from scorers.features import joined

        sets = chunked((self.plan.twins if twins else self.plan.shots)[: self.shots])
        return joined([self._features[candidate.key, one] for one in sets])

    def picture(self, candidate: Candidate, shot: int, *, twins: bool = False) -> RgbPicture:
        """One picture of a recipe, by the place of its shot.

        Raises:
            StudyError: its file is gone or damaged since it was rendered.
        """
        number, place = divmod(shot, CHUNK)
        shots = chunked(self.plan.twins if twins else self.plan.shots)[number]
        renders = self.measuring.workshop.renders
        picture = renders.picture(candidate, shots, place)
        if picture is None:
            folder = renders.place(candidate, shots)
            raise StudyError("a picture is gone or damaged", place=(folder,), remedy="run the same command again")
        return picture

    def numbers(self, candidate: Candidate, *, twins: bool = False) -> dict[str, Numbers]:
        """The measures with a sign of all shots of a recipe so far, ``(shots,)`` by name; NaN where one is broken."""
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

    def products(self, candidates: Sequence[Candidate]) -> list[Mapping[str, Numbers]]:
        """For each shot so far, the inner products of the pictures of some recipes, by distance."""
        return [inner_products([self.picture(one, shot) for one in candidates]) for shot in range(self.shots)]

    def seed_differences(self) -> dict[str, Numbers]:
        """What pictures of the base differ by whose seeds alone differ, ``(shots,)`` by measure."""
        still = self.plan.still
        one, other = self.numbers(still), self.numbers(still, twins=True)
        found = {name: other[name] - one[name] for name in one}
        apart = np.array([[-1.0, 1.0]])
        pairs = [
            inner_products([self.picture(still, shot), self.picture(still, shot, twins=True)])
            for shot in range(self.shots)
        ]
        return found | {name: np.array([length(apart, pair[name])[0] for pair in pairs]) for name in DISTANCES}

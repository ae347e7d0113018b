"""The renders of a plan, whatever makes them: recipe by recipe, set by set of shots; and what is measured of pairs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from engine.errors import RenderError, first_line
from engine.shots.shot import Shot
from studies.after_recipe.probe.designs.plan import CHUNK, PlannedRecipe, ProbePlan, chunked
from studies.after_recipe.probe.picture_measures import DISTANCES, Numbers, inner_products, length
from studies.candidate import Candidate
from studies.drawing.sheets import RgbPicture
from studies.errors import StudyError
from studies.progress import Meter
from studies.results.probe import ProbedKnob, ProbedModel
from studies.store.renders import RenderStore

Scored = tuple[float | None, float | None]
"""The objective of a recipe less that of the base, and its standard error; None where there is none."""


@dataclass(slots=True, kw_only=True)
class PlannedRenders(ABC):
    """The renders of a plan, as far as they are made.

    Attributes:
        plan: what is rendered.
        shots: how many shots every recipe has so far.
        broken: why a recipe has no pictures, by key.
    """

    plan: ProbePlan
    shots: int = 0
    broken: dict[str, str] = field(default_factory=dict[str, str])

    @property
    @abstractmethod
    def name(self) -> str:
        """Name of the study, or of the pair."""

    @property
    @abstractmethod
    def models(self) -> tuple[ProbedModel, ...]:
        """The models that are mixed."""

    @property
    @abstractmethod
    def drawn(self) -> int:
        """Pictures that were rendered, and not taken from those that are kept."""

    @property
    @abstractmethod
    def store(self) -> RenderStore:
        """Where the pictures are kept."""

    @abstractmethod
    def make(self, candidate: Candidate, shots: tuple[Shot, ...]) -> None:
        """Render a set of shots of a recipe and keep the pictures, unless they are kept.

        Raises:
            RenderError: a picture came out broken, or the device has too little memory (then with a cause).
        """

    @abstractmethod
    def numbers(self, candidate: Candidate, *, twins: bool = False) -> dict[str, Numbers]:
        """The measures with a sign of all shots of a recipe so far, ``(shots,)`` by name; NaN where one is broken."""

    @abstractmethod
    def against_base(self, candidate: Candidate) -> Scored:
        """What the objective says of a recipe that has pictures."""

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
        if recipe.candidate.key not in self.broken:
            try:
                self.make(recipe.candidate, shots)
            except RenderError as error:
                if error.__cause__ is not None:  # it is the device's, not the recipe's
                    raise
                if recipe.candidate == self.plan.still:
                    raise StudyError.of(error.problems) from error
                self.broken[recipe.candidate.key] = f"{recipe.label}: {first_line(error)}"
        bar.advance(len(shots), note=recipe.label)

    def sets(self, *, twins: bool = False) -> list[tuple[Shot, ...]]:
        """The sets of shots so far, or those with other seeds."""
        return chunked((self.plan.twins if twins else self.plan.shots)[: self.shots])

    def picture(self, candidate: Candidate, shot: int, *, twins: bool = False) -> RgbPicture:
        """One picture of a recipe, by the place of its shot.

        Raises:
            StudyError: its file is gone or damaged since it was rendered.
        """
        number, place = divmod(shot, CHUNK)
        shots = self.sets(twins=twins)[number]
        picture = self.store.picture(candidate, shots, place)
        if picture is None:
            folder = self.store.place(candidate, shots)
            raise StudyError("a picture is gone or damaged", place=(folder,), remedy="run the same command again")
        return picture

    def pictures_at(self, knob: ProbedKnob, level: str) -> list[RgbPicture] | None:
        """The pictures of the base with a knob at its `low`, `base` or `high` value, one for each shot, where it has.

        Args:
            knob: one of the plan.
            level: the value.
        """
        moved = {} if level == "base" else {knob.name: getattr(knob, level)}
        candidate = Candidate(recipe=self.plan.base.recipe(moved), vae=self.plan.still.vae)
        if candidate.key in self.broken or candidate.key not in {one.candidate.key for one in self.plan.recipes}:
            return None
        return [self.picture(candidate, shot) for shot in range(self.shots)]

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

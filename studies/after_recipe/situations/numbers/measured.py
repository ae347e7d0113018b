"""From pictures to numbers: what the pictures of every situation come to, with intervals that hold together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from studies.after_recipe.situations.numbers.diversity import FEWEST, spread_of, spread_values
from studies.after_recipe.situations.numbers.fidelity import WordMatch, word_matches
from studies.after_recipe.situations.numbers.statistics import IntervalLevel, MeanEstimate, Sample, estimates

if TYPE_CHECKING:
    from scorers.features import Features, Slot
    from scorers.panel.panel import Panel
    from scorers.scoring.prompt_match import Fidelity
    from studies.after_recipe.situations.rounds import RoundPictures
    from studies.after_recipe.situations.shots import SituationShot

AVERAGE = "its own average"
"""What the difference of a situation from all of them is compared with, as the label of a rival."""
FEWEST_COMMON = 3
"""Whole pictures that a recipe and a rival must have in common: with fewer the panel does not compare them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeLabels:
    """The labels of the recipes of an examination."""

    subject: str
    parents: tuple[str, ...]
    flats: tuple[str, ...] = ()

    @property
    def rivals(self) -> tuple[str, ...]:
        """All that the subject is compared with."""
        return self.parents + self.flats

    @property
    def every(self) -> tuple[str, ...]:
        """All of them, the subject first."""
        return (self.subject, *self.rivals)


@dataclass(frozen=True, slots=True, kw_only=True)
class SituationNumbers:
    """What the pictures of a situation come to; estimates are the subject's less a rival's, by the rival's label."""

    pictures: int
    """How many each recipe has."""
    leads: Mapping[str, MeanEstimate]
    """In units of the objective."""
    margins: Mapping[str, MeanEstimate]
    """Margins of the word over the others, in cosines."""
    spreads: Mapping[str, MeanEstimate]
    """Spreads over seeds."""
    from_average: MeanEstimate | None
    """Mean lead over the parents less that of all situations."""
    obeyed: Mapping[str, float]
    """Share of the pictures that show the word, of every recipe; empty where that cannot be told."""
    instead: str
    """The word that most of the subject's other pictures show; ""."""
    spread: Mapping[str, float]
    """Of every recipe; empty where that cannot be told."""
    broken: Mapping[str, int]
    """How many pictures are broken, of every recipe."""
    lead_by_slot: Mapping[Slot, float]
    """Mean lead over the parents of every picture."""
    match_by_slot: Mapping[Slot, WordMatch]
    """How the subject's pictures match the word."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SituationMeter:
    """Turns pictures into numbers.

    Attributes:
        panel: calibrated.
        scorer: compares pictures with prompts; None: words are not told.
        shots: of all situations, by their keys.
        labels: of the recipes.
    """

    panel: Panel
    scorer: Fidelity | None
    shots: Mapping[str, Sequence[SituationShot]]
    labels: RecipeLabels

    def numbers(self, drawn: RoundPictures, level: IntervalLevel) -> dict[str, SituationNumbers]:
        """Return the numbers of all situations.

        Args:
            drawn: features by recipe and situation; of a situation all recipes have the same shots.
            level: of the intervals.

        Raises:
            ScorerError: a scorer failed.
        """
        values = self._lead_values(drawn)
        matches = {label: self._matches(drawn[label]) for label in self.labels.every}
        leads = {rival: estimates(self._samples(drawn, values[rival]), level) for rival in values}
        margins = {rival: estimates(self._margin_samples(matches, rival), level) for rival in self.labels.rivals}
        spreads = {rival: estimates(self._spread_samples(drawn, rival), level) for rival in self.labels.rivals}
        mean_values = _mean_values([values[parent] for parent in self.labels.parents if parent in values])
        averages = _from_their_average(estimates(self._samples(drawn, mean_values), level))
        found: dict[str, SituationNumbers] = {}
        for key in self.shots:
            pictures = {label: drawn[label][key] for label in self.labels.every}
            own = matches[self.labels.subject][key]
            slots = pictures[self.labels.subject].slots
            found[key] = SituationNumbers(
                pictures=len(slots),
                leads=_of_situation(leads, key),
                margins=_of_situation(margins, key),
                spreads=_of_situation(spreads, key),
                from_average=averages.get(key),
                obeyed={label: _share_obeyed(one) for label in matches if (one := matches[label][key])},
                instead=_taken_for(own),
                spread=self._spread(pictures),
                broken={label: len(one) - len(one.intact) for label, one in pictures.items()},
                lead_by_slot={slot: mean_values[slot] for slot in slots if slot in mean_values},
                match_by_slot=own,
            )
        return found

    def _lead_values(self, drawn: RoundPictures) -> dict[str, dict[Slot, float]]:
        """What each of the subject's pictures is better by than each rival's, of all situations together.

        A scorer of pairs of pictures sees those of all situations, as it sees those of all prompts in a trial.
        """
        every = {label: _on_unique_slots([*drawn[label].values()]) for label in self.labels.every}
        own = every[self.labels.subject]
        found: dict[str, dict[Slot, float]] = {}
        for rival in self.labels.rivals:
            if len(_common_slots(own, every[rival])) >= FEWEST_COMMON:
                found[rival] = self.panel.differences(own, every[rival])
        return found

    def _samples(self, drawn: RoundPictures, values: Mapping[Slot, float]) -> dict[str, Sample]:
        pictures = drawn[self.labels.subject]
        return {key: np.array([values[slot] for slot in pictures[key].slots if slot in values]) for key in self.shots}

    def _matches(self, pictures: Mapping[str, Features]) -> dict[str, dict[Slot, WordMatch]]:
        if self.scorer is None:
            return {key: {} for key in self.shots}
        return {key: word_matches(self.scorer, pictures[key], shots) for key, shots in self.shots.items()}

    def _margin_samples(
        self, matches: Mapping[str, Mapping[str, Mapping[Slot, WordMatch]]], rival: str
    ) -> dict[str, Sample]:
        samples: dict[str, Sample] = {}
        for key in self.shots:
            own, others = matches[self.labels.subject][key], matches[rival][key]
            samples[key] = np.array([own[slot].margin - others[slot].margin for slot in own if slot in others])
        return samples

    def _spread_samples(self, drawn: RoundPictures, rival: str) -> dict[str, Sample]:
        embedding, samples = self.panel.content_embedding, dict[str, Sample]()
        for key in self.shots if embedding else ():
            own, other = drawn[self.labels.subject][key], drawn[rival][key]
            slots = _common_slots(own, other)
            if embedding and len(slots) >= FEWEST:
                samples[key] = spread_values(own, embedding, slots) - spread_values(other, embedding, slots)
        return samples

    def _spread(self, pictures: Mapping[str, Features]) -> dict[str, float]:
        """The spreads of all recipes, of the pictures that all of them have whole."""
        embedding, (first, *others) = self.panel.content_embedding, pictures.values()
        slots = [slot for slot in _slots_of(first) if all(slot in _slots_of(other) for other in others)]
        if not embedding or len(slots) < FEWEST:
            return {}
        return {label: spread_of(one, embedding, slots) for label, one in pictures.items()}


def _slots_of(features: Features) -> set[Slot]:
    """The slots of the whole pictures."""
    return {features.slots[row] for row in features.intact}


def _common_slots(one: Features, other: Features) -> list[Slot]:
    """The slots whose pictures are whole in both, in order."""
    shared = _slots_of(one) & _slots_of(other)
    return [slot for slot in one.slots if slot in shared]


def _on_unique_slots(parts: Sequence[Features]) -> Features:
    """Pictures of all situations together; of two with the same prompt and seed, which are the same picture, one."""
    from scorers.features import joined

    every = joined(parts)
    rows = {slot: row for row, slot in reversed([*enumerate(every.slots)])}
    return every.take(sorted(rows.values()))


def _mean_values(values: Sequence[Mapping[Slot, float]]) -> dict[Slot, float]:
    """The mean of some values by slot, of slots that all have."""
    if not values:
        return {}
    shared = [slot for slot in values[0] if all(slot in other for other in values)]
    return {slot: float(np.mean([one[slot] for one in values])) for slot in shared}


def _from_their_average(found: Mapping[str, MeanEstimate]) -> dict[str, MeanEstimate]:
    """Estimates less the mean of all, whose own doubt is small beside that of a single situation and left out."""
    average = float(np.mean([one.mean for one in found.values()])) if found else 0.0
    return {
        key: replace(one, mean=one.mean - average, low=one.low - average, high=one.high - average)
        for key, one in found.items()
    }


def _of_situation(found: Mapping[str, Mapping[str, MeanEstimate]], key: str) -> dict[str, MeanEstimate]:
    return {rival: one[key] for rival, one in found.items() if key in one}


def _share_obeyed(matches: Mapping[Slot, WordMatch]) -> float:
    return sum(one.is_obeyed for one in matches.values()) / len(matches)


def _taken_for(matches: Mapping[Slot, WordMatch]) -> str:
    """The word that most of the pictures that do not show theirs match best; ""."""
    others = Counter(one.best for one in matches.values() if not one.is_obeyed)
    return min(others, key=lambda word: (-others[word], word), default="")

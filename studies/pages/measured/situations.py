"""A recipe in many situations, as pages show it: aspect by aspect, its weak spots, words, and diversity over seeds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from studies.pages.charts.intervals import IntervalGroup, IntervalLine, Told, interval_range
from studies.pages.measured.read import ReadResult, read_result
from studies.pages.reading.measured_files import SITUATIONS, picture_name
from studies.results.situations import (
    VERDICTS,
    RivalDifference,
    SituationResult,
    SituationsResult,
    WeakSpot,
    examined,
    read_situations,
)

LARGEST_LOGARITHM = 50.0
"""Of what can be shown; the spread of embeddings differs by far less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAspect:
    """All situations of one aspect."""

    name: str
    situations: tuple[SituationResult, ...]

    @property
    def groups(self) -> tuple[IntervalGroup, ...]:
        """What its chart draws: the situations that could be compared."""
        return tuple(interval_group(one.word, one.differences) for one in self.situations if one.differences)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownWeakSpot:
    """A weak spot with the name that pages have for its picture."""

    spot: WeakSpot
    picture: str
    """"" where none was drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpreadRatio:
    """How varied the recipe's pictures are over seeds, in parts of a rival's; 1 is as varied."""

    rival: str
    mean: float
    low: float
    high: float
    told: Told


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownSituations:
    """An examination."""

    result: SituationsResult
    aspects: tuple[ShownAspect, ...]
    weak_spots: tuple[ShownWeakSpot, ...]
    overview: str
    """Name of the picture of all situations; "" where none was drawn."""

    @property
    def counts(self) -> dict[str, int]:
        """How many situations have each verdict."""
        return {verdict: sum(one.verdict == verdict for one in self.result.situations) for verdict in VERDICTS}

    @property
    def ends(self) -> tuple[float, float]:
        """Ends of the axis that the charts of all aspects share."""
        return interval_range(group for aspect in self.aspects for group in aspect.groups)

    @property
    def overall(self) -> IntervalGroup:
        """The differences over all pictures; its name is for the page to say."""
        return interval_group("", self.result.overall)

    @property
    def worded(self) -> tuple[SituationResult, ...]:
        """The situations whose word can be obeyed or not, those that are lost first."""
        known = [one for one in self.result.situations if one.fidelity is not None]
        return tuple(sorted(known, key=lambda one: not (one.fidelity and one.fidelity.lost)))

    @property
    def alike(self) -> tuple[SituationResult, ...]:
        """The situations whose pictures look too alike over seeds."""
        return tuple(one for one in self.result.situations if one.diversity is not None and one.diversity.too_alike)

    @property
    def spread(self) -> tuple[SpreadRatio, ...]:
        """Diversity over all situations, from every rival's."""
        return tuple(
            SpreadRatio(
                rival=one.rival,
                mean=_times(one.mean),
                low=_times(one.low),
                high=_times(one.high),
                told=told(one),
            )
            for one in self.result.diversity
        )


def _times(logarithm: float) -> float:
    """The number of a logarithm; of one that no spread has, which only a damaged file says, a very large number."""
    return math.exp(min(logarithm, LARGEST_LOGARITHM))


def told(difference: RivalDifference) -> Told:
    """Return what a difference tells."""
    return "better" if difference.is_better else "worse" if difference.is_worse else "open"


def interval_group(name: str, differences: Sequence[RivalDifference]) -> IntervalGroup:
    """Return differences from several rivals as a group of a chart."""
    lines = (
        IntervalLine(against=one.rival, mean=one.mean, low=one.low, high=one.high, told=told(one))
        for one in differences
    )
    return IntervalGroup(name=name, lines=tuple(lines))


def shown_situations(folder: Path, key: str = "") -> ReadResult[ShownSituations]:
    """Return an examination of a study for pages.

    Args:
        folder: of the study.
        key: name of the folder of what was examined; "": the latest.
    """
    if not examined(folder):
        return ReadResult()
    return read_result(lambda: _shown(read_situations(folder, key)))


def examined_names(folder: Path) -> dict[str, str]:
    """Return the titles of all examinations, by the names of their folders, the latest first.

    One that is damaged is called by the name of its folder.

    Args:
        folder: of the study.
    """
    keys = examined(folder)
    read = {key: read_result(partial(read_situations, folder, key)).found for key in keys}
    return {key: one.title if one else key for key, one in read.items()}


def _shown(result: SituationsResult) -> ShownSituations:
    def name(picture: str) -> str:
        return picture_name(SITUATIONS, result.key, picture) if picture else ""

    aspects = dict.fromkeys(one.aspect for one in result.situations)
    return ShownSituations(
        result=result,
        aspects=tuple(
            ShownAspect(name=aspect, situations=tuple(one for one in result.situations if one.aspect == aspect))
            for aspect in aspects
        ),
        weak_spots=tuple(ShownWeakSpot(spot=spot, picture=name(spot.picture)) for spot in result.weak_spots),
        overview=name(result.overview),
    )

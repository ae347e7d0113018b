"""The noise of a trial, measured before the search, and how many shots a trial needs.

What matters is the noise of a *difference*: all trials of a stage draw the same shots, so what makes one shot brighter
or easier than another is common to all of them and cancels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from engine.errors import Problems
from search.errors import SearchError
from search.history import Slots
from search.plan import STAGES, Stage

AIM = 0.1
"""Wanted noise of a trial, in standard deviations between the calibration recipes.

On made-up landscapes four times as many trials with twice the noise came closer up to 0.1, and no closer beyond
(`tests/benchmarks/RESULTS.md`).
"""
FEWEST = 4
"""Shots that a trial draws at least: with fewer, the search finds what suits a picture, not what suits the look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Noise:
    """The noise of one shot, in units of the objective."""

    paired: float
    """Standard deviation of what one shot adds to the difference of two recipes, divided by the root of 2."""
    common: float
    """Standard deviation of what one shot adds to all recipes alike."""
    between: float
    """Standard deviation between the recipes themselves, the noise taken off; 0 when nothing is left."""

    def of_trial(self, shots: int) -> float:
        """Return the standard error of a trial of so many shots, among trials on the same shots."""
        return self.paired / math.sqrt(shots)


def measured(values: Sequence[Sequence[float]]) -> Noise:
    """Return the noise from a few recipes, each on the same shots (or sets of seeds).

    Analysis of variance of two crossed factors without replication (Scheffe, The analysis of variance, 1959, 4.2): what
    is left after the means of recipes and of shots is the paired noise. Of a single recipe all scatter counts as
    paired, which is too much rather than too little.

    Args:
        values: one row a recipe, one column a shot; larger is better.

    Raises:
        SearchError: less than two shots, rows of different lengths, numbers that are not finite.
    """
    recipes, shots = len(values), len(values[0]) if values else 0
    if shots < 2 or any(len(row) != shots for row in values):
        raise SearchError(
            f"noise is measured from recipes on the same 2 shots or more, not from {list(map(len, values))}"
        )
    if not all(math.isfinite(number) for row in values for number in row):
        raise SearchError("a value is not finite, so the noise cannot be measured", remedy="leave broken pictures out")
    rows = [math.fsum(row) / shots for row in values]
    columns = [math.fsum(column) / recipes for column in zip(*values, strict=True)]
    middle = math.fsum(rows) / recipes
    if recipes == 1:
        scatter = math.fsum((number - middle) ** 2 for number in values[0]) / (shots - 1)
        return Noise(paired=math.sqrt(scatter), common=0.0, between=0.0)
    left = math.fsum(
        (number - row - column + middle) ** 2
        for one, row in zip(values, rows, strict=True)
        for number, column in zip(one, columns, strict=True)
    ) / ((recipes - 1) * (shots - 1))
    by_shot = recipes * math.fsum((column - middle) ** 2 for column in columns) / (shots - 1)
    by_recipe = shots * math.fsum((row - middle) ** 2 for row in rows) / (recipes - 1)
    common, between = max(by_shot - left, 0.0) / recipes, max(by_recipe - left, 0.0) / shots
    return Noise(paired=math.sqrt(left), common=math.sqrt(common), between=math.sqrt(between))


def shots_per_trial(noise: Noise, available: int) -> int:
    """Return how many shots a trial should draw: enough for its noise to be small beside what recipes differ by.

    Args:
        noise: of one shot.
        available: shots that the study has; never more than these.

    Raises:
        SearchError: there is no shot.
    """
    if available < 1:
        raise SearchError("there are no shots", remedy="add a prompt")
    if noise.between <= 0:
        return available
    wanted = math.ceil((noise.paired / (AIM * noise.between)) ** 2)
    return min(max(wanted, FEWEST), available)


SHARES: Mapping[Stage, float] = MappingProxyType(
    {"flat": 1.0, "groups": 1.0, "blocks": 1.0, "self": 1.0, "adjust": 1.0, "refine": 2.0}
)
"""Shots of a stage, in shots per trial: the last one looks twice as closely."""
SHARED: Mapping[Stage, Stage] = MappingProxyType({"groups": "flat", "adjust": "self"})
"""Stages that go on where another one was: these are short, and every new window costs a few trials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """A window that moves through the shots of a study from stage to stage.

    Within a stage every trial draws the same shots from the same noise (common random numbers): only then do
    differences of values tell recipes apart. Between stages the window moves on, so that what suits eight pictures by
    chance is found out: the model counts what a window makes of recipes as luck, and every stage begins with its start,
    which ties the windows.

    Raises:
        SearchError: negative counts, or more shots per trial than there are.
    """

    shots: int = 0
    """How many shots the study has; 0: every trial draws all of them, whatever they are."""
    each: int = 0
    """Shots per trial; 0: all."""
    fresh: bool = False
    """Whether the window may move beyond the study's shots: place `n` is shot `n % shots` again, from other noise."""

    def __post_init__(self) -> None:
        problems = Problems()
        for name, count in (("shots", self.shots), ("each", self.each)):
            if count < 0:
                problems.add((), f"{name} = {count} is negative")
        if self.each > self.shots:
            what = f"{self.each} shots per trial, but the study has {self.shots}"
            problems.add((), what, "give it more prompts")
        problems.raise_as(SearchError, "the rotation of shots")

    def slots(self, stage: Stage) -> Slots:
        """Return the places of a stage's shots, in order; empty: all of them."""
        if not self.each or (self.each == self.shots and not self.fresh):
            return ()
        windows: list[Stage] = [one for one in STAGES if one not in SHARED]
        before = windows[: windows.index(SHARED.get(stage, stage))]
        first = sum(self._count(one) for one in before)
        places = range(first, first + self._count(stage))
        return tuple(places) if self.fresh else tuple(sorted(place % self.shots for place in places))

    def _count(self, stage: Stage) -> int:
        wanted = round(SHARES[stage] * self.each)
        return wanted if self.fresh else min(wanted, self.shots)

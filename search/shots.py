"""Which shots a trial draws, and how many: enough that the observation noise is small beside what recipes differ by.

All trials of a stage draw the same shots from the same initial noise (common random numbers), so what makes one shot
brighter or easier than another is common to all of them and cancels. What remains is the noise of a *difference* of two
recipes. It is measured on a few recipes before the search (`measure_noise`), it decides how many shots a trial draws
(`shots_per_trial`), and `ShotRotation` says which ones each stage draws.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, variance
from types import MappingProxyType

from engine.errors import Problems
from search.errors import SearchError
from search.history import Slots, TrialRecord
from search.plan import STAGES, Stage

NOISE_AIM = 0.1
"""Observation noise that a trial should have at most, in standard deviations between the calibration recipes.

On made-up landscapes four times as many trials with twice the noise came closer up to 0.1, and no closer beyond
(`tests/benchmarks/RESULTS.md`).
"""
FEWEST_SHOTS = 4
"""Shots that a trial draws at least; with fewer, the search overfits to single pictures."""
MOST_SHOTS = 16
"""Shots that a trial draws at most where their number follows from the noise: more trials tell more than more shots."""
NOISE_ENOUGH = 2.0
"""Noise that a trial may have, in standard deviations of what the last trials truly differ by, before it draws more."""
LAST = 16
"""By how many of the last trials of a stage it is decided how many shots the next one draws."""
STAGE_SHARES: Mapping[Stage, float] = MappingProxyType(
    {"flat": 1.0, "groups": 1.0, "blocks": 1.0, "self": 1.0, "adjust": 1.0, "refine": 2.0}
)
"""Shots that a trial of each stage draws, in shots per trial; `refine` draws twice as many, to measure more closely."""
SHARED_WINDOWS: Mapping[Stage, Stage] = MappingProxyType({"groups": "flat", "adjust": "self"})
"""Short stages, by the stage whose shots they go on with: every new window costs a few trials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObservationNoise:
    """The noise of one shot, in units of the objective."""

    paired: float
    """Standard deviation of what one shot adds to the difference of two recipes, divided by the root of 2."""
    common: float
    """Standard deviation of what one shot adds to all recipes alike."""
    between: float
    """Standard deviation between the recipes themselves, the noise taken off; 0 when nothing is left."""

    def standard_error(self, shots: int) -> float:
        """Return the standard error of a trial of so many shots, among trials on the same shots."""
        return self.paired / math.sqrt(shots)


def measure_noise(values: Sequence[Sequence[float]]) -> ObservationNoise:
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
    recipe_means = [math.fsum(row) / shots for row in values]
    shot_means = [math.fsum(column) / recipes for column in zip(*values, strict=True)]
    mean = math.fsum(recipe_means) / recipes
    if recipes == 1:
        scatter = math.fsum((number - mean) ** 2 for number in values[0]) / (shots - 1)
        return ObservationNoise(paired=math.sqrt(scatter), common=0.0, between=0.0)
    residual = math.fsum(
        (number - recipe_mean - shot_mean + mean) ** 2
        for row, recipe_mean in zip(values, recipe_means, strict=True)
        for number, shot_mean in zip(row, shot_means, strict=True)
    ) / ((recipes - 1) * (shots - 1))
    by_shot = recipes * math.fsum((shot_mean - mean) ** 2 for shot_mean in shot_means) / (shots - 1)
    by_recipe = shots * math.fsum((recipe_mean - mean) ** 2 for recipe_mean in recipe_means) / (recipes - 1)
    common, between = max(by_shot - residual, 0.0) / recipes, max(by_recipe - residual, 0.0) / shots
    return ObservationNoise(paired=math.sqrt(residual), common=math.sqrt(common), between=math.sqrt(between))


def shots_per_trial(noise: ObservationNoise, available: int) -> int:
    """Return how many shots a trial should draw: enough for its noise to be small beside what recipes differ by.

    At most `MOST_SHOTS`: of as many pictures more trials tell more, where they draw others of the shots
    (`tests/benchmarks/RESULTS.md`).

    Args:
        noise: of one shot.
        available: shots that the study has; never more than these.

    Raises:
        SearchError: there is no shot.
    """
    if available < 1:
        raise SearchError("there are no shots", remedy="add a prompt")
    if noise.between <= 0:
        return min(MOST_SHOTS, available)
    enough = math.ceil((noise.paired / (NOISE_AIM * noise.between)) ** 2)
    return min(max(enough, FEWEST_SHOTS), MOST_SHOTS, available)


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotRotation:
    """Which shots each stage renders: all, or a window that moves on, so that nothing overfits to a few pictures.

    Within a stage every trial draws the same shots: only then do differences of values tell recipes apart. Between
    stages the window moves on, so that a recipe which suits eight pictures by chance is noticed: the surrogate has a
    random effect for every set of shots, and every stage begins with its start, which ties the sets.

    Raises:
        SearchError: negative counts, or more shots per trial than there are.
    """

    shots: int = 0
    """How many shots the study has; 0: every trial draws all of them, whatever they are."""
    per_trial: int = 0
    """Shots per trial; 0: all."""
    fresh: bool = False
    """Whether the window may move beyond the study's shots: place `n` is shot `n % shots` again, from other noise."""
    order: tuple[int, ...] = ()
    """The places in the order in which windows take them; empty: as they come. See `spread_order`."""
    moving: bool = False
    """Whether every trial of a stage draws the next shots; else they all draw the same. Stage `flat` always does."""
    fewest: int = 0
    """Fewest shots of a trial where differences are large against the noise; 0: all trials of a stage draw as many."""

    def __post_init__(self) -> None:
        problems = Problems()
        for name, count in (("shots", self.shots), ("per_trial", self.per_trial)):
            if count < 0:
                problems.add((), f"{name} = {count} is negative")
        if self.per_trial > self.shots:
            what = f"{self.per_trial} shots per trial, but the study has {self.shots}"
            problems.add((), what, "give it more prompts")
        if self.order and sorted(self.order) != list(range(self.shots)):
            problems.add((), f"order = {list(self.order)} is not the places 0 to {self.shots - 1}, each once")
        problems.raise_as(SearchError, "the rotation of shots")

    def slots(self, stage: Stage, trials: Sequence[TrialRecord] = ()) -> Slots:
        """Return the places of the shots of a stage's next trial, in order; empty: all of them.

        Args:
            stage: that draws them.
            trials: those of the stage so far.
        """
        if not self.per_trial or (self.per_trial == self.shots and not self.fresh):
            return ()
        windows: list[Stage] = [one for one in STAGES if one not in SHARED_WINDOWS]
        before = windows[: windows.index(SHARED_WINDOWS.get(stage, stage))]
        first, count = sum(self._count(one) for one in before), self._count(stage)
        if self.moving and stage != "flat":
            first += sum(len(one.slots) for one in trials)
            count = self._count_now(count, trials)
        places = [self._place(number) for number in range(first, first + count)]
        return tuple(places) if self.fresh else tuple(sorted(place % self.shots for place in places))

    def _count_now(self, count: int, trials: Sequence[TrialRecord]) -> int:
        """Return how many shots the next trial draws, of as many as trials of its stage usually draw."""
        return shots_now(trials, self.fewest, count) if 0 < self.fewest < count else count

    def _place(self, number: int) -> int:
        """The place that windows take as number 0, 1, ..."""
        turn, within = divmod(number, self.shots)
        return turn * self.shots + (self.order[within] if self.order else within)

    def _count(self, stage: Stage) -> int:
        count = round(STAGE_SHARES[stage] * self.per_trial)
        return count if self.fresh else min(count, self.shots)


def shots_now(trials: Sequence[TrialRecord], fewest: int, most: int) -> int:
    """Return how many shots the next trial draws: few while differences are large against the noise.

    As many as make the noise of a trial twice what the last trials truly differ by, which is their variance less that
    of their noise. So there are more as trials come close to each other, and all of them where nothing stands out.

    Args:
        trials: those of the stage so far; shots of others differ by what the stage moves.
        fewest: shots, also of the first trials, which go furthest.
        most: shots.
    """
    known = [
        (one.value, one.standard_error, len(one.slots))
        for one in trials[-LAST:]
        if one.value is not None and one.standard_error and one.slots
    ]
    if len(known) < LAST:
        return fewest
    of_one = fmean(error**2 * count for _, error, count in known)
    spread = variance(value for value, _, _ in known) - fmean(error**2 for _, error, _ in known)
    return min(max(math.ceil(of_one / (NOISE_ENOUGH**2 * spread)), fewest), most) if spread > 0 else most


def spread_order(weights: Sequence[float]) -> tuple[int, ...]:
    """Return an order of the shots' places whose every stretch holds heavy and light shots in about equal parts.

    With weights a window of light shots alone would say little of what a recipe is worth. So the shots are sorted by
    weight and taken in the order of van der Corput's sequence, which fills an interval evenly at all times
    (Niederreiter, Random number generation and quasi-Monte Carlo methods, 1992, 3.1).

    Args:
        weights: by place.

    Returns:
        Every place once; empty where all weights are alike.
    """
    if len(set(weights)) < 2:
        return ()
    by_weight = sorted(range(len(weights)), key=lambda place: (-weights[place], place))
    turns = sorted(range(len(weights)), key=_van_der_corput)
    ranks = sorted(range(len(weights)), key=lambda number: turns[number])
    return tuple(by_weight[rank] for rank in ranks)


def _van_der_corput(number: int) -> float:
    """The bits of a number, mirrored at the point: 1, 2, 3 become 1/2, 1/4, 3/4."""
    return sum((number >> bit & 1) / 2 ** (bit + 1) for bit in range(number.bit_length()))

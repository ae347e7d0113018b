"""The noise of a trial, measured before the search, and how many shots a trial needs.

What matters is the noise of a *difference*: all trials of a stage draw the same shots, so what makes one shot brighter
or easier than another is common to all of them and cancels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from search.errors import SearchError

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
        raise SearchError("a value is not finite, so the noise cannot be measured; leave broken pictures out")
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
        raise SearchError("there are no shots; add a prompt")
    if noise.between <= 0:
        return available
    wanted = math.ceil((noise.paired / (AIM * noise.between)) ** 2)
    return min(max(wanted, FEWEST), available)

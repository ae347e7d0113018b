"""What calibration measures of a scorer: its unit, its noise, and whether it can rank recipes at all.

A recipe's value is a plain mean. Winsorised paired differences (the outer 10 % on either side moved in) were tried on
nine recipes of the sample world, 16 pictures of 96 px and 8 of 64 px: the ratio of the variance between recipes to the
noise went from 1.8 to 2.0 and from 1.0 to 0.9 for ``clip``, from 1.4 to 1.3 and from 1.7 to 1.2 for ``stats``. So they
gain nothing. They would also lose what plain means have: differences of recipes add up, and leaving one picture out is
exact. And ``style`` has no Winsorised mean: its contributions are terms of a quadratic form, which is biased when some
of them are moved. Single catastrophes are bounded by the floor of a scaled score, and broken pictures are left out.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from engine.errors import counted
from scorers.base import Scorer, checked_values
from scorers.errors import ScorerError
from scorers.features import Features, Values
from scorers.panel.verdict import influence, jackknife, shares

FEWEST_PICTURES = 4
"""The fewest pictures per calibration recipe from which noise is measured."""


FEWEST_RECIPES = 3
"""The fewest calibration recipes from which units are measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """One scorer's unit and noise.

    Attributes:
        name: the scorer's name.
        weight: the weight in the settings.
        sigma: standard deviation between the calibration recipes' values, the objective's unit; at least ``noise``.
        noise: root mean square standard error of a recipe's paired difference from the mean recipe.
        pictures: number of pictures per recipe.
        off: whether the scorer is switched off: reported, but not part of the objective.
    """

    name: str
    weight: float
    sigma: float
    noise: float
    pictures: int
    off: bool = False

    @property
    def counts(self) -> float:
        """The weight in the objective: 0 when switched off."""
        return 0.0 if self.off else self.weight

    @property
    def snr(self) -> float:
        """Signal-to-noise ratio of variances: ``(sigma^2 - noise^2) / noise^2``; below 1, recipes cannot be ranked."""
        extra = max(0.0, self.sigma**2 - self.noise**2)
        return extra / self.noise**2 if self.noise > 0 else math.inf

    @property
    def pictures_needed(self) -> int | None:
        """Pictures per recipe at which the ratio would be 1; None: more than twenty times as many as there are."""
        return math.ceil(self.pictures / self.snr) if self.snr > 0.05 else None

    @property
    def text(self) -> str:
        """One line for people."""
        line = f"{self.name}: weight {self.weight:g}, unit {self.sigma:.4g}, noise {self.noise:.4g}, SNR {self.snr:.2g}"
        if self.snr >= 1:
            return line
        needed = "many more" if self.pictures_needed is None else f"about {self.pictures_needed}"
        line += (
            f"; it cannot rank these recipes with {counted(self.pictures, 'picture')} each, {needed} would be needed"
        )
        if not self.weight:
            return line
        return line + ("; it is switched off" if self.off else "; it stays on anyway")


def too_noisy(scales: Iterable[Scale], keep: Collection[str]) -> frozenset[str]:
    """Names of the scorers to switch off: they have a weight, but noise hides the differences between recipes.

    Args:
        scales: the scales of all scorers.
        keep: names of scorers that stay on despite their noise.

    Returns:
        No names at all if no other scorer would be left: a search needs at least one.
    """
    weighted = [scale for scale in scales if scale.weight > 0]
    noisy = frozenset(scale.name for scale in weighted if scale.snr < 1 and scale.name not in keep)
    return noisy if len(noisy) < len(weighted) else frozenset()


def contributions_of(scorer: Scorer, features: Features) -> Values:
    """Contributions of all pictures, ``(n,)``, NaN for broken ones.

    Raises:
        ScorerError: the scorer raised, or returned something else than one number per picture.
    """
    intact = features.intact
    contributions = np.full(len(features), np.nan)
    if not len(intact):
        return contributions
    contributions[intact] = checked_values(scorer.name, lambda: scorer(features.take(intact)), len(intact))
    return contributions


def mean_contribution(scorer: Scorer, contributions: Values, weights: Values | None = None) -> float:
    """A recipe's value: the mean of the contributions that are numbers, by the weights of the pictures.

    Raises:
        ScorerError: none is a number.
    """
    known = contributions[np.isfinite(contributions)]
    if not len(known):
        raise ScorerError(f"scorer {scorer.name!r} gives no number for any of {len(contributions)} pictures")
    if weights is None:
        return float(known.mean())
    return float(np.average(known, weights=shares(weights[np.isfinite(contributions)], scorer.degree)))


def measure_scale(scorer: Scorer, weight: float, recipes: Mapping[str, Features]) -> Scale:
    """Measure a fitted scorer on the calibration recipes, all with the same slots in the same order.

    Raises:
        ScorerError: a scorer with a weight gives all recipes the same value.
    """
    rows = np.stack([contributions_of(scorer, features) for features in recipes.values()])
    weights = next(iter(recipes.values())).weights
    values = np.array([mean_contribution(scorer, row, weights) for row in rows])
    errors = [jackknife(influence(row, scorer.degree, weights)) for row in rows - rows.mean(0)]
    noise = float(np.sqrt(np.mean([error**2 for error in errors if error is not None] or [0.0])))
    sigma = max(float(values.std(ddof=1)), noise)
    if sigma <= 1e-9 and weight > 0:
        raise ScorerError(
            f"scorer {scorer.name!r} gives all {len(recipes)} calibration recipes the same value {values[0]:.4g}",
            remedy="are their pictures the same?",
        )
    return Scale(name=scorer.name, weight=weight, sigma=max(sigma, 1e-9), noise=noise, pictures=rows.shape[1])


def on_common_slots(recipes: Mapping[str, Features]) -> dict[str, Features]:
    """The recipes reduced to the slots whose pictures are intact in all of them, in one order.

    Raises:
        ScorerError: fewer than three recipes, different slots, or fewer than ``FEWEST_PICTURES`` intact in all.
    """
    if len(recipes) < FEWEST_RECIPES:
        remedy = f"at least {FEWEST_RECIPES} are needed (A, B and FLAT_50, say)"
        raise ScorerError(counted(len(recipes), "calibration recipe"), remedy=remedy)
    first = next(iter(recipes.values()))
    other = [label for label, features in recipes.items() if set(features.slots) != set(first.slots)]
    if other:
        raise ScorerError(
            "calibration recipes must have the same prompts and seeds", remedy=f"these have others: {', '.join(other)}"
        )
    rows = {label: {slot: i for i, slot in enumerate(f.slots) if not f.broken[i]} for label, f in recipes.items()}
    shared = [slot for slot in first.slots if all(slot in known for known in rows.values())]
    if len(shared) < FEWEST_PICTURES:
        broken = {label: sum(map(bool, features.broken)) for label, features in recipes.items()}
        raise ScorerError(
            f"only {counted(len(shared), 'prompt and seed has', 'prompts and seeds have')} intact pictures in all "
            f"calibration recipes, at least {FEWEST_PICTURES} are needed",
            remedy=f"broken pictures: {', '.join(f'{label} {count}' for label, count in broken.items())}",
        )
    return {label: features.take([rows[label][slot] for slot in shared]) for label, features in recipes.items()}

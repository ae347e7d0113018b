"""What calibration finds out about a scorer: its unit, its noise, and whether it can rank recipes at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scorers.base import Scorer
from scorers.errors import ScorerError
from scorers.features import Features
from scorers.verdict import influence, jackknife

Row = npt.NDArray[np.float64]
FEWEST_PICTURES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """One scorer's unit.

    Attributes:
        name: of the scorer.
        weight: in the objective.
        sigma: standard deviation between the calibration recipes' values, the objective's unit; at least ``noise``.
        noise: root mean square standard error of a recipe's paired difference from the mean recipe.
        pictures: per recipe.
    """

    name: str
    weight: float
    sigma: float
    noise: float
    pictures: int

    @property
    def snr(self) -> float:
        """Variance between recipes beyond the noise, over the noise; below 1 the scorer cannot rank recipes."""
        extra = max(0.0, self.sigma**2 - self.noise**2)
        return extra / self.noise**2 if self.noise > 0 else math.inf

    @property
    def text(self) -> str:
        """One line for people."""
        line = f"{self.name}: weight {self.weight:g}, unit {self.sigma:.4g}, noise {self.noise:.4g}, SNR {self.snr:.2g}"
        if self.snr >= 1:
            return line
        wanted = f"about {math.ceil(self.pictures / self.snr)}" if self.snr > 0.05 else "many more"
        return f"{line}; it cannot rank these recipes with {self.pictures} pictures each, {wanted} would be needed"


def rate(scorer: Scorer, features: Features) -> Row:
    """Contributions of all pictures, NaN for broken ones.

    Raises:
        ScorerError: the scorer raised, or returned something else than one number a picture.
    """
    sound = features.sound
    contributions = np.full(len(features), np.nan)
    if not len(sound):
        return contributions
    try:
        values = np.asarray(scorer(features.take(sound)), dtype=np.float64)
    except Exception as error:
        raise ScorerError(f"scorer {scorer.name!r} failed: {type(error).__name__}: {error}") from error
    if values.shape != (len(sound),) or np.isinf(values).any():
        raise ScorerError(
            f"scorer {scorer.name!r} returned shape {values.shape} or infinite numbers for {len(sound)} pictures; "
            "one number a picture is wanted, NaN where it cannot say"
        )
    contributions[sound] = values
    return contributions


def mean_of(scorer: Scorer, contributions: Row) -> float:
    """A recipe's value.

    Raises:
        ScorerError: the scorer had no say on any picture.
    """
    known = contributions[np.isfinite(contributions)]
    if not len(known):
        raise ScorerError(f"scorer {scorer.name!r} has no say on any of {len(contributions)} pictures")
    return float(known.mean())


def scale_of(scorer: Scorer, weight: float, recipes: Mapping[str, Features]) -> Scale:
    """Measure a fitted scorer on the calibration recipes, all on equal slots in equal order.

    Raises:
        ScorerError: a scorer with a weight gives all recipes the same value.
    """
    rows = np.stack([rate(scorer, features) for features in recipes.values()])
    values = np.array([mean_of(scorer, row) for row in rows])
    errors = [jackknife(influence(row, scorer.degree)) for row in rows - rows.mean(0)]
    noise = float(np.sqrt(np.mean([error**2 for error in errors if error is not None] or [0.0])))
    sigma = max(float(values.std(ddof=1)), noise)
    if sigma <= 1e-9 and weight > 0:
        raise ScorerError(
            f"scorer {scorer.name!r} gives all {len(recipes)} calibration recipes the same value {values[0]:.4g}; "
            "are their pictures the same?"
        )
    return Scale(name=scorer.name, weight=weight, sigma=max(sigma, 1e-9), noise=noise, pictures=rows.shape[1])


def aligned(recipes: Mapping[str, Features]) -> dict[str, Features]:
    """The recipes cut to the slots that are sound in all of them, in one order.

    Raises:
        ScorerError: fewer than three recipes, other slots, or fewer than ``FEWEST_PICTURES`` sound in all.
    """
    if len(recipes) < 3:
        raise ScorerError(f"{len(recipes)} calibration recipes; 3 at least are needed (A, B and FLAT_50, say)")
    first = next(iter(recipes.values()))
    other = [label for label, features in recipes.items() if set(features.slots) != set(first.slots)]
    if other:
        raise ScorerError(f"calibration recipes must show the same prompts and seeds; other ones: {', '.join(other)}")
    rows = {label: {slot: i for i, slot in enumerate(f.slots) if not f.broken[i]} for label, f in recipes.items()}
    shared = [slot for slot in first.slots if all(slot in known for known in rows.values())]
    if len(shared) < FEWEST_PICTURES:
        broken = {label: sum(map(bool, features.broken)) for label, features in recipes.items()}
        raise ScorerError(
            f"only {len(shared)} slots are sound in all calibration recipes, {FEWEST_PICTURES} at least are needed; "
            f"broken pictures: {', '.join(f'{label} {count}' for label, count in broken.items())}"
        )
    return {label: features.take([rows[label][slot] for slot in shared]) for label, features in recipes.items()}

"""What calibration finds out about a scorer: its unit, its noise, and whether it can rank recipes at all.

A recipe's value is a plain mean. Winsorising the paired differences (the outer 10 % of either side moved in) was tried
on nine recipes of the sample world, 16 pictures of 96 px and 8 of 64 px: the ratio of the variance between recipes to
the noise went from 1.8 to 2.0 and from 1.0 to 0.9 for ``clip``, from 1.4 to 1.3 and from 1.7 to 1.2 for ``stats``. So
it buys nothing; it would break what plain means give, that differences of recipes add up and that leaving one picture
out is exact; and it cannot be had for ``style``, whose contributions are parts of a quadratic form and lose its
unbiasedness when some of them are moved. Against single catastrophes there is the floor of a part, and broken pictures
are left out altogether.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from scorers.base import Scorer, said
from scorers.errors import ScorerError
from scorers.features import Features
from scorers.panel.verdict import influence, jackknife

Row = npt.NDArray[np.float64]
FEWEST_PICTURES = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """One scorer's unit.

    Attributes:
        name: of the scorer.
        weight: as the settings have it.
        sigma: standard deviation between the calibration recipes' values, the objective's unit; at least ``noise``.
        noise: root mean square standard error of a recipe's paired difference from the mean recipe.
        pictures: per recipe.
        off: switched off: reported, but without a part in the objective.
    """

    name: str
    weight: float
    sigma: float
    noise: float
    pictures: int
    off: bool = False

    @property
    def counts(self) -> float:
        """The weight in the objective."""
        return 0.0 if self.off else self.weight

    @property
    def snr(self) -> float:
        """Variance between recipes beyond the noise, over the noise; below 1 the scorer cannot rank recipes."""
        extra = max(0.0, self.sigma**2 - self.noise**2)
        return extra / self.noise**2 if self.noise > 0 else math.inf

    @property
    def needed(self) -> int | None:
        """Pictures per recipe with which the ratio would be 1; None: more than twenty times as many."""
        return math.ceil(self.pictures / self.snr) if self.snr > 0.05 else None

    @property
    def text(self) -> str:
        """One line for people."""
        line = f"{self.name}: weight {self.weight:g}, unit {self.sigma:.4g}, noise {self.noise:.4g}, SNR {self.snr:.2g}"
        if self.snr >= 1:
            return line
        wanted = "many more" if self.needed is None else f"about {self.needed}"
        line += f"; it cannot rank these recipes with {self.pictures} pictures each, {wanted} would be needed"
        if not self.weight:
            return line
        return line + ("; it is switched off" if self.off else "; it is kept on all the same")


def unable(scales: Iterable[Scale], keep: Collection[str]) -> frozenset[str]:
    """Names of the scorers to switch off: their weight counts, but their noise hides what recipes differ by.

    Args:
        scales: of all scorers.
        keep: scorers that stay on whatever their noise.

    Returns:
        None of them when no other scorer would be left: a search needs one, however poor.
    """
    weighty = [scale for scale in scales if scale.weight > 0]
    poor = frozenset(scale.name for scale in weighty if scale.snr < 1 and scale.name not in keep)
    return poor if len(poor) < len(weighty) else frozenset()


def rate(scorer: Scorer, features: Features) -> Row:
    """Contributions of all pictures, NaN for broken ones.

    Raises:
        ScorerError: the scorer raised, or returned something else than one number a picture.
    """
    sound = features.sound
    contributions = np.full(len(features), np.nan)
    if not len(sound):
        return contributions
    contributions[sound] = said(scorer.name, lambda: scorer(features.take(sound)), len(sound))
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
            f"scorer {scorer.name!r} gives all {len(recipes)} calibration recipes the same value {values[0]:.4g}",
            remedy="are their pictures the same?",
        )
    return Scale(name=scorer.name, weight=weight, sigma=max(sigma, 1e-9), noise=noise, pictures=rows.shape[1])


def aligned(recipes: Mapping[str, Features]) -> dict[str, Features]:
    """The recipes cut to the slots that are sound in all of them, in one order.

    Raises:
        ScorerError: fewer than three recipes, other slots, or fewer than ``FEWEST_PICTURES`` sound in all.
    """
    if len(recipes) < 3:
        raise ScorerError(f"{len(recipes)} calibration recipes", remedy="3 at least are needed (A, B and FLAT_50, say)")
    first = next(iter(recipes.values()))
    other = [label for label, features in recipes.items() if set(features.slots) != set(first.slots)]
    if other:
        raise ScorerError(
            "calibration recipes must show the same prompts and seeds", remedy=f"other ones: {', '.join(other)}"
        )
    rows = {label: {slot: i for i, slot in enumerate(f.slots) if not f.broken[i]} for label, f in recipes.items()}
    shared = [slot for slot in first.slots if all(slot in known for known in rows.values())]
    if len(shared) < FEWEST_PICTURES:
        broken = {label: sum(map(bool, features.broken)) for label, features in recipes.items()}
        raise ScorerError(
            f"only {len(shared)} slots are sound in all calibration recipes, {FEWEST_PICTURES} at least are needed",
            remedy=f"broken pictures: {', '.join(f'{label} {count}' for label, count in broken.items())}",
        )
    return {label: features.take([rows[label][slot] for slot in shared]) for label, features in recipes.items()}

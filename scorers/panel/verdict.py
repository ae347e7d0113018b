"""The panel's word on a recipe, on the difference of two, and the standard errors of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

Row = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One scorer's word.

    Attributes:
        raw: mean contribution, the scorer's own units.
        scaled: difference from the base recipe in standard deviations between the calibration recipes.
        standard_error: of ``scaled``; None when there are too few pictures to tell.
    """

    raw: float
    scaled: float
    standard_error: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A number, its standard error (None: too few pictures to tell), and from how many pictures both are."""

    value: float
    standard_error: float | None
    pictures: int

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval, for other prompts and seeds of the same kind."""
        if self.standard_error is None:
            return None
        found = interval(self.value, self.standard_error, self.pictures)
        return found.low, found.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Penalty:
    """What was taken from the objective, and why.

    Attributes:
        name: of the guard.
        taken: in objective units, above 0.
        words: for people.
    """

    name: str
    taken: float
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """One recipe's objective.

    Attributes:
        value: weighted sum of the scaled parts less the penalties, more is better; None when the recipe is infeasible.
        parts: by scorer; empty when infeasible.
        reasons: why it is infeasible, or remarks on single broken pictures.
        standard_error: of ``value``.
        pictures: that were judged.
        penalties: what was taken.
        aspects: by aspect of ``scorers.scoring.aspects``, the mean of its scorers' scaled parts by their weights.
    """

    value: float | None
    parts: Mapping[str, Part]
    reasons: tuple[str, ...]
    standard_error: float | None
    pictures: int = 0
    penalties: tuple[Penalty, ...] = ()
    aspects: Mapping[str, Estimate] = field(default_factory=dict[str, Estimate])

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of ``value``, for other prompts and seeds of the same kind; None where it cannot be told."""
        if self.value is None:
            return None
        return Estimate(value=self.value, standard_error=self.standard_error, pictures=self.pictures).interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """How much better one recipe is than another on equal slots, in objective units, with a 95 % interval."""

    mean: float
    standard_error: float
    low: float
    high: float


def influence(contributions: Row, degree: int) -> Row:
    """By how much the value would fall if one picture were left out, ``(n,)``; NaN contributions have none.

    A value of degree 1 is a mean; of degree 2, the mean over all pairs of pictures (a U-statistic). In both cases the
    value without picture ``i`` is ``(sum c - degree c_i) / (n - degree)``.

    Returns:
        All NaN when fewer than ``degree + 1`` contributions are numbers.
    """
    known = np.isfinite(contributions)
    count = int(known.sum())
    if count <= degree:
        return np.full(len(contributions), np.nan)
    off = np.where(known, contributions - contributions[known].mean(), 0.0)
    return degree * off / (count - degree)


def jackknife(influences: Row) -> float | None:
    """Standard error by leaving out one picture at a time; None when that cannot be done."""
    count = len(influences)
    if count < 2 or not np.isfinite(influences).all():
        return None
    return float(np.sqrt((count - 1) / count * np.square(influences - influences.mean()).sum()))


def interval(mean: float, standard_error: float, pictures: int) -> Difference:
    """95 % interval from Student's t distribution with ``pictures - 1`` degrees of freedom."""
    half = float(stdtrit(pictures - 1, 0.975)) * standard_error
    return Difference(mean=mean, standard_error=standard_error, low=mean - half, high=mean + half)

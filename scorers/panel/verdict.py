"""What the panel says of one recipe and of the difference of two, and the standard errors of both.

Standard errors are those of the jackknife (Tukey 1958): every picture is left out once, see ``influence``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.special import stdtrit

from scorers.features import Values

CONFIDENCE = 0.95
"""The level of an interval where nobody asks for another one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScaledScore:
    """One scorer's value of a recipe.

    Attributes:
        raw: mean contribution, in the scorer's own units.
        scaled: difference from the base recipe, in standard deviations between the calibration recipes.
        standard_error: standard error of ``scaled``; None with too few pictures.
    """

    raw: float
    scaled: float
    standard_error: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreEstimate:
    """A number in objective units, its standard error (None with too few pictures), and the number of pictures."""

    value: float
    standard_error: float | None
    pictures: int

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval for other prompts and seeds of the same kind; None without a standard error."""
        if self.standard_error is None:
            return None
        difference = paired_difference(self.value, self.standard_error, self.pictures)
        return difference.low, difference.high


@dataclass(frozen=True, slots=True, kw_only=True)
class Penalty:
    """What was subtracted from the objective, and why.

    Attributes:
        name: of the penalty: a scorer's name, a statistic's, ``copies`` or ``collapse``.
        amount: in objective units, above 0.
        reason: in words, for people.
    """

    name: str
    amount: float
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The objective of one recipe.

    Attributes:
        value: weighted sum of the scaled scores less the penalties, more is better; None when the recipe is infeasible.
        scores: by scorer; empty when infeasible.
        reasons: why it is infeasible, or remarks on single broken pictures.
        standard_error: standard error of ``value``.
        pictures: number of pictures that were judged.
        penalties: what was subtracted.
        aspects: by aspect (``scorers.scoring.aspects``), the mean of its scorers' scaled scores, by their weights.
    """

    value: float | None
    scores: Mapping[str, ScaledScore]
    reasons: tuple[str, ...]
    standard_error: float | None
    pictures: int = 0
    penalties: tuple[Penalty, ...] = ()
    aspects: Mapping[str, ScoreEstimate] = field(default_factory=dict[str, ScoreEstimate])

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of ``value``, for other prompts and seeds of the same kind; None without a standard error."""
        if self.value is None:
            return None
        return ScoreEstimate(value=self.value, standard_error=self.standard_error, pictures=self.pictures).interval


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference:
    """How much better one recipe is than another on equal slots, in objective units, with its interval."""

    mean: float
    standard_error: float
    low: float
    high: float


def influence(contributions: Values, degree: int) -> Values:
    """How much the value would fall if one picture were left out, ``(n,)``; 0 for NaN contributions.

    A value of degree 1 is a mean; of degree 2, the mean over all pairs of pictures (a U-statistic). In both cases the
    value without picture ``i`` is ``(sum c - degree c_i) / (n - degree)``.

    Returns:
        All NaN when fewer than ``degree + 1`` contributions are numbers.
    """
    known = np.isfinite(contributions)
    count = int(known.sum())
    if count <= degree:
        return np.full(len(contributions), np.nan)
    deviations = np.where(known, contributions - contributions[known].mean(), 0.0)
    return degree * deviations / (count - degree)


def jackknife(influences: Values) -> float | None:
    """Standard error by leaving out one picture at a time; None with fewer than 2 pictures or NaN influences."""
    count = len(influences)
    if count < 2 or not np.isfinite(influences).all():
        return None
    return float(np.sqrt((count - 1) / count * np.square(influences - influences.mean()).sum()))


def paired_difference(
    mean: float, standard_error: float, pictures: int, confidence: float = CONFIDENCE
) -> PairedDifference:
    """Interval from Student's t distribution with ``pictures - 1`` degrees of freedom; ``confidence`` is its level."""
    half = float(stdtrit(pictures - 1, (1 + confidence) / 2)) * standard_error
    return PairedDifference(mean=mean, standard_error=standard_error, low=mean - half, high=mean + half)

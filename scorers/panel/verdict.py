"""What the panel says of one recipe and of the difference of two, and the standard errors of both.

Standard errors are those of the jackknife (Tukey 1958): every picture is left out once, see ``influence``.

Pictures may have weights. A value of degree 1 is then the weighted mean of the contributions; one of degree 2 is the
mean over pairs of pictures, each pair weighted by the product of its weights (a weighted U-statistic). Where all
weights are alike both are the plain means.
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
    """A number in objective units, its standard error (None with too few pictures), and its degrees of freedom."""

    value: float
    standard_error: float | None
    freedom: float

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval for other prompts and seeds of the same kind; None without a standard error."""
        if self.standard_error is None:
            return None
        difference = paired_difference(self.value, self.standard_error, self.freedom)
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
        freedom: degrees of freedom of the standard error.
        penalties: what was subtracted.
        aspects: by aspect (``scorers.scoring.aspects``), the mean of its scorers' scaled scores, by their weights.
    """

    value: float | None
    scores: Mapping[str, ScaledScore]
    reasons: tuple[str, ...]
    standard_error: float | None
    pictures: int = 0
    freedom: float = 0.0
    penalties: tuple[Penalty, ...] = ()
    aspects: Mapping[str, ScoreEstimate] = field(default_factory=dict[str, ScoreEstimate])

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % interval of ``value``, for other prompts and seeds of the same kind; None without a standard error."""
        if self.value is None:
            return None
        return ScoreEstimate(value=self.value, standard_error=self.standard_error, freedom=self.freedom).interval


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedDifference:
    """How much better one recipe is than another on equal slots, in objective units, with its interval."""

    mean: float
    standard_error: float
    low: float
    high: float
    won: int = 0
    """Slots whose picture is better than the other recipe's."""
    pictures: int = 0
    """Slots that were compared."""


def shares(weights: Values, degree: int) -> Values:
    """What each contribution counts, ``(n,)``: ``w_i`` in a value of degree 1; of degree 2, times the others' sum."""
    return weights if degree == 1 else weights * (weights.sum() - weights)


def influence(contributions: Values, degree: int, weights: Values | None = None) -> Values:
    """How much the value would fall if one picture were left out, ``(n,)``; 0 for NaN contributions.

    A value of degree 1 is a mean; of degree 2, the mean over all pairs of pictures (a U-statistic). In both cases the
    value without picture ``i`` is ``(sum c - degree c_i) / (n - degree)``; with weights,
    ``(sum s c - degree s_i c_i) / (sum s - degree s_i)``, where ``s`` are the ``shares``.

    Args:
        contributions: ``(n,)``; of degree 2, each the mean over the pairs with the other pictures, by their weights.
        degree: 1 or 2.
        weights: of the pictures, ``(n,)``; None: all alike.

    Returns:
        All NaN when fewer than ``degree + 1`` contributions are numbers.
    """
    known = np.isfinite(contributions)
    count = int(known.sum())
    if count <= degree:
        return np.full(len(contributions), np.nan)
    if weights is None:
        deviations = np.where(known, contributions - contributions[known].mean(), 0.0)
        return degree * deviations / (count - degree)
    share, influences = shares(weights[known], degree), np.zeros(len(contributions))
    deviations = contributions[known] - share @ contributions[known] / share.sum()
    influences[known] = degree * share * deviations / (share.sum() - degree * share)
    return influences


def degrees_of_freedom(pictures: int, weights: Values | None = None) -> float:
    """Degrees of freedom of a standard error, at least 1.

    With weights, one less than Kish's effective number of pictures, ``(sum w)^2 / sum w^2`` (Kish, Survey Sampling,
    1965, 11.7). Of normal numbers with weights up to 8 : 1 the intervals of 95 % then hold 94 to 96 % where that number
    is 3 or more; with one less than the plain number of pictures they hold 90 to 95 %.
    """
    if weights is None:
        return pictures - 1
    return max(1.0, float(weights.sum() ** 2 / np.square(weights).sum()) - 1)


def jackknife(influences: Values) -> float | None:
    """Standard error by leaving out one picture at a time; None with fewer than 2 pictures or NaN influences."""
    count = len(influences)
    if count < 2 or not np.isfinite(influences).all():
        return None
    return float(np.sqrt((count - 1) / count * np.square(influences - influences.mean()).sum()))


def paired_difference(
    mean: float, standard_error: float, freedom: float, confidence: float = CONFIDENCE
) -> PairedDifference:
    """Interval from Student's t distribution with these degrees of freedom; ``confidence`` is its level."""
    half = float(stdtrit(freedom, (1 + confidence) / 2)) * standard_error
    return PairedDifference(mean=mean, standard_error=standard_error, low=mean - half, high=mean + half)

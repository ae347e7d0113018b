"""A person's preferences, fitted to picks between pairs of pictures: the panel's weights, moved as far as picks say.

The model is Bradley and Terry's (1952) with the scorers' differences as features: the left picture is preferred with
probability ``1 / (1 + exp(-sum_k b_k d_k))``; a tie is half a pick for either. The present weights are the mean of a
Gaussian prior, and the fit is the maximum of the posterior, found by Newton's method: without picks nothing moves, and
a few picks move little. Differences are in units of their standard deviation over the pairs that can be shown. The
prior's log odds have the scale of a person who picks consistently in four of five pairs drawn at random.

Tried on simulated persons (normal differences, random weights, 80 % consistent, 150 persons each). The present weights
are the person's own, half the person's own, or random as well. The table has the share of new pairs on which the fitted
weights agree with the person's, for the prior's ``SPREAD`` .5 (in brackets: 1, and no prior):

    =====  =================  =================  =================
    picks  own                half               random
    =====  =================  =================  =================
    4 scorers
    --------------------------------------------------------------
    0      1                  .86                .74
    10     .96 (.90, .77)     .88 (.88, .77)     .79 (.83, .77)
    40     .95 (.92, .90)     .92 (.92, .90)     .88 (.91, .90)
    80     .95 (.94, .93)     .94 (.94, .93)     .92 (.93, .93)
    =====  =================  =================  =================
    8 scorers
    --------------------------------------------------------------
    0      1                  .85                .70
    10     .94 (.87, .71)     .86 (.83, .71)     .74 (.76, .70)
    40     .92 (.87, .83)     .88 (.86, .83)     .83 (.85, .83)
    80     .92 (.90, .89)     .91 (.90, .89)     .88 (.89, .89)
    =====  =================  =================  =================

So the spread is .5: ten picks help where the weights were wrong, and cost little where they were right.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from scorers.errors import ScorerError
from scorers.features import FloatArray

NORMAL_95 = 1.959963984540054
"""Half the width of a 95 % interval, in standard deviations of a normal distribution."""
SHARPNESS = 2.3
"""Standard deviation of a pair's log odds at which a person is 80 % consistent."""
SPREAD = 0.5
"""Standard deviation of the prior of each coefficient: log odds per standard deviation of a scorer's differences."""
STEPS = 50
"""The most steps of Newton's method."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreferenceFit:
    """The posterior of a person's weights, as a normal distribution.

    Attributes:
        names: the scorers' names.
        scale: ``(k,)``, root mean square of each scorer's differences over the pairs that can be shown.
        centre: ``(k,)``, the posterior mode: log odds per unit of ``scale``.
        precision: ``(k, k)``, inverse covariance around the mode.
        unit: log odds for a weight of 1 and a difference of 1.
    """

    names: tuple[str, ...]
    scale: FloatArray
    centre: FloatArray
    precision: FloatArray
    unit: float

    def probability(self, differences: FloatArray) -> FloatArray:
        """Probability that the left picture is preferred, ``(n,)``, for differences ``(n, k)`` left minus right."""
        return _logistic(differences / self.scale @ self.centre)

    def information(self, differences: FloatArray) -> FloatArray:
        """How informative an answer would be, ``(n,)``: the variance of the answer times that of its log odds."""
        scaled = differences / self.scale
        variance = np.einsum("nk,nk->n", scaled, np.linalg.solve(self.precision, scaled.T).T)
        share = self.probability(differences)
        return share * (1 - share) * variance

    def weights(self, total: float) -> dict[str, float]:
        """Weights for a study file: none below 0, their sum ``total``.

        Raises:
            ScorerError: no scorer has a weight above 0 in the fit.
        """
        weights = np.maximum(self.centre / (self.scale * self.unit), 0.0)
        if weights.sum() <= 0:
            raise ScorerError(
                "the picks go against every scorer, so no weights above 0 fit them",
                remedy="keep the weights in force, or add scorers that agree with you",
            )
        return dict(zip(self.names, (weights * total / weights.sum()).tolist(), strict=True))


def fit_preferences(
    weights: Mapping[str, float], pool: FloatArray, differences: FloatArray, answers: FloatArray
) -> PreferenceFit:
    """Fit a person's weights.

    Args:
        weights: the present weights, by scorer; at least one above 0.
        pool: ``(m, k)``, differences of the pairs that can be shown, in the scorers' units.
        differences: ``(n, k)``, differences of the pairs that were answered, left minus right.
        answers: ``(n,)``, 1 for left, 0 for right, .5 for a tie.
    """
    scale = np.maximum(np.sqrt(np.mean(np.square(pool), axis=0)), 1e-9)
    present = np.array(list(weights.values()), dtype=np.float64)
    unit = SHARPNESS / max(float(np.sqrt(np.mean(np.square(pool @ present)))), 1e-9)
    centre, precision = _posterior_mode(differences / scale, answers, present * scale * unit)
    return PreferenceFit(names=tuple(weights), scale=scale, centre=centre, precision=precision, unit=unit)


def _posterior_mode(scaled: FloatArray, answers: FloatArray, prior: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Maximum of the posterior and the negative Hessian of its log there; steps that lead down are halved."""
    prior_precision = np.eye(len(prior)) / SPREAD**2

    def log_posterior(centre: FloatArray) -> float:
        odds, deviation = scaled @ centre, centre - prior
        return float(answers @ odds - np.logaddexp(0, odds).sum() - deviation @ prior_precision @ deviation / 2)

    centre = prior.copy()
    for _ in range(STEPS):
        share = _logistic(scaled @ centre)
        gradient = scaled.T @ (answers - share) - prior_precision @ (centre - prior)
        step = np.linalg.solve((scaled * (share * (1 - share))[:, None]).T @ scaled + prior_precision, gradient)
        while log_posterior(centre + step) < log_posterior(centre) and float(np.abs(step).max()) > 1e-10:
            step = step / 2
        centre = centre + step
        if float(np.abs(step).max()) < 1e-10:
            break
    share = _logistic(scaled @ centre)
    return centre, (scaled * (share * (1 - share))[:, None]).T @ scaled + prior_precision


def _logistic(odds: FloatArray) -> FloatArray:
    return 1 / (1 + np.exp(-np.clip(odds, -500, 500)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How often predictions agree with a person's picks, ties left out; the interval is Wilson's (1927), 95 %."""

    agreed: float
    pairs: int

    @property
    def share(self) -> float:
        """Share of the pairs; 0.5 if there are none."""
        return self.agreed / self.pairs if self.pairs else 0.5

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of ``share``; 0 to 1 if there are no pairs."""
        if not self.pairs:
            return 0.0, 1.0
        n, z = self.pairs, NORMAL_95
        middle = (self.share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * math.sqrt(self.share * (1 - self.share) / n + z**2 / (4 * n**2))
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.share:.0%} of {self.pairs} pairs ({low:.0%} to {high:.0%})"


def agreement(predictions: FloatArray, answers: FloatArray) -> Agreement:
    """Agreement of predictions ``(n,)``, above 0 for left, with answers ``(n,)``."""
    decided = np.isfinite(predictions) & (predictions != 0) & (answers != 0.5)
    same = (predictions[decided] > 0) == (answers[decided] > 0.5)
    return Agreement(agreed=float(same.sum()), pairs=int(decided.sum()))


def agreement_on_new(
    weights: Mapping[str, float], pool: FloatArray, differences: FloatArray, answers: FloatArray
) -> Agreement:
    """Agreement of fitted weights with answers that they were not fitted to: every pair is left out once."""
    predictions: Sequence[float] = [
        float(differences[out] / one.scale @ one.centre)
        for out in range(len(answers))
        for one in [fit_preferences(weights, pool, np.delete(differences, out, 0), np.delete(answers, out))]
    ]
    return agreement(np.array(predictions, dtype=np.float64), answers)

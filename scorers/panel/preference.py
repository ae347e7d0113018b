"""What a person prefers, learnt from picks between pairs of pictures: the panel's weights, moved as far as picks say.

The model is Bradley and Terry's (1952) with the scorers' differences as its terms: the left picture is preferred with
probability ``1 / (1 + exp(-sum_k b_k d_k))``; a tie is half a pick for either. The weights that are in force are the
mean of a Gaussian prior, and the fit is the maximum of the posterior, by Newton's method: without picks nothing moves,
and a few picks move little. Terms are counted in standard deviations over the pairs that can be shown, and the prior is
as sure as a person who is consistent in four pairs out of five when all pairs are asked at random.

Tried on simulated persons (normal differences, weights drawn at random, 80 % consistent, 150 persons each). The weights
in force are the person's own, half the person's own, or drawn at random as well. Given is the share of new pairs on
which the fitted weights agree with the person's, for the prior's ``SPREAD`` .5 (and 1, and without a prior):

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

So .5: ten picks help where the weights were not right already, and cost little where they were.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float64]
Vector = npt.NDArray[np.float64]
NORMAL_95 = 1.959963984540054
"""Half the width of a 95 % interval, in standard deviations of a normal distribution."""
SHARPNESS = 2.3
"""Standard deviation of a pair's log odds at which a person is 80 % consistent."""
SPREAD = 0.5
"""Standard deviation of the prior of a scorer's part in the log odds, per standard deviation of its differences."""
STEPS = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Taste:
    """The posterior of a person's weights.

    Attributes:
        names: of the scorers.
        scale: ``(k,)``, standard deviation of each scorer's differences over the pairs that can be shown.
        centre: ``(k,)``, log odds per standard deviation, the most probable.
        precision: ``(k, k)``, inverse covariance around it.
        unit: log odds for a weight of 1 and a difference of one standard deviation.
    """

    names: tuple[str, ...]
    scale: Vector
    centre: Vector
    precision: Matrix
    unit: float

    def probability(self, differences: Matrix) -> Vector:
        """That the left one is preferred, ``(n,)``, for ``(n, k)`` differences left minus right."""
        return _logistic(differences / self.scale @ self.centre)

    def information(self, differences: Matrix) -> Vector:
        """How much an answer would tell, ``(n,)``: the variance of the answer times that of its log odds."""
        seen = differences / self.scale
        unsure = np.einsum("nk,nk->n", seen, np.linalg.solve(self.precision, seen.T).T)
        share = self.probability(differences)
        return share * (1 - share) * unsure

    def weights(self, total: float) -> dict[str, float]:
        """As a study file has them: none below 0, their sum ``total``."""
        plain = np.maximum(self.centre / (self.scale * self.unit), 0.0)
        if plain.sum() <= 0:
            raise ArithmeticError("the picks go against every scorer; no weights above 0 fit them")
        return dict(zip(self.names, (plain * total / plain.sum()).tolist(), strict=True))


def taste(weights: Mapping[str, float], pool: Matrix, differences: Matrix, answers: Vector) -> Taste:
    """Fit a person's weights.

    Args:
        weights: in force, by scorer; at least one above 0.
        pool: ``(m, k)``, differences of the pairs that can be shown, in the scorers' units.
        differences: ``(n, k)``, of the pairs that were answered, left minus right.
        answers: ``(n,)``, 1 for left, 0 for right, .5 for a tie.
    """
    scale = np.maximum(np.sqrt(np.mean(np.square(pool), axis=0)), 1e-9)
    force = np.array(list(weights.values()), dtype=np.float64)
    unit = SHARPNESS / max(float(np.sqrt(np.mean(np.square(pool @ force)))), 1e-9)
    centre, precision = _most_probable(differences / scale, answers, force * scale * unit)
    return Taste(names=tuple(weights), scale=scale, centre=centre, precision=precision, unit=unit)


def _most_probable(seen: Matrix, answers: Vector, prior: Vector) -> tuple[Vector, Matrix]:
    """Maximum of the posterior and minus its second derivative there; steps that lead down are halved."""
    sure = np.eye(len(prior)) / SPREAD**2

    def height(centre: Vector) -> float:
        odds, off = seen @ centre, centre - prior
        return float(answers @ odds - np.logaddexp(0, odds).sum() - off @ sure @ off / 2)

    centre = prior.copy()
    for _ in range(STEPS):
        share = _logistic(seen @ centre)
        slope = seen.T @ (answers - share) - sure @ (centre - prior)
        step = np.linalg.solve((seen * (share * (1 - share))[:, None]).T @ seen + sure, slope)
        while height(centre + step) < height(centre) and float(np.abs(step).max()) > 1e-10:
            step = step / 2
        centre = centre + step
        if float(np.abs(step).max()) < 1e-10:
            break
    share = _logistic(seen @ centre)
    return centre, (seen * (share * (1 - share))[:, None]).T @ seen + sure


def _logistic(odds: Vector) -> Vector:
    return 1 / (1 + np.exp(-np.clip(odds, -500, 500)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How often something agrees with a person, ties and draws left out; the interval is Wilson's, 95 %."""

    agreed: float
    pairs: int

    @property
    def share(self) -> float:
        """Of the pairs; a half without any."""
        return self.agreed / self.pairs if self.pairs else 0.5

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson (1927)."""
        if not self.pairs:
            return 0.0, 1.0
        n, z = self.pairs, NORMAL_95
        middle = (self.share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * math.sqrt(self.share * (1 - self.share) / n + z**2 / (4 * n**2))
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.share:.0%} of {self.pairs} pairs ({low:.0%} to {high:.0%})"


def agreement(said: Vector, answers: Vector) -> Agreement:
    """Of signed opinions ``(n,)``, above 0 for left, with answers."""
    decided = np.isfinite(said) & (said != 0) & (answers != 0.5)
    same = (said[decided] > 0) == (answers[decided] > 0.5)
    return Agreement(agreed=float(same.sum()), pairs=int(decided.sum()))


def agreement_on_new(weights: Mapping[str, float], pool: Matrix, differences: Matrix, answers: Vector) -> Agreement:
    """Of fitted weights with answers that they were not fitted to: every pair is left out once."""
    said: Sequence[float] = [
        float(differences[out] / one.scale @ one.centre)
        for out in range(len(answers))
        for one in [taste(weights, pool, np.delete(differences, out, 0), np.delete(answers, out))]
    ]
    return agreement(np.array(said, dtype=np.float64), answers)

"""Statistics of many situations at once: means of paired differences, with intervals that hold together.

Every situation has few pictures, so its own standard deviation says little. Situations lend each other theirs: each
variance is moderated towards what is usual, by as much as the situations show that variances are alike (the empirical
Bayes estimate of Smyth 2004, "Linear models and empirical Bayes methods for assessing differential expression in
microarray experiments", Statistical Applications in Genetics and Molecular Biology 3:1, article 3). With variances
``s^2`` of ``d`` degrees of freedom, a prior of ``d0`` degrees of freedom and the variance ``s0^2`` gives::

    moderated variance = (d0 s0^2 + d s^2) / (d0 + d)        with d0 + d degrees of freedom

``d0`` and ``s0^2`` follow from mean and scatter of ``log s^2`` (his section 6.2). As in his program limma, ``d0 + d``
is never taken for more than the degrees of freedom of all situations together. Where some situations scatter far more
than the rest, the prior counts for little, and they are hardly moderated.

Intervals are those of Student's t, wider on a side where skewed differences ask for it (``unskewed``). The error of all
intervals together, ``1 - confidence``, is divided evenly among them and among the looks at growing numbers of pictures
(Bonferroni 1936). That holds whatever depends on what: situations share seeds, rivals share the recipe, and looks share
pictures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import digamma, polygamma, stdtrit

Sample = npt.NDArray[np.float64]
"""The paired differences of one situation, ``(n,)``."""
CONFIDENCE = 0.95
"""Level at which all intervals of a kind hold together."""
FEWEST_TO_MODERATE = 4
"""Situations of which the spread of variances says something; with fewer, each has its own variance alone."""
FEWEST_OF_SKEW = 3
"""Pictures of a situation from which skewness is measured at least."""
HALVINGS = 60
"""Steps of the bisection that inverts the trigamma function: as many as a number of 64 bits can tell apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VariancePrior:
    """What variances of situations usually are."""

    variance: float
    freedom: float
    """Degrees of freedom that it counts for. 0: nothing is known; infinite: all variances are alike."""


NO_PRIOR = VariancePrior(variance=0.0, freedom=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalLevel:
    """How sure an interval has to be, one of many that hold together."""

    confidence: float
    """Of all of them together."""
    comparisons: int
    """How many they are."""
    looks: int = 1
    """At how many numbers of pictures the answers are looked at."""

    @property
    def tail(self) -> float:
        """The chance that one interval misses on one side."""
        return (1 - self.confidence) / (2 * max(1, self.comparisons) * self.looks)


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanEstimate:
    """The mean of a situation's differences, its standard error, and its interval."""

    mean: float
    standard_error: float
    freedom: float
    """Degrees of freedom of the standard error."""
    low: float
    high: float
    pictures: int


def fit_prior(variances: Sequence[float], freedoms: Sequence[int]) -> VariancePrior:
    """Return what variances usually are, from those that were measured and their degrees of freedom, 1 or more.

    Variances of 0 (pictures that are equal) say nothing of how pictures scatter, and are left out.
    """
    known = [(s, d) for s, d in zip(variances, freedoms, strict=True) if s > 0 and d > 0]
    if len(known) < FEWEST_TO_MODERATE:
        return NO_PRIOR
    half = np.array([d for _, d in known]) / 2
    logs = np.log([s for s, _ in known]) - digamma(half) + np.log(half)
    excess = float(logs.var(ddof=1) - polygamma(1, half).mean())
    if excess <= 0:
        return VariancePrior(variance=math.exp(float(logs.mean())), freedom=math.inf)
    prior = inverse_trigamma(excess)
    shift = float(digamma(prior)) - math.log(prior)
    return VariancePrior(variance=math.exp(float(logs.mean()) + shift), freedom=2 * prior)


def inverse_trigamma(value: float) -> float:
    """Return the ``x`` above 0 whose trigamma is ``value``.

    By bisection: the trigamma of ``x`` lies between ``1/x`` and ``1/x + 1/x^2``.
    """
    low, high = 1 / value, (1 + math.sqrt(1 + 4 * value)) / (2 * value)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if float(polygamma(1, middle)) > value else (low, middle)
    return (low + high) / 2


def estimates(samples: Mapping[str, Sample], level: IntervalLevel) -> dict[str, MeanEstimate]:
    """Return mean and interval of every situation's differences, by the situations' keys.

    Args:
        samples: of any lengths; those with fewer than two numbers are left out.
        level: of the intervals.
    """
    used = {key: sample for key, sample in samples.items() if len(sample) >= 2}
    errors, freedoms = _moderated(used)
    skewness = _skewness(used, errors)
    found: dict[str, MeanEstimate] = {}
    for key, sample in used.items():
        mean, error, t = float(sample.mean()), errors[key], t_quantile(level.tail, freedoms[key])
        low = mean - error * max(t, unskewed(t, skewness, len(sample)))
        high = mean - error * min(-t, unskewed(-t, skewness, len(sample)))
        found[key] = MeanEstimate(
            mean=mean, standard_error=error, freedom=freedoms[key], low=low, high=high, pictures=len(sample)
        )
    return found


def _moderated(samples: Mapping[str, Sample]) -> tuple[dict[str, float], dict[str, float]]:
    """Standard errors by situation, and their degrees of freedom."""
    variances = {key: float(sample.var(ddof=1)) for key, sample in samples.items()}
    prior = fit_prior([*variances.values()], [len(sample) - 1 for sample in samples.values()])
    whole = sum(len(sample) - 1 for sample in samples.values())
    errors = {key: math.sqrt(_variance(own, len(samples[key]) - 1, prior)) for key, own in variances.items()}
    return (
        {key: error / math.sqrt(len(samples[key])) for key, error in errors.items()},
        {key: min(prior.freedom + len(sample) - 1, whole) for key, sample in samples.items()},
    )


def _variance(own: float, freedom: int, prior: VariancePrior) -> float:
    """A situation's moderated variance; 0 where its pictures do not differ at all."""
    if not own:
        return 0.0
    if math.isinf(prior.freedom):
        return prior.variance
    return (prior.freedom * prior.variance + freedom * own) / (prior.freedom + freedom)


def _skewness(samples: Mapping[str, Sample], errors: Mapping[str, float]) -> float:
    """Skewness within situations: the mean of the unbiased third moments over the cubed standard deviations."""
    found: list[float] = []
    for key, sample in samples.items():
        count = len(sample)
        if count >= FEWEST_OF_SKEW and errors[key] > 0:
            third = count / ((count - 1) * (count - 2)) * float(np.power(sample - sample.mean(), 3).sum())
            found.append(third / (errors[key] * math.sqrt(count)) ** 3)
    return float(np.mean(found)) if found else 0.0


def unskewed(t: float, skewness: float, count: int) -> float:
    """Return the quantile of a studentised mean of skewed numbers, from that of Student's t.

    ``t - g (2 t^2 + 1) / (6 sqrt(n))``, the first term of the Edgeworth expansion (Johnson 1978, "Modified t tests and
    confidence intervals for asymmetrical populations", Journal of the American Statistical Association 73, 536-544;
    Hall 1992, "The bootstrap and Edgeworth expansion", section 2.6). Without it a few very good pictures among many
    slightly worse ones would be called worse far too often. Hall's cubic transformation, which has all terms of that
    order, held 5 % as well, but its intervals of four pictures were up to five times as wide.

    Args:
        t: the quantile where numbers are not skewed.
        skewness: of the numbers.
        count: how many they are.
    """
    return t - skewness * (2 * t * t + 1) / (6 * math.sqrt(count))


def t_quantile(tail: float, freedom: float) -> float:
    """Return what Student's t exceeds with the chance ``tail``."""
    return -float(stdtrit(freedom, tail))


def mean_over(values: Sequence[float], confidence: float) -> tuple[float, float, float]:
    """Return the mean of situations' means, each counting as much, and its interval for other situations of the kind.

    Student's t of the scatter between situations; with a single one the interval is infinite.
    """
    sample = np.array(values)
    mean, count = float(sample.mean()), len(sample)
    if count < 2:
        return mean, -math.inf, math.inf
    half = t_quantile((1 - confidence) / 2, count - 1) * float(sample.std(ddof=1)) / math.sqrt(count)
    return mean, mean - half, mean + half

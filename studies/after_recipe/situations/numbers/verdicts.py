"""What the numbers of a situation say: better, worse, a word that is no longer obeyed, and whether that is clear."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from studies.after_recipe.situations.numbers.measured import SituationNumbers
from studies.after_recipe.situations.numbers.statistics import IntervalLevel, MeanEstimate, t_quantile
from studies.results.situations import BETTER, LEVEL, WORSE, WORSE_THAN_ONE

OBEYED = 0.5
"""Share of the pictures that must show a word for a person to say that it is obeyed."""
CLEARLY_SMALLER = 0.75
"""A spread over seeds below this part of the smallest one of the parents counts as too alike."""
MATTERS = 0.1
"""The smallest difference of the objective that is called better or worse: a tenth of the scatter between the study's
calibration recipes. Recipes that are almost the same differ by less, but always to the same side."""
MOSTLY = 0.5
"""A situation is broken where so many of its pictures are, and fewer than half as many of every parent's."""
DOUBT = 1.64
"""An answer is still possible if it would come with a true difference so many standard errors from the mean so far."""


def verdict_of(numbers: SituationNumbers, parents: Sequence[str]) -> str:
    """Return the verdict by the differences from the parents: better or worse only where all of them agree."""
    leads = [numbers.leads[parent] for parent in parents if parent in numbers.leads]
    better = [lead.low > 0 and lead.mean >= MATTERS for lead in leads]
    worse = [lead.high < 0 and lead.mean <= -MATTERS for lead in leads]
    if leads and len(leads) == len(parents):
        if all(better):
            return BETTER
        if all(worse):
            return WORSE
    return WORSE_THAN_ONE if any(worse) else LEVEL


def is_lost(numbers: SituationNumbers, subject: str, parents: Sequence[str]) -> bool:
    """Whether the word is no longer obeyed.

    That is so where its margin is below that of all parents beyond the interval, the word is shown in fewer than half
    of the pictures, and a parent shows it in half of them at least.
    """
    return _is_below(numbers.margins, parents) and _shows_less(numbers, subject, parents)


def is_too_alike(numbers: SituationNumbers, subject: str, parents: Sequence[str]) -> bool:
    """Whether pictures differ less over seeds than those of all parents, beyond the interval and clearly."""
    return _is_below(numbers.spreads, parents) and _spreads_less(numbers, subject, parents)


def is_broken(numbers: SituationNumbers, subject: str, parents: Sequence[str]) -> bool:
    """Whether half of the pictures or more are broken, and of no parent half as many."""
    own, most = numbers.broken.get(subject, 0), max((numbers.broken.get(one, 0) for one in parents), default=0)
    return own >= max(2, MOSTLY * numbers.pictures) and 2 * most < own


def is_open(numbers: SituationNumbers, subject: str, parents: Sequence[str], level: IntervalLevel, seeds: int) -> bool:
    """Whether more pictures could still change what is said of a situation.

    Where the answer has come it is clear. Where it has not, it is clear if it cannot come any more: if even a true
    difference of `DOUBT` standard errors from the mean so far would stay within the interval of all pictures (curtailed
    sampling: Lan, Simon and Halperin 1982, "Stochastically curtailed tests in long-term clinical trials",
    Sequential Analysis 1, 207-219).

    Args:
        numbers: of the situation.
        subject: label of the examined recipe.
        parents: labels of the parents.
        level: of the intervals after the last round.
        seeds: how many pictures it would have then.
    """
    end = (parents, level, seeds)
    if verdict_of(numbers, parents) not in {BETTER, WORSE} and (
        _can_end_below(numbers.leads, *end, MATTERS) or _can_end_below(_turned(numbers.leads), *end, MATTERS)
    ):
        return True
    unclear = [
        (numbers.margins, _shows_less(numbers, subject, parents, (1 + OBEYED) / 2)),
        (numbers.spreads, _spreads_less(numbers, subject, parents, (1 + CLEARLY_SMALLER) / 2)),
    ]
    return any(may and not _is_below(found, parents) and _can_end_below(found, *end) for found, may in unclear)


def _is_below(found: Mapping[str, MeanEstimate], parents: Sequence[str]) -> bool:
    """Whether the whole interval of the difference from every parent lies below 0."""
    return all(one in found and found[one].high < 0 for one in parents)


def _shows_less(numbers: SituationNumbers, subject: str, parents: Sequence[str], below: float = OBEYED) -> bool:
    """Whether the subject shows the word in fewer than such a part of its pictures, and a parent in half of them."""
    shares = [numbers.obeyed[one] for one in parents if one in numbers.obeyed]
    return bool(shares) and numbers.obeyed.get(subject, 1.0) < below and max(shares) >= OBEYED


def _spreads_less(
    numbers: SituationNumbers, subject: str, parents: Sequence[str], below: float = CLEARLY_SMALLER
) -> bool:
    """Whether the subject's spread is below such a part of the smallest one of the parents."""
    spreads = [numbers.spread[one] for one in parents if one in numbers.spread]
    return bool(spreads) and numbers.spread[subject] < below * min(spreads)


def _turned(found: Mapping[str, MeanEstimate]) -> dict[str, MeanEstimate]:
    """Differences to the other side."""
    return {label: replace(one, mean=-one.mean, low=-one.high, high=-one.low) for label, one in found.items()}


def _can_end_below(
    found: Mapping[str, MeanEstimate], parents: Sequence[str], level: IntervalLevel, seeds: int, least: float = 0.0
) -> bool:
    """Whether the differences from all parents may lie below 0 after the last round, whole intervals and by `least`."""
    return all(one in found and _lowest_end(found[one], level, seeds, least) < 0 for one in parents)


def _lowest_end(one: MeanEstimate, level: IntervalLevel, seeds: int, least: float) -> float:
    """The upper end of the interval after the last round, or the mean and `least`, if it goes as low as it may."""
    deviation = one.standard_error * math.sqrt(one.pictures)
    half = t_quantile(level.tail, max(one.freedom, seeds - 1)) * deviation / math.sqrt(seeds)
    return one.mean - DOUBT * one.standard_error + max(half, least)

"""The score of a trial, scorer by scorer, with intervals, and what each says in a word."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from scorers.catalogue.scorers import SCORERS
from studies.night.calibration import OFF
from studies.pages.reading.snapshot import Snapshot
from studies.pages.reading.trials import ShownTrial

ScoreWord = Literal["better", "worse", "open"]
"""Against what scores are measured from: the whole interval above 0, below 0, or neither."""
Interval = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ScorerScore:
    """What one scorer says of a trial."""

    name: str
    rates: str
    """What it rates, in words; "" for a scorer of the user's own."""
    weight: float
    """What it counts; 0: it is only reported."""
    is_off: bool
    """Whether it was switched off, since noise hides what recipes differ by."""
    scaled: float
    """Difference from the base recipe, in units of the scorer."""
    raw: float
    """In the scorer's own units."""
    standard_error: float | None
    interval: Interval | None

    @property
    def contribution(self) -> float:
        """What it adds to the score, before penalties."""
        return self.weight * self.scaled

    @property
    def word(self) -> ScoreWord:
        """What it says."""
        return score_word(self.interval)


def score_word(interval: Interval | None) -> ScoreWord:
    """Return what an interval says."""
    if interval is None:
        return "open"
    return "better" if interval[0] > 0 else "worse" if interval[1] < 0 else "open"


def scorer_scores(study: Snapshot, trial: ShownTrial) -> tuple[ScorerScore, ...]:
    """Return what every scorer says, those that count most first."""
    off = switched_off(study)
    parts: Mapping[str, Mapping[str, Any]] = trial.attributes.get("scores", {})
    factor = half_width(trial)
    rates = {known.name: known.rates for known in SCORERS}
    found = [
        ScorerScore(
            name=name,
            rates=rates.get(name, ""),
            weight=weight_of(study, name),
            is_off=name in off,
            scaled=part["scaled"],
            raw=part["raw"],
            standard_error=part["standard_error"],
            interval=_interval(part["scaled"], part["standard_error"], factor),
        )
        for name, part in parts.items()
    ]
    return tuple(sorted(found, key=lambda one: -one.weight))


def switched_off(study: Snapshot) -> frozenset[str]:
    """Return the scorers that do not count, since noise hides what recipes differ by."""
    return frozenset(study.notes.get(OFF) or ())


def weight_of(study: Snapshot, scorer: str) -> float:
    """Return the weight of a scorer, as the study file has it; 0 for one that does not count."""
    return 0.0 if scorer in switched_off(study) else study.spec.scoring.weights.get(scorer, 0.0)


def half_width(trial: ShownTrial) -> float | None:
    """Return how many standard errors half an interval of the trial is; None where its record has no interval.

    Every scorer judges the same pictures, so its interval has the same degrees of freedom as the score's.
    """
    if trial.interval is None or not trial.standard_error:
        return None
    return (trial.interval[1] - trial.interval[0]) / 2 / trial.standard_error


def _interval(value: float, error: float | None, factor: float | None) -> Interval | None:
    return None if error is None or factor is None else (value - factor * error, value + factor * error)


def contribution(study: Snapshot, trial: ShownTrial, scorer: str) -> float | None:
    """Return what a scorer adds to a trial's score; of one that does not count, what it says."""
    part = trial.attributes.get("scores", {}).get(scorer)
    return None if part is None else (weight_of(study, scorer) or 1.0) * float(part["scaled"])


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreLead:
    """By how much one trial's score is above another's."""

    value: float
    interval: Interval | None
    """About 95 %, as if the two were measured apart."""
    same_pictures: bool
    """Whether both were judged on the same prompts and seeds."""


def score_lead(one: ShownTrial, other: ShownTrial) -> ScoreLead | None:
    """Return the lead of a trial over another on search pictures; None where one has no score.

    The halves of the intervals are added as if the errors were independent. Both scores are measured from the same base
    recipe on equal pictures, so the true interval is mostly narrower.
    """
    if one.score is None or other.score is None:
        return None
    halves = [_half(trial) for trial in (one, other)]
    value, interval = one.score - other.score, None
    if halves[0] is not None and halves[1] is not None:
        half = math.hypot(halves[0], halves[1])
        interval = (value - half, value + half)
    return ScoreLead(value=value, interval=interval, same_pictures=one.slots == other.slots)


def _half(trial: ShownTrial) -> float | None:
    """Half the interval of a trial's score."""
    return None if trial.interval is None else (trial.interval[1] - trial.interval[0]) / 2

"""How long a trial takes, and a picture of the proof: learnt as the night goes on.

Trials take different times: stages draw different numbers of pictures, a race is given up early, the first trial of a
process warms up. So a time is counted by the picture that a whole trial of its stage draws, and the last ones say how
long the next one takes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import fmean, median

from optuna.trial import FrozenTrial

from studies.store.ledger import slots_of
from studies.store.records import Stop
from studies.store.storage import StudyStore

RECENT = 20
"""How many of the last trials say how long the next one takes."""
OUTLIER = 2.0
"""No trial counts as more than so many times the median, so that one slow trial does not spoil the plan."""
TRUSTED = 3
"""How many trials the guess counts for while there are few, so that a slow first one does not end a short night; and
how many say how fast trials are beside the proof."""
FEW = 10
"""From so many trials on the guess counts no more."""
CAREFUL = 10
"""No trial is taken to be slower than the slowest of so many last ones, when one more is to fit."""
SLOWER = 0.02
"""The part by which it may be slower than that one all the same, on a device that gets slower."""
NEWEST = 5
"""How many of the newest trials say how fast the proof will be, where they are slower than those before them."""
MARGIN = 0.1
"""The part of its time that the proof may take longer than expected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialTime:
    """What one trial took."""

    shots: int
    """Pictures that a whole trial of its stage draws."""
    drawn: int
    """Pictures that it drew; fewer where it was given up in a race."""
    seconds: float
    """From the end of the trial before to its own, proposal and build among it."""


@dataclass(slots=True)
class NightPace:
    """What is known of the times; grows with every trial."""

    guess: float | None = None
    """Seconds of a picture before any trial is known: of calibration, or as `check` estimates them."""
    trials: deque[TrialTime] = field(default_factory=lambda: deque[TrialTime](maxlen=RECENT))
    proof_each: float | None = None
    """Seconds of a picture of the proof when some were drawn; None: as of a trial."""
    beside: float | None = None
    """Seconds of a trial's picture at that time; None while too few trials were made."""

    def add(self, taken: TrialTime) -> None:
        """Learn from a trial; one that drew no picture says nothing."""
        if taken.drawn and taken.shots:
            self.trials.append(taken)
            if self.beside is None:
                self.beside = self._beside()

    def add_proof(self, seconds: Sequence[float]) -> None:
        """Learn from the seconds of a picture in some recipes of the proof, beside the trials at that time."""
        if seconds:
            self.proof_each, self.beside = median(seconds), self._beside()

    @property
    def is_known(self) -> bool:
        """Whether anything says how long a picture takes."""
        return bool(self.trials) or self.guess is not None

    def trial_seconds(self, shots: int) -> float:
        """Return the expected seconds of a trial that draws so many pictures; 0 where nothing is known."""
        return shots * self._each([one.seconds / one.shots for one in self.trials])

    def slow_trial_seconds(self, shots: int) -> float:
        """Return the seconds that the next trial should not exceed if it draws so many pictures."""
        times = self._with_guess([one.seconds / one.shots for one in self.trials])
        return (1 + SLOWER) * shots * max(times[-CAREFUL:], default=0.0)

    @property
    def drawn_share(self) -> float:
        """The part of their pictures that trials draw on the average; less than 1 where they race."""
        return sum(one.drawn for one in self.trials) / sum(one.shots for one in self.trials) if self.trials else 1.0

    def proof_seconds(self, pictures: int) -> float:
        """Return the expected seconds of so many pictures of the proof."""
        now = self._each([one.seconds / one.drawn for one in self.trials])
        if self.proof_each is None:
            return pictures * now
        return pictures * self.proof_each * (now / self.beside if self.beside else 1.0)

    def slow_proof_seconds(self, pictures: int, shots: int) -> float:
        """Return the seconds that so many pictures of the proof should not exceed.

        Their expected seconds, had all trials been as slow as the newest, with a margin, and with one recipe as much
        slower than expected as the slowest of the last trials was.

        Args:
            pictures: that are left to draw.
            shots: of them, the pictures of one recipe.
        """
        times = [one.seconds / one.drawn for one in self.trials]
        known, expected = self._with_guess(times), self._each(times)
        if not expected:
            return self.proof_seconds(pictures)
        newest = fmean(known[-NEWEST:]) if len(times) >= NEWEST else expected
        slowest = min(shots, pictures) * (max(known[-CAREFUL:]) / expected - 1)
        return self.proof_seconds(1) * ((1 + MARGIN) * max(newest / expected, 1.0) * pictures + max(slowest, 0.0))

    def _beside(self) -> float | None:
        times = [one.seconds / one.drawn for one in self.trials]
        return median(times) if len(times) >= TRUSTED else None

    def _each(self, times: list[float]) -> float:
        """The mean of some times and of the guess, none counted as more than `OUTLIER` medians."""
        known = self._with_guess(times)
        return fmean(min(one, OUTLIER * median(known)) for one in known) if known else 0.0

    def _with_guess(self, times: list[float]) -> list[float]:
        """Some times, after the guess where they are few."""
        return times if self.guess is None or len(times) >= FEW else [*[self.guess] * TRUSTED, *times]


def pace_of_records(store: StudyStore, every: int, guess: float | None = None) -> NightPace:
    """Return what the records of earlier trials say.

    Args:
        store: of the study.
        every: how many shots the study has.
        guess: seconds of a picture where there is no record.
    """
    pace = NightPace(guess=guess)
    for trial in store.trials()[-RECENT:]:
        seconds = trial.user_attrs.get("seconds", {})
        if "whole" in seconds:
            shots, drawn = pictures_of(trial, every)
            pace.add(TrialTime(shots=shots, drawn=drawn, seconds=float(seconds["whole"])))
    return pace


def pictures_of(trial: FrozenTrial, every: int) -> tuple[int, int]:
    """Return how many pictures a whole trial of the same shots draws, and how many this one drew.

    It drew none where its renders were kept from before; of one without a verdict nobody knows, so it counts as whole.

    Args:
        trial: that has ended.
        every: how many shots the study has.
    """
    shots, seconds = len(slots_of(trial)) or every, trial.user_attrs.get("seconds")
    if seconds is not None and "render" not in seconds:
        return shots, 0
    stop = Stop.of(trial.user_attrs)
    return shots, len(stop.drawn) if stop else shots

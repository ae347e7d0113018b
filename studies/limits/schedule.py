"""One night's schedule: how much of the plan fits into what is left of it, and whether one more trial does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import floor, inf
from typing import Self

from search.plan import STAGES, Stage
from search.suggester import Suggester
from studies.limits.account import NightAccount, account_of, keep_account
from studies.limits.counts import NightCounts
from studies.limits.deadline import Clock, NightLimits
from studies.limits.pace import NightPace, pace_of_records
from studies.limits.shares import Room, shortened
from studies.store.storage import StudyStore

MOST_OF_NIGHT = 0.8
"""The most of a night that a small proof may take; where it would take more, no proof is made."""
_FIELDS: Mapping[Stage, str] = {"self": "self_mode"}
"""Stages whose number of trials has another name in the plan."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofNeeds:
    """What is left of the proof: recipes to render on the held-out shots."""

    shots: int = 0
    """Pictures of one recipe."""
    baselines: int = 0
    """Pictures of models and FLAT mixes that are not kept yet."""
    finalists: int = 0
    """Finalists that are compared with them; 0: no proof is made."""
    simpler: int = 0
    """The most simpler recipes that are tried in what time is left then: none is kept for them."""

    @property
    def compared(self) -> int:
        """Pictures of the comparison, which draws fewer where recipes are given up early."""
        return self.baselines + self.finalists * self.shots


@dataclass(slots=True, kw_only=True)
class NightSchedule:
    """The state of one worker's night; what several workers share is in the study's records."""

    limits: NightLimits
    clock: Clock
    pace: NightPace
    needs: ProofNeeds = ProofNeeds()
    began: float
    """In seconds since 1970."""
    first: int
    """How many trials the study had when the night began."""
    shared_from: int = 0
    """How many it had when the time was shared out among the stages: then, or when they were gone through once."""
    over: frozenset[Stage] = frozenset()
    """Stages that ended before they had all their trials; what they would have had goes to the others."""
    every: int
    """How many shots the study has."""
    other_pictures: int = 0
    """Pictures that the night made beside its trials."""
    made_before: int = 0
    """How many of them it made before this process began or joined it."""
    in_trials: int = 0
    """Pictures that this process drew in trials that ended."""
    workers: int = 1
    """How many are at work."""

    @classmethod
    def of(
        cls, store: StudyStore, limits: NightLimits, clock: Clock, *, every: int, guess: float | None, is_new: bool
    ) -> Self:
        """Return the schedule of a night that begins; or of one that is going on.

        Args:
            store: of the study.
            limits: of the night.
            clock: of the night.
            every: how many shots the study has.
            guess: seconds of a picture where nothing was measured yet.
            is_new: whether it begins: no other worker is at it, and it is not one that hung and is begun again.
        """
        known = None if is_new else account_of(store)
        return cls(
            limits=limits,
            clock=clock,
            pace=pace_of_records(store, every, guess),
            began=known.began if known else clock.now(),
            first=known.first if known else len(store.history()),
            every=every,
            other_pictures=known.other_pictures if known else 0,
            made_before=known.other_pictures if known else 0,
        )

    @property
    def begun(self) -> NightAccount:
        """The night before anything is planned: by it a process that begins again knows what it is in the middle of."""
        return NightAccount(
            began=self.began,
            first=self.first,
            until=self.limits.until,
            trials=self.limits.trials,
            pictures=self.limits.pictures,
            other_pictures=self.other_pictures,
        )

    def hand_over(self, store: StudyStore, drawn: int) -> None:
        """Keep how many pictures the night made, those that nothing else counts among them, for a process to come.

        Args:
            store: of the study.
            drawn: pictures that this process drew.
        """
        known = account_of(store)
        if known is not None and known.began == self.began:
            keep_account(store, replace(known, other_pictures=self.made_before + drawn - self.in_trials))

    @property
    def left_s(self) -> float:
        """Seconds until the deadline; infinite without one."""
        return inf if self.limits.until is None else self.limits.until - self.clock.now()

    @property
    def spare_s(self) -> float:
        """Seconds for trials: what the comparison of the finalists leaves, should it be slow."""
        return self.left_s - self.pace.slow_proof_seconds(self.needs.compared, self.needs.shots)

    def counts(self, suggester: Suggester, store: StudyStore) -> NightCounts:
        """Return what the night has made and has ahead.

        Args:
            suggester: with the study's whole plan.
            store: of the study.
        """
        return NightCounts.of(suggester, store, self.first, max(self.first, self.shared_from), self.every, self.over)

    def share_out_again(self, trials: int, over: frozenset[Stage]) -> bool:
        """Go through all stages once more, where all that were planned are made and time is left.

        Args:
            trials: that the study has.
            over: stages that ended, such as those that converged, whatever their numbers of trials.

        Returns:
            Whether there may be something to do: trials were made, or stages ended, since the last time.
        """
        before = (max(self.first, self.shared_from), self.over)
        self.shared_from, self.over = trials, over
        return self.limits.is_limited and (trials, over) != before

    def account(self, counts: NightCounts) -> NightAccount:
        """Return what the night is to come to, as it stands now."""
        planned = self._planned(counts)
        trials, pictures = counts.trials_to(planned), counts.pictures_to(planned)
        each = round(pictures / trials) if trials else 0
        proved = self.needs.compared
        return replace(
            self.begun,
            planned=planned,
            whole=counts.whole,
            shots=each,
            trial_seconds=self.pace.trial_seconds(each) if self.pace.is_known else None,
            proof_seconds=self.pace.proof_seconds(proved) if self.pace.is_known and proved else None,
        )

    def tonight(self, suggester: Suggester, counts: NightCounts) -> Suggester:
        """Return a suggester with the night's plan: the study's, with fewer trials where it does not fit.

        The numbers of a plan that does not fit are those that the stages get: what they lend each other is in them.
        """
        plan, planned = suggester.plan, self._planned(counts)
        if all(planned[stage] >= counts.whole[stage] for stage in STAGES):
            return suggester
        fewer = {_FIELDS.get(stage, stage): planned[stage] for stage in STAGES[1:] if counts.whole[stage]}
        fewer["line"] = max(plan.line - max(counts.whole["flat"] - planned["flat"], 0), 0)
        return replace(suggester, plan=replace(plan, **fewer), lends=False)

    def fits_one_more(self, counts: NightCounts) -> bool:
        """Return whether one more trial fits, and the proof after it."""
        shots = 0 if counts.free else counts.shots[counts.stage]
        in_time = self.pace.slow_trial_seconds(shots) <= self.spare_s
        in_trials = self.limits.trials is None or counts.trials < self.limits.trials
        return in_time and in_trials and shots <= self._pictures_left(counts)

    def leaves_no_proof(self) -> bool:
        """Return whether even a small proof, of one finalist, would take nearly all the time, or all the pictures."""
        pictures = self.needs.baselines + self.needs.shots
        in_time = self.pace.proof_seconds(pictures) <= MOST_OF_NIGHT * self.left_s
        most = inf if self.limits.pictures is None else self.limits.pictures
        return not in_time or pictures > min(MOST_OF_NIGHT * most, most - self.other_pictures)

    def learn_proof(self, pictures: int, seconds: Sequence[float]) -> None:
        """Take note of pictures of models and FLAT mixes, which the proof needs no more.

        Args:
            pictures: how many were made.
            seconds: of a picture, by recipe.
        """
        self.pace.add_proof(seconds)
        self.needs = replace(self.needs, baselines=max(self.needs.baselines - pictures, 0))
        self.other_pictures += pictures

    def proof_size(self, counts: NightCounts) -> tuple[int, int]:
        """Return how many finalists are compared in the time that is left, and how many simpler recipes tried."""
        needs, each = self.needs, self.pace.proof_seconds(self.needs.shots)
        left = self.left_s - self.pace.proof_seconds(needs.baselines)
        recipes = floor(left / each + 0.25) if each and left < inf else 10**6
        if self.limits.pictures is not None:
            pictures = self._pictures_left(counts) + needs.compared - needs.baselines
            recipes = min(recipes, floor(pictures / max(needs.shots, 1)))
        finalists = max(0, min(needs.finalists, recipes))
        return finalists, max(0, min(needs.simpler, recipes - finalists))

    def has_time_for_a_recipe(self) -> bool:
        """Return whether one more recipe of the proof fits."""
        return self.left_s >= self.pace.slow_proof_seconds(self.needs.shots, self.needs.shots)

    def end_proof(self, pictures: int) -> None:
        """Take note that the proof is made, so that what is left of the night is for trials.

        Args:
            pictures: that the night made beside its trials since what the proof compares with was drawn.
        """
        self.needs = ProofNeeds()
        self.other_pictures += pictures

    def _planned(self, counts: NightCounts) -> dict[Stage, int]:
        return shortened(counts.whole, counts.before, counts.now, counts.shots, self._room(counts))

    def _room(self, counts: NightCounts) -> Room:
        """How many trials are left, and how many pictures of trials."""
        trials = inf if self.limits.trials is None else max(0, self.limits.trials - counts.trials)
        each = self.pace.trial_seconds(1) / self.workers
        in_time = self.spare_s / each if each else inf
        in_pictures = self._pictures_left(counts) / self.pace.drawn_share
        left = min(in_time, in_pictures)  # below 0 not even a trial whose pictures are drawn is begun
        return Room(trials=trials, pictures=left + counts.spared if left >= 0 else 0.0)

    def _pictures_left(self, counts: NightCounts) -> float:
        """How many pictures trials may still draw."""
        most = inf if self.limits.pictures is None else self.limits.pictures
        return most - self.other_pictures - counts.drawn - self.needs.compared

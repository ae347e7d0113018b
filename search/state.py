"""The state of a search: where each stage starts, what it found, whether it is over and why.

Everything here is a function of space, plan and trial history, so it is the same after any interruption.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from search.history import TrialRecord, top
from search.plan import SINGLE, STAGES, SearchPlan, Stage, StageStatus, Status
from search.space.space import Space
from search.surrogate.axes import SearchAxis, axes_of, screening_trials
from search.trials import SearchTrials

if TYPE_CHECKING:
    from search.space.knob import Knob
    from search.surrogate.subspace import Subspace

CHECK_EVERY = 8
"""Whether a stage is over is decided after every so many of its trials."""
TRIALS_WITHOUT_EFFECT = 16
"""Fewest trials of a stage that is called without effect; where it has many axes, 1.5 for each of them."""
RELEVANT = 0.25
"""A knob matters if a quarter of its range changes the posterior mean by this many standard errors of a trial."""


class SearchState:
    """A search as far as it has come; made anew for every question."""

    def __init__(
        self, space: Space, plan: SearchPlan, history: Sequence[TrialRecord], *, initial: int | None = None
    ) -> None:
        """Keep the trials in order; raises `SearchError` when a point is not one of the space.

        Args:
            space: that is searched.
            plan: of the search.
            history: all trials, in any order.
            initial: how many different recipes stage `flat` begins with; None: as many as the plan has.
        """
        self.space, self.plan, self.trials = space, plan, SearchTrials(space, plan, history)
        self._initial = plan.trials("flat") - plan.line if initial is None else initial
        self._starts: dict[Stage | None, dict[str, float]] = {}
        self._statuses: dict[Stage, StageStatus] = {}

    # ------------------------------------------------------------------------------------------------------ stages

    def planned(self, stage: Stage) -> int:
        """Return the most trials of a stage in this space: none when it has nothing to move."""
        if stage == "flat":
            return self._initial + (self.plan.line if self.axes(stage) else 0)
        return self.plan.trials(stage) if self.axes(stage) or self._choices(stage) else 0

    def axes(self, stage: Stage) -> tuple[SearchAxis, ...]:
        """Return what a stage moves; `refine` leaves out what was found to do nothing."""
        axes = axes_of(stage, self.space)
        return axes if stage != "refine" else tuple(axis for axis in axes if axis.name in self._relevant)

    def _choices(self, stage: Stage) -> tuple[Knob, ...]:
        return self.space.of_kind("choice") if stage in ("groups", "refine") else ()

    def subspace(self, stage: Stage) -> Subspace:
        """Return where a stage searches; it depends on earlier stages only, so it stays the same meanwhile."""
        return self.subspace_through(self.start(stage), self.axes(stage), self._choices(stage))

    def subspace_through(
        self, point: Mapping[str, float], axes: Sequence[SearchAxis], choices: Sequence[Knob] = ()
    ) -> Subspace:
        """Return the subspace of some axes, and the words of some choices, through a point."""
        from search.surrogate.subspace import Subspace

        fixed = tuple(point.items())
        return Subspace(axes=tuple(axes), fixed=fixed, encoding=self.trials.encoding, choices=tuple(choices))

    def start(self, stage: Stage | None) -> dict[str, float]:
        """Return where a stage starts, None for the end of the search: the optimum of the surrogate so far.

        Earlier stages are gone through in order; what one of them moves is set to the optimum by all trials up to then,
        together with what the stages before it moved. A stage without effect changes nothing.
        """
        if stage not in self._starts:
            self._starts[stage] = self._start_of(stage)
        return dict(self._starts[stage])

    def _start_of(self, stage: Stage | None) -> dict[str, float]:
        before = STAGES if stage is None else STAGES[: STAGES.index(stage)]
        best = top(self.trials.flat_mixes, 1)
        if self.plan.start:
            before, point = before[1:], self.space.checked(self.plan.start.point)
        elif self.trials.is_constant:
            point = self.space.flat(0.0)
        else:
            point = dict(best[0].point) if best else self.space.flat(0.5)
        for earlier in before:
            point = self._start_after(earlier, point)
        return point

    def _start_after(self, stage: Stage, point: dict[str, float]) -> dict[str, float]:
        """Return the start of the next stage from that of a stage."""
        observations = self.trials.observations(stage)
        if not self.trials.count(stage) or observations is None or (stage == "flat" and self.trials.is_constant):
            return point
        if stage != "flat" and self.status(stage).is_without_effect:
            return point
        import numpy as np

        from search.surrogate.optimum import optimum, worths

        before: list[Stage] = [one for one in SINGLE if STAGES.index(one) < STAGES.index(stage)]
        before = [one for one in before if self.trials.count(one) and not self.status(one).is_without_effect]
        axes = {axis.name: axis for one in (*before, stage) for axis in self.axes(one)}
        subspace = self.subspace_through(point, list(axes.values()), self._choices(stage))
        best = subspace.point(optimum(observations, subspace))
        rows = np.array([self.trials.encoding.row(one) for one in (point, best)])
        here, there = worths(observations, rows)
        return best if there > here else point

    # ------------------------------------------------------------------------------------------------------ status

    def status(self, stage: Stage) -> StageStatus:
        """Return how a stage stands."""
        if stage not in self._statuses:
            self._statuses[stage] = self._status_of(stage)
        return self._statuses[stage]

    def _status_of(self, stage: Stage) -> StageStatus:
        trials, planned = self.trials.count(stage), self.planned(stage)
        status: Status = "open" if trials < planned else "used up" if trials else "skipped"
        if self.trials.is_constant and stage in ("flat", "groups", "blocks"):
            return StageStatus(stage=stage, trials=trials, status="constant")
        checked = trials - trials % CHECK_EVERY
        if stage != "flat" and self.plan.patience and checked and planned:
            if self._is_without_effect(stage, checked):
                status = "no effect"
            elif status == "open" and self._is_converged(stage, checked):
                status = "converged"
        return StageStatus(stage=stage, trials=trials, status=status)

    def _is_without_effect(self, stage: Stage, checked: int) -> bool:
        """Whether the model cannot tell any value of trials that moved the stage's knobs, in it or before, from others.

        Earlier stages count: near the optimum all values of a stage may be equal but for noise, and yet its knobs
        matter.
        """
        told = checked - self.trials.count_broken(stage, checked)
        if told < max(TRIALS_WITHOUT_EFFECT, 1.5 * len(self.axes(stage))) or stage == "refine":
            return False
        from search.surrogate.evidence import has_no_effect

        observations = self.trials.observations(stage, checked)
        if observations is None:
            return False
        of_stage = tuple(trial.stage == stage for trial, _ in self.trials.observed(stage, checked))
        return has_no_effect(observations, self.subspace(stage), of_stage)

    def _is_converged(self, stage: Stage, checked: int) -> bool:
        """Whether the last trials made the recommended point no better, as the model now sees both.

        Not where the pictures of most of them were broken, which could not make it better.
        """
        if checked < screening_trials(len(self.axes(stage))) + self.plan.patience:
            return False
        broken = [self.trials.count_broken(stage, most) for most in (checked - self.plan.patience, checked)]
        if broken[1] - broken[0] > self.plan.patience / 2:
            return False
        from search.surrogate.evidence import gain
        from search.surrogate.gaussian_process import model_of

        now = self.trials.observations(stage, checked)
        before = self.trials.observations(stage, checked - self.plan.patience)
        if now is None or before is None:
            return False
        return gain(now, before, self.subspace(stage)) < self.plan.gain * model_of(now).standard_error

    # --------------------------------------------------------------------------------------------------- relevance

    @cached_property
    def _relevant(self) -> frozenset[str]:
        """Names of the knobs that matter: of no stage without effect, and with an effect that the model sees."""
        lost = {axis.name for one in SINGLE if self.status(one).is_without_effect for axis in axes_of(one, self.space)}
        kept = [axis for axis in axes_of("refine", self.space) if axis.name not in lost]
        observations = self.trials.observations("adjust")
        if observations is None or not any(self.trials.count(stage) for stage in SINGLE):
            return frozenset(axis.name for axis in kept)
        from search.surrogate.optimum import effects

        sizes = effects(observations, self.subspace_through(self.start("refine"), kept))
        moved = self.trials.moved
        strong = [axis.name for axis, e in zip(kept, sizes, strict=True) if e >= RELEVANT or axis.name not in moved]
        return frozenset(strong or [axis.name for axis in kept])

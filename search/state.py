"""The state of a search: where each stage starts, what it found, whether it is over and why.

Everything here is a function of space, plan and trial history, so it is the same after any interruption.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from search.history import TrialRecord, top
from search.plan import SINGLE, STAGES, SURROGATE, SearchPlan, Stage, StageStatus, Status
from search.recommendation import supported
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
WIDE: tuple[Stage, ...] = ("groups", "blocks", "refine")
"""The stages whose trials go wide on a plateau: those that move ratios."""
LENDING: tuple[Stage, ...] = ("blocks", "refine")
"""The stages that give up to half of their trials to wide ones of stage `groups`."""
FEWEST_LENT = 8
"""Plans whose later stages can give up fewer trials than these keep their numbers: they are too short to go wide."""
RELEVANT = 0.25
"""A knob matters if a quarter of its range changes the posterior mean by this many standard errors of a trial."""


class SearchState:
    """A search as far as it has come; made anew for every question."""

    def __init__(
        self,
        space: Space,
        plan: SearchPlan,
        history: Sequence[TrialRecord],
        *,
        initial: int | None = None,
        lends: bool = True,
    ) -> None:
        """Keep the trials in order; raises `SearchError` when a point is not one of the space.

        Args:
            space: that is searched.
            plan: of the search.
            history: all trials, in any order.
            initial: how many different recipes stage `flat` begins with; None: as many as the plan has.
            lends: whether later stages lend trials to wide ones on a plateau; without, the plan's numbers hold.
        """
        self.space, self.plan, self.trials = space, plan, SearchTrials(space, plan, history)
        self._lends = lends
        self._initial = plan.trials("flat") - plan.line if initial is None else initial
        self._starts: dict[Stage | None, dict[str, float]] = {}
        self._statuses: dict[Stage, StageStatus] = {}
        self._axes: dict[Stage, tuple[SearchAxis, ...]] = {}

    # ------------------------------------------------------------------------------------------------------ stages

    def planned(self, stage: Stage) -> int:
        """Return the most trials of a stage in this space: none when it has nothing to move."""
        if stage == "flat":
            return self._initial + (self.plan.line if axes_of(stage, self.space) else 0)
        axes = self.axes(stage) if stage == "refine" else axes_of(stage, self.space)
        return self.plan.trials(stage) + self.more(stage) if axes or self._choices(stage) else 0

    # ------------------------------------------------------------------------------------------------------ plateau

    def goes_wide(self, stage: Stage) -> bool:
        """Whether the next trial of a stage goes wide: on a plateau, until something stands out.

        Once every group has come from each parent alone, only every second trial of later stages does.
        """
        if stage not in WIDE or self.plan.sampler != SURROGATE or not self.is_blind:
            return False
        return stage == "groups" or self.count_wide < self.wide_by_group or self.count_wide % 2 == 0

    @property
    def is_blind(self) -> bool:
        """Whether the FLAT mixes do not differ, and no trial stands out from them."""
        return self.trials.noise_of_plateau is not None and self.trials.outstanding is None

    @property
    def count_wide(self) -> int:
        """How many trials of the stages that may go wide there are."""
        return sum(map(self.trials.count, WIDE))

    @property
    def wide_by_group(self) -> int:
        """How many wide trials take every group from one parent."""
        from search.surrogate.wide import trials_by_group

        return trials_by_group(len(self.space.groups))

    def since_outstanding(self, stage: Stage) -> int | None:
        """Return how many trials of a stage came after the first outstanding one, if that is of this stage."""
        place = self.trials.outstanding
        if place is None or self.trials.records[place].stage != stage:
            return None
        return sum(one.stage == stage for one in self.trials.records[place + 1 :])

    def more(self, stage: Stage) -> int:
        """Return how many trials more a stage gets on a plateau: wide ones for `groups`, which later stages give up."""
        if not self._lends or stage not in WIDE or self.trials.noise_of_plateau is None or not self.plan.groups:
            return 0
        least = {one: self.plan.trials(one) // 2 for one in LENDING}
        most = min(self.wide_by_group, sum(least.values()))
        if most < FEWEST_LENT:
            return 0
        since = self.since_outstanding("groups")
        more = most if self.is_blind else 0 if since is None else min(self.trials.count("groups") - since, most)
        lent = min(more, least["blocks"])
        return {"groups": more, "blocks": -lent, "refine": lent - more}[stage]

    def axes(self, stage: Stage) -> tuple[SearchAxis, ...]:
        """Return what a stage moves; `refine` leaves out what was found to do nothing.

        Stages that move knobs one by one overlap: beside its own knobs such a stage moves those of the others that the
        screening found to matter, since the best of one kind depends on the others.
        """
        axes = axes_of(stage, self.space)
        if stage == "refine":
            return tuple(axis for axis in axes if axis.name in self._relevant)
        if stage not in SINGLE or not self._others(stage):
            return axes
        if stage not in self._axes:
            also = self._also(stage)
            self._axes[stage] = axes + tuple(axis for axis in self._others(stage) if axis.name in also)
        return self._axes[stage]

    def screening(self, stage: Stage) -> int:
        """Return how many of the first trials of a stage screen its axes.

        One screening at the beginning of the stages `blocks`, `self` and `adjust` does for all their knobs together: so
        many trials tell all effects apart as would each kind alone.
        """
        if stage not in SINGLE:
            axes = self.axes(stage)
            if stage == "refine" and any(map(self.trials.count, SINGLE)):
                return 0 if {axis.name for axis in axes} <= self.trials.moved else screening_trials(len(axes))
            return screening_trials(len(axes))
        own = axes_of(stage, self.space)
        if not self._is_screened_with_others(stage):
            return screening_trials(len(own))
        return max(0, screening_trials(len(own) + len(self._others(stage))) - self._single_trials_before(stage))

    def _single_trials_before(self, stage: Stage) -> int:
        return sum(map(self.trials.count, SINGLE[: SINGLE.index(stage)]))

    def _is_screened_with_others(self, stage: Stage) -> bool:
        """Whether the one screening is a stage's own: not where earlier ones left its knobs alone."""
        own = {axis.name for axis in axes_of(stage, self.space)}
        return not self._single_trials_before(stage) or own <= self.trials.moved_before(stage)

    def _others(self, stage: Stage) -> tuple[SearchAxis, ...]:
        """Return the axes of the other kinds of knobs that the plan moves one by one, where a stage may move them."""
        if stage not in SINGLE or self.plan.sampler != SURROGATE or self.plan.earlier:
            return ()
        others = [one for one in SINGLE if one != stage and self.plan.trials(one)]
        if self.trials.is_constant:
            others = [one for one in others if one != "blocks"]
        return tuple(axis for one in others for axis in axes_of(one, self.space))

    def _also(self, stage: Stage) -> frozenset[str]:
        """Return the names of the knobs of other kinds that a stage moves: all to screen them, then what matters."""
        others = self._others(stage)
        screening = self.screening(stage) if self._is_screened_with_others(stage) else 0
        if self.trials.count(stage) < screening:
            return frozenset(axis.name for axis in others)
        moved, observations = self.trials.moved_before(stage, screening), self.trials.observations(stage, screening)
        others = tuple(axis for axis in others if axis.name in moved)
        if observations is None or not others:
            return frozenset()
        from search.surrogate.optimum import effects

        sizes = effects(observations, self.subspace_through(self.start(stage), others))
        return frozenset(axis.name for axis, size in zip(others, sizes, strict=True) if size >= RELEVANT)

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
        """Return where a stage starts: the optimum of the surrogate so far. None: what is recommended at the end.

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
        resting = self._without_effect if stage in (None, "refine") else frozenset[str]()
        for earlier in before:
            point = self._start_after(earlier, point, resting)
        return point if stage else self._recommended(point, before, resting)

    def _recommended(
        self, optimum: dict[str, float], stages: Sequence[Stage], resting: frozenset[str]
    ) -> dict[str, float]:
        """Return the optimum after some stages, or what the trials support better; see `recommendation.py`."""
        effective: list[Stage] = [one for one in stages if self.trials.count(one) and not self._is_idle(one)]
        moved = {knob.name for one in effective for axis in self.axes(one) for knob in axis.knobs}
        moved |= {knob.name for one in effective for knob in self._choices(one)}
        return supported(self.trials, optimum, moved - resting, effective)

    def _is_idle(self, stage: Stage) -> bool:
        """Whether what a stage moves makes no difference."""
        return self.trials.is_constant if stage == "flat" else self.status(stage).is_without_effect

    def _start_after(self, stage: Stage, point: dict[str, float], resting: frozenset[str]) -> dict[str, float]:
        """Return the start of the next stage from that of a stage; some knobs stay where they are."""
        observations = self.trials.observations(stage)
        if not self.trials.count(stage) or observations is None or self._is_idle(stage):
            return point
        import numpy as np

        from search.surrogate.optimum import optimum, worths

        before: list[Stage] = [one for one in SINGLE if STAGES.index(one) < STAGES.index(stage)]
        before = [one for one in before if self.trials.count(one) and not self.status(one).is_without_effect]
        axes = {axis.name: axis for one in (*before, stage) for axis in self.axes(one) if axis.name not in resting}
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
        own = axes_of(stage, self.space)
        told = checked - self.trials.count_broken(stage, checked)
        if stage in SINGLE and self._others(stage) and self._is_screened_with_others(stage):
            told += self._single_trials_before(stage)
        if stage == "blocks" and self.is_blind:
            told += self.trials.count("groups")  # which went wide, with the same ratios
        if told < max(TRIALS_WITHOUT_EFFECT, 1.5 * len(own)) or stage == "refine":
            return False
        if stage == "groups" and self.is_blind and told < self.wide_by_group:
            return False
        observations = self.trials.observations(stage, checked)
        if observations is None:
            return False
        from search.surrogate.evidence import has_no_effect

        of_stage = tuple(trial.stage == stage for trial, _ in self.trials.observed(stage, checked))
        if has_no_effect(observations, self.subspace(stage), of_stage):
            return True
        if not self._others(stage):
            return False
        from search.surrogate.contribution import contribute_nothing

        columns = tuple(self.trials.encoding.first_columns[axis.name] for axis in own)
        return contribute_nothing(observations, columns)

    def _is_converged(self, stage: Stage, checked: int) -> bool:
        """Whether the last trials made the recommended point no better, as the model now sees both.

        Not where the pictures of most of them were broken, which could not make it better.
        """
        if checked < self.screening(stage) + self.plan.patience:
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
    def _without_effect(self) -> frozenset[str]:
        """Names of the knobs of stages without effect."""
        lost: list[Stage] = [one for one in SINGLE if self.status(one).is_without_effect]
        return frozenset(axis.name for one in lost for axis in axes_of(one, self.space))

    @cached_property
    def _relevant(self) -> frozenset[str]:
        """Names of the knobs that matter: of no stage without effect, and with an effect that the model sees."""
        kept = [axis for axis in axes_of("refine", self.space) if axis.name not in self._without_effect]
        observations = self.trials.observations("adjust")
        if observations is None or not any(self.trials.count(stage) for stage in SINGLE):
            return frozenset(axis.name for axis in kept)
        from search.surrogate.optimum import effects

        sizes = effects(observations, self.subspace_through(self.start("refine"), kept))
        moved = self.trials.moved
        strong = [axis.name for axis, e in zip(kept, sizes, strict=True) if e >= RELEVANT or axis.name not in moved]
        return frozenset(strong or [axis.name for axis in kept])

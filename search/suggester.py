"""What to try next: a pure function of space, plan, seed and history, so a search goes on where it stopped."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from search.history import Point, Slots, TrialRecord
from search.initial_design import calibration_recipes, initial_design
from search.plan import STAGES, SURROGATE, InitialRecipe, SearchPlan, Stage, StageStatus
from search.shots import ShotRotation
from search.space.space import Space
from search.state import SearchState
from search.surrogate.axes import axes_of

if TYPE_CHECKING:
    from search.surrogate.subspace import Location, Subspace

NUDGE = 0.02
"""First step away from a recipe that was tried already, as a part of each axis; each attempt adds one more."""
NEAR = 8
"""So many trials after the first that stands out from a plateau step by group, where its stage moves single blocks."""
ATTEMPTS = 500
"""After so many attempts, every recipe that the grids of a stage allow counts as tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """One candidate to try."""

    stage: Stage
    point: Point
    """The full vector: every free knob."""
    label: str = ""
    """What a person would call it (`A`, `FLAT_25`, `start of blocks`), or nothing."""
    slots: Slots = ()
    """The shots to draw, by their places; empty: all."""


@dataclass(frozen=True, kw_only=True)
class Suggester:
    """Proposes candidates stage by stage: flat, groups, blocks, self, adjust, refine.

    The three before the last overlap: each moves what matters of the other two as well. The suggester holds no state:
    the same history gives the same proposal, in any process of one installation, and no proposal repeats a recipe of
    the history on the same shots. A stage whose knobs are all frozen is skipped. Without slots, so
    that the initial design is worked out once.
    """

    space: Space
    plan: SearchPlan = field(default_factory=SearchPlan)
    seed: int = 0
    rotation: ShotRotation = field(default_factory=ShotRotation)
    lends: bool = True
    """Whether later stages lend trials to wide ones of `groups` on a plateau; not where the plan's numbers count them.
    """

    def next(self, history: Sequence[TrialRecord]) -> Proposal | None:
        """Return what to try next, or None when the search is over.

        Args:
            history: every trial of the study, in any order. What was proposed and is not in it is proposed again.

        Raises:
            SearchError: a point of the history does not belong to this space.
        """
        state = self._state(history)
        proposals = (self._proposal(stage, state) for stage in STAGES)
        return next((proposal for proposal in proposals if proposal is not None), None)

    def prepare(self, history: Sequence[TrialRecord]) -> None:
        """Work out in advance, in another thread, what takes longest of the proposals that come next.

        What `next` proposes is the same whether or not this was called, has ended, or was given an older history.
        While pictures are drawn it fits the hyperparameters that are used some trials later; before the first trial of
        a night it does all that the first proposal needs. Where there is nothing to do it takes as long as `next`.

        Args:
            history: every trial of the study so far, in any order, those that still run too.

        Raises:
            SearchError: a point of the history does not belong to this space.
        """
        self.next(history)
        if to_come := self._state(history).trials.observations_to_come():
            from search.surrogate.gaussian_process import settle

            settle(to_come)

    def statuses(self, history: Sequence[TrialRecord]) -> tuple[StageStatus, ...]:
        """Return how every stage stands, and why those that are over ended."""
        state = self._state(history)
        statuses = (state.status(stage) for stage in STAGES)
        return tuple(
            replace(one, status="exhausted") if one.is_open and self._proposal(one.stage, state) is None else one
            for one in statuses
        )

    def recommended(self, history: Sequence[TrialRecord]) -> dict[str, float]:
        """Return the optimum of the surrogate of all trials; the best trial's value is partly chance."""
        return self._state(history).start(None)

    def calibration(self) -> tuple[Proposal, ...]:
        """Return the recipes that calibrate scorers, the same in every night: FLAT mixes and random ones, labelled."""
        return tuple(self._initial(recipe) for recipe in calibration_recipes(self.space, self.plan, self.seed))

    def trials(self, stage: Stage) -> int:
        """Return how many trials a stage gets at most in this space: none when all its knobs are frozen."""
        return self._state(()).planned(stage)

    def planned(self, history: Sequence[TrialRecord]) -> dict[Stage, int]:
        """Return how many trials each stage gets at most as the search stands: on a plateau stages lend some.

        Args:
            history: every trial of the study, in any order.
        """
        state = self._state(history)
        planned: dict[Stage, int] = {stage: self.trials(stage) for stage in STAGES}
        return {stage: count + state.more(stage) if count else 0 for stage, count in planned.items()}

    @property
    def total(self) -> int:
        """Most trials of the whole plan in this space; fewer when stages end early."""
        return sum(self.trials(stage) for stage in STAGES)

    @cached_property
    def _design(self) -> tuple[InitialRecipe, ...]:
        return initial_design(self.space, self.plan, self.seed)

    def _state(self, history: Sequence[TrialRecord]) -> SearchState:
        return SearchState(self.space, self.plan, history, initial=len(self._design), lends=self.lends)

    def _initial(self, recipe: InitialRecipe) -> Proposal:
        return Proposal(stage="flat", point=recipe.point, label=recipe.label, slots=self.rotation.slots("flat"))

    def _proposal(self, stage: Stage, state: SearchState) -> Proposal | None:
        """Return what a stage tries next; None where it is over, or all that its grids allow was tried."""
        if stage == "flat":
            return self._flat(state)
        return self._searched(stage, state) if state.status(stage).is_open else None

    def _flat(self, state: SearchState) -> Proposal | None:
        """Return the first untried recipe of the initial design, then steps from the best FLAT ratio."""
        for recipe in self._design:
            if not state.trials.is_tried(recipe.point, self.rotation.slots("flat")):
                return self._initial(recipe)
        observations = state.trials.observations("flat")
        if not state.status("flat").is_open or observations is None:
            return None
        from search.surrogate.proposals import STEP_SIZES, step_proposal

        subspace = state.subspace_through(self.space.flat(0.5), axes_of("flat", self.space))
        seed = self._seed_of_trial("flat", state)
        location = step_proposal(observations, subspace, seed, STEP_SIZES["flat"])
        return self._untried("flat", state, subspace, location, label="line")

    def _searched(self, stage: Stage, state: SearchState) -> Proposal | None:
        """Return the stage's start while it is untried on its shots, then what the sampler makes of the trials."""
        subspace, slots = state.subspace(stage), self._slots(stage, state)
        start = dict(subspace.fixed)
        begun = state.trials.count(stage) > 0 if self.rotation.moving else state.trials.is_tried(start, slots)
        if stage != "groups" and not begun:
            return Proposal(stage=stage, point=start, label=f"start of {stage}", slots=slots)
        if self.plan.sampler == SURROGATE and (proposal := self._on_plateau(stage, state, start)) is not None:
            return proposal
        return self._untried(stage, state, subspace, self._location(stage, state, subspace))

    def _on_plateau(self, stage: Stage, state: SearchState, start: Point) -> Proposal | None:
        """Return a wide trial while a plateau shows nothing, then a step by group near what stands out; else None."""
        from search.surrogate.proposals import STEP_SIZES, step_proposal
        from search.surrogate.wide import halves_of_blocks, random_by_group, wide_by_group

        groups, seed, trials = axes_of("groups", self.space), self._seed_of_trial(stage, state), state.trials
        if state.goes_wide(stage):
            number, rows = state.count_wide, (self.seed, STAGES.index("groups"))
            axes, location = groups, wide_by_group(groups, number, rows)
            if number >= state.wide_by_group:
                axes, location = groups, random_by_group(groups, seed)
            if number >= state.wide_by_group and number % 4 > 1:
                axes = axes_of("blocks", self.space)
                location = halves_of_blocks(axes, number, rows)
            return self._untried(stage, state, state.subspace_through(start, axes), location, label="wide")
        since, observations = state.since_outstanding(stage), trials.observations()
        if stage == "groups" or since is None or since >= NEAR or observations is None or trials.outstanding is None:
            return None
        subspace = state.subspace_through(trials.records[trials.outstanding].point, groups)
        location = step_proposal(observations, subspace, seed, STEP_SIZES["groups"])
        return self._untried(stage, state, subspace, location)

    def _location(self, stage: Stage, state: SearchState, subspace: Subspace) -> Location:
        """Return the place that the plan's sampler proposes."""
        if self.plan.sampler != SURROGATE:
            from search.samplers.by_name import suggest_location

            return suggest_location(stage, state.trials, subspace, self.seed)
        from search.surrogate.proposals import SCREENING_REACH, screening_proposal, step_proposal, step_size

        trials, number = state.trials, state.trials.count(stage)
        observations = trials.observations()
        screened = observations is not None and observations.earlier is not None
        screened = screened or state.since_outstanding(stage) is not None
        if observations is None or (not screened and number < state.screening(stage)):
            seed = (self.seed, STAGES.index(stage))
            return screening_proposal(subspace, number, seed, SCREENING_REACH[stage])
        size = step_size(stage, trials.relative_noise)
        return step_proposal(observations, subspace, self._seed_of_trial(stage, state), size)

    def _slots(self, stage: Stage, state: SearchState) -> Slots:
        """Return the shots of the next trial of a stage."""
        return self.rotation.slots(stage, [one for one in state.trials.records if one.stage == stage])

    def _seed_of_trial(self, stage: Stage, state: SearchState) -> tuple[int, ...]:
        return (self.seed, STAGES.index(stage), len(state.trials))

    def _untried(
        self, stage: Stage, state: SearchState, subspace: Subspace, location: Location, *, label: str = ""
    ) -> Proposal | None:
        """Return the recipe of a location, or the first one near it that was not tried; None: there is none."""
        slots, combinations = self._slots(stage, state), subspace.combinations()
        point = subspace.point(location)
        for attempt in range(1, ATTEMPTS + 1):
            if not state.trials.is_tried(point, slots):
                return Proposal(stage=stage, point=point, label=label, slots=slots)
            rng = random.Random(f"{self.seed}:{len(state.trials)}:nudge:{attempt}")  # noqa: S311 - no secret
            reach = min(NUDGE * attempt, 1.0)
            moved = tuple(min(max(place + rng.uniform(-reach, reach), 0.0), 1.0) for place in location.position)
            words = combinations[attempt % len(combinations)] if subspace.choices else location.words
            point = subspace.point(replace(location, position=moved, words=words))
        return None

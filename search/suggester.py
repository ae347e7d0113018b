"""What to try next: a pure function of space, plan, seed and the told trials, so a search goes on where it stopped."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from search.history import Point, Slots, Told
from search.plan import LONGEST, QUIET, REACH, SINGLE, STAGES, STEP, Ending, Plan, Stage
from search.shots import Rotation
from search.space.baselines import flat_name
from search.space.knob import TOLERANCE
from search.space.space import Space
from search.state import Course
from search.surrogate.axes import axes_of, screening_trials

if TYPE_CHECKING:
    from search.surrogate.subspace import Position, Subspace

Tried = frozenset[tuple[tuple[float, ...], Slots]]
"""What was tried, and on which shots."""
NUDGE = 0.02
"""First step away from a recipe that was tried already, in parts of each axis; each attempt adds one more."""
ATTEMPTS = 500
"""After so many, every recipe that the grids of a stage allow counts as tried."""
LINE_STEP = 0.03
"""The step of a FLAT ratio that follows the model, in parts of the range."""
CALIBRATION_REACH = 0.25
"""How far the knobs of a calibration recipe stray from FLAT_50, as a part of their range."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggester:
    """Proposes candidates stage by stage: flat, groups, blocks, self, adjust, refine.

    It holds no state. The same history gives the same proposal, in any process of one installation, and no proposal
    repeats a told recipe on the same shots. A stage whose knobs are all frozen is skipped.
    """

    space: Space
    plan: Plan = field(default_factory=Plan)
    seed: int = 0
    rotation: Rotation = field(default_factory=Rotation)

    def next(self, history: Sequence[Told]) -> Proposal | None:
        """Return what to try next, or None when the search is over.

        Args:
            history: every told trial of the study, in any order. What was proposed but never told is proposed again.

        Raises:
            SearchError: a told point does not belong to this space.
        """
        course = self._course(history)
        return next((found for stage in STAGES if (found := self._proposed(stage, course)) is not None), None)

    def endings(self, history: Sequence[Told]) -> tuple[Ending, ...]:
        """Return how every stage stands, and why those that are over ended."""
        course = self._course(history)
        return tuple(
            replace(one, why="exhausted") if one.why == "open" and self._proposed(one.stage, course) is None else one
            for one in course.endings
        )

    def recommended(self, history: Sequence[Told]) -> dict[str, float]:
        """Return the point where the model of all trials is highest; never simply the best trial, which is luck."""
        return self._course(history).start(None)

    def calibration(self) -> tuple[Proposal, ...]:
        """Return the recipes that calibrate scorers, the same in every night: FLAT mixes and random ones, labelled."""
        slots = self.rotation.slots("flat")
        points = [(self._label(ratio), self.space.flat(ratio)) for ratio in self.plan.flat]
        points += [(f"random {n + 1}", self._scattered(n)) for n in range(self.plan.calibration)]
        return self._different(points, slots)

    def trials(self, stage: Stage) -> int:
        """Return how many trials a stage gets at most in this space: none when all its knobs are frozen."""
        return self._course(()).planned(stage)

    @property
    def total(self) -> int:
        """Most trials of the whole plan in this space; fewer when stages end early."""
        return sum(self.trials(stage) for stage in STAGES)

    def _course(self, history: Sequence[Told]) -> Course:
        return Course(self.space, self.plan, history, begins=len(self._flat_points()))

    def _proposed(self, stage: Stage, course: Course) -> Proposal | None:
        """Return what a stage tries next; None where it is over, or all that its grids allow was tried."""
        told = zip(course.points, course.told, strict=True)
        tried = frozenset((self.space.mark(point), one.slots) for point, one in told)
        if stage == "flat":
            return self._flat(course, tried)
        return self._searched(stage, course, tried) if course.ending(stage).why == "open" else None

    # -------------------------------------------------------------------------------------------------------- flat

    def _flat(self, course: Course, tried: Tried) -> Proposal | None:
        """Return the first recipe of stage `flat` that has not been tried, then FLAT ratios that the model likes."""
        for proposal in self._flat_points():
            if (self.space.mark(proposal.point), proposal.slots) not in tried:
                return proposal
        data = course.data("flat")
        if course.ending("flat").why != "open" or data is None:
            return None
        from search.surrogate.proposals import step

        where = course.around(self.space.flat(0.5), axes_of("flat", self.space))
        place, words = step(data, where, self._seed("flat", course), LINE_STEP)
        point = self._fresh(where, place, words, tried, course, "flat")
        if point is None:
            return None
        return Proposal(stage="flat", point=point, label="line", slots=self.rotation.slots("flat"))

    def _flat_points(self) -> tuple[Proposal, ...]:
        points = [(one.label, dict(one.point)) for one in self.calibration()]
        points += [(one.label, self.space.checked(one.point)) for one in self.plan.begun]
        return self._different(points, self.rotation.slots("flat"))

    def _different(self, points: Sequence[tuple[str, dict[str, float]]], slots: Slots) -> tuple[Proposal, ...]:
        """Return proposals; where bounds make two recipes fall together, the first one stays."""
        found: dict[tuple[float, ...], Proposal] = {}
        for label, point in points:
            found.setdefault(self.space.mark(point), Proposal(stage="flat", point=point, label=label, slots=slots))
        return tuple(found.values())

    def _label(self, ratio: float) -> str:
        """Return the usual name of a flat recipe, and say so when bounds or frozen blocks make it another one."""
        numbers = self.space.numbers(self.space.flat(ratio))
        unet = [numbers[block] for block in self.space.frame.blocks if block != "BASE"]
        whole, name = all(abs(found - ratio) <= TOLERANCE for found in unet), flat_name(self.space, ratio)
        return name if whole else f"{name} within bounds"

    def _scattered(self, n: int) -> dict[str, float]:
        """Return calibration recipe `n`: every knob at random round FLAT_50.

        Multipliers and Adjust values too: a scorer that sees only what they do would else seem to see nothing.
        """
        draw, point = random.Random(f"{self.seed}:calibration:{n}"), self.space.flat(0.5)  # noqa: S311 - no secret
        for knob in self.space.free:
            reach = draw.uniform(-CALIBRATION_REACH, CALIBRATION_REACH) * (knob.high - knob.low)
            point[knob.name] = knob.tidy(point[knob.name] + reach)
        return point

    # ------------------------------------------------------------------------------------------------ other stages

    def _searched(self, stage: Stage, course: Course, tried: Tried) -> Proposal | None:
        """Return the stage's start while it is untried on its shots, then what the sampler makes of the data."""
        where, slots = course.subspace(stage), self.rotation.slots(stage)
        start = dict(where.fixed)
        if stage != "groups" and (self.space.mark(start), slots) not in tried:
            return Proposal(stage=stage, point=start, label=f"start of {stage}", slots=slots)
        place, words = self._placed(stage, course, where)
        point = self._fresh(where, place, words, tried, course, stage)
        return None if point is None else Proposal(stage=stage, point=point, slots=slots)

    def _placed(self, stage: Stage, course: Course, where: Subspace) -> tuple[Position, Position]:
        data, number = course.data(), course.number(stage)
        if self.plan.sampler != "hill":
            from search.samplers.chosen import place

            return place(self.plan, stage, course, where, self.seed)
        from search.surrogate.proposals import screen, step

        known = (
            stage == "refine"
            and {axis.name for axis in where.axes} <= course.moved()
            and any(course.number(earlier) for earlier in SINGLE)
        )
        if data is None or (not known and number < screening_trials(len(where.axes))):
            return screen(where, number, (self.seed, STAGES.index(stage)), REACH[stage])
        stretch = min(max(1.0, math.sqrt(course.loudness / QUIET)), LONGEST)
        return step(data, where, self._seed(stage, course), STEP[stage] * stretch)

    def _seed(self, stage: Stage, course: Course) -> tuple[int, ...]:
        return (self.seed, STAGES.index(stage), len(course.told))

    def _fresh(
        self,
        where: Subspace,
        place: Position,
        words: Position,
        tried: Tried,
        course: Course,
        stage: Stage,
    ) -> dict[str, float] | None:
        """Return the point of a place, or the first one near it whose recipe was not tried; None: there is none."""
        point, slots, others = where.point(place, words), self.rotation.slots(stage), where.combinations()
        for attempt in range(1, ATTEMPTS + 1):
            if (self.space.mark(point), slots) not in tried:
                return point
            draw = random.Random(f"{self.seed}:{len(course.told)}:nudge:{attempt}")  # noqa: S311 - no secret
            reach = min(NUDGE * attempt, 1.0)
            moved = [min(max(number + draw.uniform(-reach, reach), 0.0), 1.0) for number in place]
            point = where.point(moved, others[attempt % len(others)] if where.choices else words)
        return None

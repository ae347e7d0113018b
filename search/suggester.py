"""What to try next: a pure function of space, plan, seed and the told trials, so a search goes on where it stopped."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.blocks import BLOCKS
from search.history import Point, Told, in_order
from search.space import DECIMALS, TOLERANCE, Space
from search.stages import STAGES, Plan, Stage, flat_label, subspace
from search.subspace import Subspace

NUDGE = 0.02
"""First step away from a recipe that was tried already, as a part of each knob's range; each attempt adds one more."""
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Suggester:
    """Proposes candidates stage by stage: flat, groups, blocks, self, adjust.

    It holds no state. The same history gives the same proposal, in any process of one installation, and no proposal
    repeats a told recipe. A stage whose knobs are all frozen is skipped.
    """

    space: Space
    plan: Plan = field(default_factory=Plan)
    seed: int = 0

    def next(self, history: Sequence[Told]) -> Proposal | None:
        """Return what to try next, or None when the plan is through.

        Args:
            history: every told trial of the study, in any order. What was proposed but never told is proposed again.

        Raises:
            SearchError: a told point does not belong to this space.
        """
        told = in_order(history)
        tried = frozenset(self.space.decode(one.point).key for one in told)
        proposal = self._flat(tried)
        if proposal is not None:
            return proposal
        for stage in STAGES[1:]:
            if sum(one.stage == stage for one in told) < self.trials(stage):
                return self._searched(stage, told, tried)
        return None

    def calibration(self) -> tuple[Proposal, ...]:
        """Return the recipes that calibrate scorers, the same in every night: those of stage `flat`, labelled."""
        return tuple(self._flat_points().values())

    def trials(self, stage: Stage) -> int:
        """Return how many trials a stage gets in this space: none when all its knobs are frozen."""
        if stage == "flat":
            return len(self._flat_points())
        kind = "block" if stage in ("groups", "blocks") else stage
        return self.plan.trials(stage) if self.space.of_kind(kind) else 0

    @property
    def total(self) -> int:
        """Number of trials of the whole plan in this space."""
        return sum(self.trials(stage) for stage in STAGES)

    def _flat(self, tried: frozenset[str]) -> Proposal | None:
        """Return the first flat or calibration recipe that has not been tried."""
        return next((proposal for key, proposal in self._flat_points().items() if key not in tried), None)

    def _flat_points(self) -> dict[str, Proposal]:
        """Return flat and calibration recipes by key; where bounds make two fall together, the first one stays."""
        points = [(self._label(ratio), self.space.flat(ratio)) for ratio in self.plan.flat]
        points += [(f"random {n + 1}", self._scattered(n)) for n in range(self.plan.calibration)]
        found: dict[str, Proposal] = {}
        for label, point in points:
            found.setdefault(self.space.decode(point).key, Proposal(stage="flat", point=point, label=label))
        return found

    def _label(self, ratio: float) -> str:
        """Return the usual name of a flat recipe, and say so when bounds or frozen blocks make it another one."""
        unet = [knob.clip(ratio) for knob in self.space.knobs if knob.kind == "block" and knob.name != BLOCKS[0]]
        whole = all(abs(found - ratio) <= TOLERANCE for found in unet)
        return flat_label(ratio) if whole else f"{flat_label(ratio)} within bounds"

    def _scattered(self, n: int) -> dict[str, float]:
        """Return calibration recipe `n`: every knob at random round FLAT_50.

        Multipliers and Adjust values too: a scorer that sees only what they do would else seem to see nothing.
        """
        draw, point = random.Random(f"{self.seed}:calibration:{n}"), self.space.flat(0.5)  # noqa: S311 - no secret
        for knob in self.space.free:
            step = draw.uniform(-CALIBRATION_REACH, CALIBRATION_REACH) * (knob.high - knob.low)
            point[knob.name] = knob.tidy(point[knob.name] + step)
        return point

    def _searched(self, stage: Stage, told: Sequence[Told], tried: frozenset[str]) -> Proposal:
        """Return the stage's own starting point while it is untried, then what the sampler makes of the data."""
        where = subspace(stage, self.space, self.plan, told)
        if stage != "groups" and self.space.decode(where.fixed).key not in tried:
            return Proposal(stage=stage, point=where.fixed, label=f"start of {stage}")
        from search.samplers import suggest

        values = suggest(where.axes, known(where, told), seed=self.seed, number=len(told))
        tidy = {axis.name: axis.clip(round(values[axis.name], DECIMALS)) for axis in where.axes}
        return Proposal(stage=stage, point=self._fresh(where, tidy, tried, len(told)))

    def _fresh(self, where: Subspace, values: dict[str, float], tried: frozenset[str], number: int) -> dict[str, float]:
        """Return the point of the values, or the first one near it whose recipe has not been tried."""
        point, attempt = where.embed(values), 0
        while self.space.decode(point).key in tried:
            attempt += 1
            draw = random.Random(f"{self.seed}:{number}:nudge:{attempt}")  # noqa: S311 - no secret
            reach = min(NUDGE * attempt, 1.0)
            steps = {axis.name: draw.uniform(-reach, reach) * axis.width for axis in where.axes}
            point = where.embed({axis.name: axis.clip(values[axis.name] + steps[axis.name]) for axis in where.axes})
        return point


def known(where: Subspace, told: Sequence[Told]) -> list[tuple[dict[str, float], float]]:
    """Return what is known on a subspace: axis values and objective.

    Trials of any stage count if they lie there. A failed trial says nothing about its recipe; an infeasible one counts
    as the worst value seen anywhere: bad enough to stay away, not so bad that it bends the model elsewhere.
    """
    worst = min((one.value for one in told if one.value is not None), default=None)
    data: list[tuple[dict[str, float], float]] = []
    for one in told:
        value = worst if one.infeasible else one.value
        place = where.project(one.point)
        if value is not None and place is not None:
            data.append((place, value))
    return data

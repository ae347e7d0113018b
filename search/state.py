"""The course of a search so far, where each stage starts, what it found, whether it is over and why.

Everything here is a function of space, plan and told trials, so it is the same after any interruption.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from statistics import stdev
from typing import TYPE_CHECKING

from search.history import Told, in_order, top
from search.plan import SINGLE, STAGES, Ending, Plan, Stage, Why
from search.space.knob import TOLERANCE
from search.space.space import Space
from search.surrogate.axes import Axis, axes_of, screening_trials
from search.surrogate.columns import Columns, Row

if TYPE_CHECKING:
    from search.space.knob import Knob
    from search.surrogate.gaussian_process import Data
    from search.surrogate.subspace import Subspace

CHECKED = 8
"""Whether a stage is over is looked at after every so many of its trials."""
IDLE_TRIALS = 16
"""Least trials of a stage that is said to do nothing, and 1.5 for every axis."""
IDLE = 0.05
"""What the model explains of values when knobs do nothing: at most this part of their variance."""
LEVEL = 1e-9
"""Values that differ by less than this part of themselves are all the same,"""
LEVEL_OF_FLAT = 1e-4
"""and those that differ by less than this part of what the trials of stage `flat` do."""
CENTRE_OF = 3
"""FLAT trials whose mean is the top of the model's bowl."""
RELEVANT = 0.25
"""A knob matters if a quarter of its range changes the value by this much of the noise."""


class Course:
    """A search as far as it has come; made anew for every question."""

    def __init__(self, space: Space, plan: Plan, history: Sequence[Told], *, begins: int | None = None) -> None:
        """Keep the trials in order; raises `SearchError` when a point is not one of the space.

        Args:
            space: that is searched.
            plan: of the search.
            history: told trials, in any order.
            begins: how many different recipes stage `flat` begins with; None: as many as the plan has.
        """
        self._begins = plan.trials("flat") - plan.line if begins is None else begins
        self.space, self.plan = space, plan
        self.columns = Columns.of(space)
        self.told = in_order(history)
        self.points = [space.checked(one.point) for one in self.told]
        self._starts: dict[Stage | None, dict[str, float]] = {}
        self._endings: dict[Stage, Ending] = {}
        self._data: dict[tuple[Stage, int | None], Data | None] = {}

    @cached_property
    def rows(self) -> list[Row]:
        """The rows of all trials."""
        return [self.columns.row(point) for point in self.points]

    @cached_property
    def centre(self) -> Row:
        """The mean of the best FLAT trials, where the model has the top of its bowl."""
        best = top(self.begun, CENTRE_OF) or top(self.told, CENTRE_OF)
        rows = [self.columns.row(one.point) for one in best] or [self.columns.row(self.space.flat(0.5))]
        return tuple(sum(column) / len(rows) for column in zip(*rows, strict=True))

    @cached_property
    def begun(self) -> list[Told]:
        """The FLAT mixes, and the recipes to begin with; not those that only calibrate, which move every knob."""
        marks = {self.space.mark(one.point) for one in self.plan.begun}
        told = zip(self.told, self.points, strict=True)
        flat = ((one, point) for one, point in told if one.stage == "flat")
        return [one for one, point in flat if self._is_flat(point) or self.space.mark(point) in marks]

    def _is_flat(self, point: Mapping[str, float]) -> bool:
        blocks = [point[knob.name] for knob in self.space.of_kind("block")]
        flat = (self.space.flat(ratio) for ratio in {min(blocks), max(blocks)}) if blocks else (self.space.neutral,)
        return any(self.space.mark(point) == self.space.mark(other) for other in flat)

    @cached_property
    def _noise(self) -> float | None:
        """The middle standard error of stage `flat`; later trials would each move the model of the past."""
        errors = sorted(one.standard_error for one in self.told if one.stage == "flat" and one.standard_error)
        return errors[len(errors) // 2] if errors else None

    @cached_property
    def loudness(self) -> float:
        """The noise of a trial beside what the trials of stage `flat` differ by, as a part of it; 0 if not known."""
        values = [one.value for one in self.told if one.stage == "flat" and one.value is not None]
        spread = stdev(values) if len(values) > 1 else 0.0
        return (self._noise or 0.0) / spread if spread > 0 else 0.0

    def number(self, stage: Stage) -> int:
        """How many trials a stage has had, failed ones too."""
        return sum(one.stage == stage for one in self.told)

    def data(self, last: Stage = "refine", most: int | None = None) -> Data | None:
        """Return what is known from the trials of a stage and those before it; None: nothing.

        A failed trial says nothing about its recipe. An infeasible one counts as the worst value seen: bad enough to
        stay away, not so bad that it bends the model elsewhere.

        Args:
            last: the stage.
            most: how many trials of that stage are counted.
        """
        if (last, most) not in self._data:
            self._data[last, most] = self._gather(self._known(last, most))
        return self._data[last, most]

    @cached_property
    def compared(self) -> tuple[Told, ...]:
        """The trials that have a value, each as it would be on the average set of shots: now they compare."""
        told, data = [one for one in self.told if one.value is not None], self.data()
        if data is None or len(set(data.sets)) < 2:
            return tuple(told)
        from search.surrogate.gaussian_process import model_of

        shifts, sets = model_of(data).shifts, sorted({self.told[n].slots for n in self._known("refine", None)})
        return tuple(replace(one, value=(one.value or 0.0) - shifts[sets.index(one.slots)]) for one in told)

    def _known(self, last: Stage, most: int | None) -> list[int]:
        """Return the places of the trials behind `data`."""
        chosen, counted = list[int](), 0
        for n, one in enumerate(self.told):
            counted += one.stage == last
            late = STAGES.index(stage_of(one)) > STAGES.index(last)
            beyond = one.stage == last and most is not None and counted > most
            if not late and not beyond and (one.value is not None or one.infeasible):
                chosen.append(n)
        return chosen

    def _gather(self, chosen: list[int]) -> Data | None:
        from search.surrogate.gaussian_process import Data

        values = [one.value for one in (self.told[n] for n in chosen) if one.value is not None]
        if not values:
            return None
        worst, sets = min(values), sorted({self.told[n].slots for n in chosen})
        return Data(
            rows=tuple(self.rows[n] for n in chosen),
            values=tuple(worst if (value := self.told[n].value) is None else value for n in chosen),
            sets=tuple(sets.index(self.told[n].slots) for n in chosen),
            centre=self.centre,
            noise=self._noise,
        )

    # ------------------------------------------------------------------------------------------------------ stages

    def planned(self, stage: Stage) -> int:
        """Return the most trials of a stage in this space: none when it has nothing to move."""
        if stage == "flat":
            return self._begins + (self.plan.line if self.axes(stage) else 0)
        return self.plan.trials(stage) if self.axes(stage) or self._choices(stage) else 0

    def axes(self, stage: Stage) -> tuple[Axis, ...]:
        """Return what a stage moves; `refine` leaves out what was found to do nothing."""
        axes = axes_of(stage, self.space)
        return axes if stage != "refine" else tuple(axis for axis in axes if axis.name in self._relevant)

    def subspace(self, stage: Stage) -> Subspace:
        """Return where a stage searches; it depends on earlier stages only, so it stands still meanwhile."""
        return self.around(self.start(stage), self.axes(stage), self._choices(stage))

    def around(self, point: Mapping[str, float], axes: Sequence[Axis], choices: Sequence[Knob] = ()) -> Subspace:
        """Return the subspace of some axes, and the words of some choices, through a point."""
        from search.surrogate.subspace import Subspace

        fixed = tuple(point.items())
        return Subspace(axes=tuple(axes), fixed=fixed, columns=self.columns, choices=tuple(choices))

    def start(self, stage: Stage | None) -> dict[str, float]:
        """Return where a stage starts, None for the end of the search: the highest place of the model so far.

        Earlier stages are gone through in order; what one of them moves is set to where the model of all trials up to
        then is highest, together with what the stages before it moved. A stage that did nothing changes nothing.
        """
        if stage not in self._starts:
            self._starts[stage] = self._start(stage)
        return dict(self._starts[stage])

    def _start(self, stage: Stage | None) -> dict[str, float]:
        before = STAGES if stage is None else STAGES[: STAGES.index(stage)]
        best = top(self.begun, 1)
        if self.plan.start:
            before, point = before[1:], self.space.checked(self.plan.start.point)
        elif self.is_level:
            point = self.space.flat(0.0)
        else:
            point = dict(best[0].point) if best else self.space.flat(0.5)
        for earlier in before:
            point = self._after(earlier, point)
        return point

    def ending(self, stage: Stage) -> Ending:
        """Return how a stage stands."""
        if stage not in self._endings:
            self._endings[stage] = self._ending(stage)
        return self._endings[stage]

    def _ending(self, stage: Stage) -> Ending:
        trials, planned = self.number(stage), self.planned(stage)
        why: Why = "open" if trials < planned else "used up" if trials else "skipped"
        if self.is_level and stage in ("flat", "groups", "blocks"):
            return Ending(stage=stage, trials=trials, why="level")
        checked = trials - trials % CHECKED
        if stage != "flat" and self.plan.patience and checked and planned:
            if self._is_idle(stage, checked):
                why = "idle"
            elif why == "open" and self._is_settled(stage, checked):
                why = "settled"
        return Ending(stage=stage, trials=trials, why=why)

    @property
    def endings(self) -> tuple[Ending, ...]:
        """How all stages stand."""
        return tuple(self.ending(stage) for stage in STAGES)

    @cached_property
    def is_level(self) -> bool:
        """Whether all FLAT mixes, three at least, have the same value, as when both parents are the same model.

        Never where blocks have second ratios, which FLAT mixes leave at rest.
        """
        values = [one.value for one in self.begun if one.value is not None]
        if len(values) < 3 or self.space.of_kind("second"):
            return False
        all_of_flat = [one.value for one in self.told if one.stage == "flat" and one.value is not None]
        least = LEVEL * max(1.0, abs(max(values))) + LEVEL_OF_FLAT * (max(all_of_flat) - min(all_of_flat))
        return max(values) - min(values) <= least

    def _choices(self, stage: Stage) -> tuple[Knob, ...]:
        return self.space.of_kind("choice") if stage in ("groups", "refine") else ()

    @cached_property
    def _relevant(self) -> frozenset[str]:
        """Names of the knobs that matter: of no stage that did nothing, and with an effect that the model sees."""
        idle: list[Stage] = [stage for stage in SINGLE if self.ending(stage).why in ("idle", "level")]
        lost = {axis.name for stage in idle for axis in axes_of(stage, self.space)}
        kept = [axis for axis in axes_of("refine", self.space) if axis.name not in lost]
        data = self.data("adjust")
        if data is None or not any(self.number(stage) for stage in SINGLE):
            return frozenset(axis.name for axis in kept)
        from search.surrogate.optimum import effects

        felt = effects(data, self.around(self.start("refine"), kept))
        moved = self.moved()
        strong = [axis.name for axis, f in zip(kept, felt, strict=True) if f >= RELEVANT or axis.name not in moved]
        return frozenset(strong or [axis.name for axis in kept])

    def moved(self) -> frozenset[str]:
        """Return the names of the knobs that the stages between `flat` and `refine` did not leave in one place."""
        told = zip(self.points, self.told, strict=True)
        points = [point for point, one in told if one.value is not None and one.stage not in ("flat", "refine")]
        return frozenset(knob.name for knob in self.space.free if len({point[knob.name] for point in points}) > 1)

    def _after(self, stage: Stage, point: dict[str, float]) -> dict[str, float]:
        """Return the start of the next stage from that of a stage."""
        data = self.data(stage)
        if not self.number(stage) or data is None or (stage == "flat" and self.is_level):
            return point
        if stage != "flat" and self.ending(stage).why in ("idle", "level"):
            return point
        import numpy as np

        from search.surrogate.gaussian_process import model_of
        from search.surrogate.optimum import summit

        before: list[Stage] = [one for one in SINGLE if STAGES.index(one) < STAGES.index(stage) and self.number(one)]
        live: list[Stage] = [one for one in before if self.ending(one).why not in ("idle", "level")]
        axes = {axis.name: axis for one in (*live, stage) for axis in self.axes(one)}
        where = self.around(point, list(axes.values()), self._choices(stage))
        found = where.point(*summit(data, where))
        here, there = model_of(data).expected(np.array([self.columns.row(point), self.columns.row(found)]))
        return found if there > here else point

    def _is_idle(self, stage: Stage, checked: int) -> bool:
        """Whether the model cannot tell any value of trials that moved the stage's knobs, in it or before, from others.

        Earlier stages count: near the top all values of a stage may be equal but for noise, and yet its knobs matter.
        """
        axes = self.axes(stage)
        if checked < max(IDLE_TRIALS, 1.5 * len(axes)) or stage == "refine":
            return False
        import numpy as np

        from search.surrogate.gaussian_process import model_of

        data = self.data(stage, checked)
        if data is None:
            return False
        start, rows = self.subspace(stage), np.array(data.rows)
        elsewhere = np.abs(start.positions(rows) - start.start).max(1, initial=0.0) > TOLERANCE
        elsewhere |= np.array([start.words_of(row) != start.words_of(np.array(start.row)) for row in rows])
        own = elsewhere | np.array([self.told[n].stage == stage for n in self._known(stage, checked)])
        values, off = np.array(data.values)[own], model_of(data).left_out()[own]
        sets = np.array(data.sets)[own]
        means = np.array([values[sets == one].mean() for one in sets])  # values on other shots are shifted
        spread = float(np.square(values - means).sum())
        return len(values) > 2 and float(np.square(off).sum()) >= (1 - IDLE) * spread

    def _is_settled(self, stage: Stage, checked: int) -> bool:
        """Whether the last trials made the recommended point no better, as the model now sees both."""
        axes = self.axes(stage)
        if checked < screening_trials(len(axes)) + self.plan.patience:
            return False
        from search.surrogate.gaussian_process import model_of
        from search.surrogate.optimum import expected, summit

        now, then = self.data(stage, checked), self.data(stage, checked - self.plan.patience)
        if now is None or then is None:
            return False
        where = self.subspace(stage)
        gained = expected(now, where, summit(now, where)) - expected(now, where, summit(then, where))
        return gained < self.plan.gain * model_of(now).doubt


def stage_of(told: Told) -> Stage:
    """Return the stage of a trial; one that this version does not know counts as the last."""
    known: dict[str, Stage] = {stage: stage for stage in STAGES}
    return known.get(told.stage, "refine")

"""The trials of a search so far, and the observations that the surrogate model is conditioned on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from statistics import stdev
from typing import TYPE_CHECKING

from search.history import Point, Slots, TrialRecord, in_order, top
from search.plan import STAGES, SearchPlan, Stage
from search.space.space import Space
from search.surrogate.encoding import EncodedPoint, PointEncoding

if TYPE_CHECKING:
    from search.surrogate.gaussian_process import Observations

CENTRE_OF = 3
"""How many of the best FLAT mixes have the mean that is the centre of the surrogate's trend."""
CONSTANT = 1e-9
"""Values count as constant where they differ by less than this share of their size."""
CONSTANT_IN_FLAT = 1e-4
"""Share of what all values of stage `flat` differ by that FLAT mixes may differ by as well and still be constant."""


class SearchTrials:
    """The trials of a search; what follows from them is worked out once."""

    def __init__(self, space: Space, plan: SearchPlan, history: Sequence[TrialRecord]) -> None:
        """Keep the trials in order.

        Args:
            space: that is searched.
            plan: of the search, with the recipes that it begins with.
            history: all trials, in any order.

        Raises:
            SearchError: a point is not one of the space.
        """
        self.space, self.plan = space, plan
        self.encoding = PointEncoding.of(space)
        self.records = in_order(history)
        self.points = [space.checked(record.point) for record in self.records]
        self._observations: dict[tuple[Stage, int | None], Observations | None] = {}

    def __len__(self) -> int:
        return len(self.records)

    @cached_property
    def rows(self) -> list[EncodedPoint]:
        """The encoded points of all trials."""
        return [self.encoding.row(point) for point in self.points]

    def count(self, stage: Stage) -> int:
        """Return how many trials a stage has had, failed ones too."""
        return sum(trial.stage == stage for trial in self.records)

    def is_tried(self, point: Point, slots: Slots) -> bool:
        """Whether some trial, ended or not, has the same recipe on the same shots."""
        return (self.space.mark(point), slots) in self._tried

    @cached_property
    def _tried(self) -> frozenset[tuple[tuple[float, ...], Slots]]:
        trials = zip(self.points, self.records, strict=True)
        return frozenset((self.space.mark(point), trial.slots) for point, trial in trials)

    @cached_property
    def flat_mixes(self) -> list[TrialRecord]:
        """The FLAT mixes, and the recipes to begin with; not those that only calibrate, which move every knob."""
        marks = {self.space.mark(recipe.point) for recipe in self.plan.initial_recipes}
        trials = zip(self.records, self.points, strict=True)
        flat = ((trial, point) for trial, point in trials if trial.stage == "flat")
        return [trial for trial, point in flat if self._is_flat(point) or self.space.mark(point) in marks]

    def _is_flat(self, point: Mapping[str, float]) -> bool:
        blocks = [point[knob.name] for knob in self.space.of_kind("block")]
        flat = (self.space.flat(ratio) for ratio in {min(blocks), max(blocks)}) if blocks else (self.space.neutral,)
        return any(self.space.mark(point) == self.space.mark(other) for other in flat)

    @cached_property
    def _flat_values(self) -> list[float]:
        return [trial.value for trial in self.records if trial.stage == "flat" and trial.value is not None]

    @cached_property
    def _centre(self) -> EncodedPoint:
        """The mean of the best FLAT mixes, where the surrogate's trend is highest."""
        best = top(self.flat_mixes, CENTRE_OF) or top(self.records, CENTRE_OF)
        rows = [self.encoding.row(trial.point) for trial in best] or [self.encoding.row(self.space.flat(0.5))]
        return tuple(sum(column) / len(rows) for column in zip(*rows, strict=True))

    @cached_property
    def _standard_error(self) -> float | None:
        """The median standard error of stage `flat`; those of later trials would each change the model of the past."""
        errors = sorted(one.standard_error for one in self.records if one.stage == "flat" and one.standard_error)
        return errors[len(errors) // 2] if errors else None

    @cached_property
    def relative_noise(self) -> float:
        """The standard error of a trial, as a part of what the trials of stage `flat` differ by; 0 if not known."""
        spread = stdev(self._flat_values) if len(self._flat_values) > 1 else 0.0
        return (self._standard_error or 0.0) / spread if spread > 0 else 0.0

    def observations(self, last: Stage = "refine", most: int | None = None) -> Observations | None:
        """Return what the trials of a stage and those before it observed; None: nothing.

        A failed trial says nothing about its recipe. An infeasible one counts as the worst value seen: bad enough to
        stay away, not so bad that it bends the model elsewhere.

        Args:
            last: the stage.
            most: how many trials of that stage are counted.
        """
        if (last, most) not in self._observations:
            self._observations[last, most] = self._observations_of(self.observed(last, most))
        return self._observations[last, most]

    def observed(self, last: Stage = "refine", most: int | None = None) -> list[tuple[TrialRecord, EncodedPoint]]:
        """Return the trials behind `observations`, with their encoded points."""
        chosen, counted = list[tuple[TrialRecord, EncodedPoint]](), 0
        for trial, row in zip(self.records, self.rows, strict=True):
            counted += trial.stage == last
            late = STAGES.index(stage_of(trial)) > STAGES.index(last)
            beyond = trial.stage == last and most is not None and counted > most
            if not late and not beyond and (trial.value is not None or trial.infeasible):
                chosen.append((trial, row))
        return chosen

    def _observations_of(self, observed: Sequence[tuple[TrialRecord, EncodedPoint]]) -> Observations | None:
        from search.surrogate.gaussian_process import Observations

        values = [trial.value for trial, _ in observed if trial.value is not None]
        if not values:
            return None
        worst, sets = min(values), sorted({trial.slots for trial, _ in observed})
        return Observations(
            rows=tuple(row for _, row in observed),
            values=tuple(worst if trial.value is None else trial.value for trial, _ in observed),
            shot_sets=tuple(sets.index(trial.slots) for trial, _ in observed),
            centre=self._centre,
            standard_error=self._standard_error,
        )

    @cached_property
    def comparable(self) -> tuple[TrialRecord, ...]:
        """The trials that have a value, each with the value it would have on the average set of shots."""
        trials, observations = [trial for trial in self.records if trial.value is not None], self.observations()
        if observations is None or len(set(observations.shot_sets)) < 2:
            return tuple(trials)
        from search.surrogate.gaussian_process import model_of

        sets = sorted({trial.slots for trial, _ in self.observed()})
        offsets = dict(zip(sets, model_of(observations).set_offsets, strict=True))
        return tuple(replace(trial, value=(trial.value or 0.0) - offsets[trial.slots]) for trial in trials)

    @cached_property
    def is_constant(self) -> bool:
        """Whether all FLAT mixes, three at least, have the same value, as when both parents are the same model.

        Never where blocks have second ratios, which FLAT mixes leave at rest.
        """
        values = [trial.value for trial in self.flat_mixes if trial.value is not None]
        if len(values) < 3 or self.space.of_kind("second"):
            return False
        of_all = max(self._flat_values) - min(self._flat_values)
        return max(values) - min(values) <= CONSTANT * max(1.0, abs(max(values))) + CONSTANT_IN_FLAT * of_all

    @cached_property
    def moved(self) -> frozenset[str]:
        """The names of the knobs that the stages between `flat` and `refine` did not leave in one place."""
        trials = zip(self.points, self.records, strict=True)
        points = [point for point, one in trials if one.value is not None and one.stage not in ("flat", "refine")]
        return frozenset(knob.name for knob in self.space.free if len({point[knob.name] for point in points}) > 1)


def stage_of(trial: TrialRecord) -> Stage:
    """Return the stage of a trial; one that this version does not know counts as the last."""
    known: list[Stage] = [stage for stage in STAGES if stage == trial.stage]
    return known[0] if known else "refine"

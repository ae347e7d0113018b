"""The trials of a search so far, and the observations that the surrogate model is conditioned on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from statistics import stdev
from typing import TypeVar

from search.history import Point, Slots, TrialRecord, in_order, top
from search.plan import SINGLE, STAGES, EarlierStudy, SearchPlan, Stage
from search.plateau import first_outstanding, noise_of_level
from search.space.space import Space
from search.surrogate.encoding import EncodedPoint, PointEncoding, known_points
from search.surrogate.observations import Observations, settled_count, settled_next

Trial = TypeVar("Trial")

CENTRE_OF = 3
"""How many of the best FLAT mixes have the mean that is the centre of the surrogate's trend."""
CONSTANT = 1e-9
"""Values count as constant where they differ by less than this share of their size."""
CONSTANT_IN_FLAT = 1e-4
"""Share of what all values of stage `flat` differ by that FLAT mixes may differ by as well and still be constant."""
MOVING_EFFECT = 0.5
"""Variance of a set of shots' random effect on a recipe, in that of a standard error, where trials draw different ones.

The standard error is that of a difference from FLAT_50 on the same shots, and half of its variance is FLAT_50's, which
is the same for every recipe. On made-up landscapes the model then promises what is true; with the whole, too little.
Where all trials of a stage draw the same shots, nothing tells chance from the objective, and the whole is safer.
"""
MOST_SETTLED = 1500
"""Most settled trials that a model takes, so that time and memory stay bounded in very long searches."""
_PLACES = {stage: n for n, stage in enumerate(STAGES)}


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
        self._known = known_points(space).of([record.point for record in self.records])
        self._stages = [_PLACES.get(record.stage, len(STAGES) - 1) for record in self.records]
        self._counts = Counter(record.stage for record in self.records)
        self._observations: dict[tuple[Stage, int | None], Observations | None] = {}
        self._seen: dict[tuple[Stage, int | None], list[int]] = {}
        self._moved_before: dict[tuple[Stage, int], frozenset[str]] = {}

    def __len__(self) -> int:
        return len(self.records)

    @cached_property
    def rows(self) -> list[EncodedPoint]:
        """The encoded points of all trials."""
        return [known.row for known in self._known]

    def count(self, stage: Stage) -> int:
        """Return how many trials a stage has had, failed ones too."""
        return self._counts[stage]

    def count_broken(self, stage: Stage, most: int) -> int:
        """Return how many of the first trials of a stage, `most` at most, were infeasible."""
        return sum(self.records[n].infeasible for n in self._of_stage.get(stage, [])[:most])

    def is_tried(self, point: Point, slots: Slots) -> bool:
        """Whether some trial, ended or not, has the same recipe on the same shots."""
        mark = self.space.mark(point)
        if (hash(mark), slots) not in self._tried:
            return False
        trials = zip(self._known, self.records, strict=True)
        return any(known.mark == mark and one.slots == slots for known, one in trials)

    @cached_property
    def _tried(self) -> frozenset[tuple[int, Slots]]:
        """The hashes of the marks of all trials, with their shots; what is not among them was not tried."""
        return frozenset((known.mark_hash, one.slots) for known, one in zip(self._known, self.records, strict=True))

    @cached_property
    def _of_stage(self) -> Mapping[str, list[int]]:
        """The places of the trials of every stage, in order."""
        places = dict[str, list[int]]()
        for n, one in enumerate(self.records):
            places.setdefault(one.stage, []).append(n)
        return places

    @cached_property
    def _says_something(self) -> list[bool]:
        """Whether each trial has a value, or broken pictures."""
        return [one.value is not None or one.infeasible for one in self.records]

    @cached_property
    def flat_mixes(self) -> list[TrialRecord]:
        """The FLAT mixes, and the recipes to begin with; not those that only calibrate, which move every knob."""
        marks = {self.space.mark(recipe.point) for recipe in self.plan.initial_recipes}
        flat = zip(self.records, self._known, strict=True)
        return [one for one, known in flat if one.stage == "flat" and (known.is_flat or known.mark in marks)]

    @cached_property
    def noise_of_plateau(self) -> float | None:
        """The noise of a trial where the FLAT mixes do not differ beyond it; None where they do, or all are equal."""
        if self.is_constant or self.plan.start or self.plan.earlier or not self.space.of_kind("block"):
            return None
        flat = zip(self.records, self._known, strict=True)
        mixes = [(one, known) for one, known in flat if one.stage == "flat" and known.is_flat]
        line = [(sum(known.row) / len(known.row), one.value) for one, known in mixes if one.value is not None]
        return noise_of_level(line, self._standard_error)

    @cached_property
    def outstanding(self) -> int | None:
        """The place of the first trial that stands out from a plateau; None: none does, or there is no plateau."""
        noise = self.noise_of_plateau
        return None if noise is None else first_outstanding(self.records, self.flat_mixes, noise)

    @cached_property
    def _flat_values(self) -> list[float]:
        return [trial.value for trial in self.records if trial.stage == "flat" and trial.value is not None]

    @cached_property
    def _centre(self) -> EncodedPoint:
        """The mean of the best FLAT mixes, where the surrogate's trend is highest.

        On a plateau they say nothing, so there it is the first trial that stands out.
        """
        if self.outstanding is not None:
            return self._known[self.outstanding].row
        best = top(self.flat_mixes, CENTRE_OF) or top(self.records, CENTRE_OF)
        rows = [self.encoding.row(trial.point) for trial in best] or [self.encoding.row(self.space.flat(0.5))]
        return tuple(sum(column) / len(rows) for column in zip(*rows, strict=True))

    @cached_property
    def _standard_error(self) -> float | None:
        """The median standard error of stage `flat`; those of later trials would each change the model of the past.

        Errors of trials on other numbers of shots count as those of usual ones.
        """
        flat = [(one.standard_error, len(one.slots)) for one in self.records if one.stage == "flat"]
        errors = sorted(error * math.sqrt((shots or self._usual) / self._usual) for error, shots in flat if error)
        return errors[len(errors) // 2] if errors else None

    @cached_property
    def _is_moving(self) -> bool:
        """Whether trials of one stage drew different shots, so that what chance makes of recipes averages out."""
        first = dict[str, Slots]()
        return any(first.setdefault(one.stage, one.slots) != one.slots for one in self.records if one.stage != "flat")

    @cached_property
    def _usual(self) -> int:
        """How many shots most trials of stage `flat` have, or most of all; 1 where that is not recorded."""
        flat = Counter(len(one.slots) for one in self.records if one.stage == "flat" and one.slots)
        sizes = flat or Counter(len(one.slots) for one in self.records if one.slots)
        return max(sizes, key=lambda size: (sizes[size], -size), default=1)

    @cached_property
    def relative_noise(self) -> float:
        """The standard error of a trial, as a part of what the trials of stage `flat` differ by; 0 if not known."""
        spread = stdev(self._flat_values) if len(self._flat_values) > 1 else 0.0
        return (self._standard_error or 0.0) / spread if spread > 0 else 0.0

    def observations(self, last: Stage = "refine", most: int | None = None) -> Observations | None:
        """Return what the trials of a stage and those before it observed, low values raised to a floor; None: nothing.

        A failed trial says nothing about its recipe. An infeasible one is no observation of the objective: what it says
        of where pictures break goes along as `Observations.broken`.

        Args:
            last: the stage.
            most: how many trials of that stage are counted.
        """
        if (last, most) not in self._observations:
            self._observations[last, most] = _raised(self._observations_of(self._places(last, most)))
        return self._observations[last, most]

    def observed(self, last: Stage = "refine", most: int | None = None) -> list[tuple[TrialRecord, EncodedPoint]]:
        """Return the trials behind the values of `observations`, with their encoded points."""
        chosen, _ = self._chosen(self._valued(self._places(last, most)))
        return [(self.records[n], self._known[n].row) for n in chosen]

    def observations_to_come(self) -> Observations | None:
        """Return observations whose settled trials are those that the next trials will need; None: not known yet."""
        seen = self._places("refine", None)
        ahead = settled_next(len(self._valued(seen)))
        return None if ahead is None else _raised(self._observations_of(seen, ahead))

    def _places(self, last: Stage, most: int | None) -> list[int]:
        """Return the places of all trials of a stage, or its first ones, and those before it, that say something."""
        if (last, most) not in self._seen:
            self._seen[last, most] = self._places_of(last, len(self.records) if most is None else most)
        return self._seen[last, most]

    def _places_of(self, last: Stage, most: int) -> list[int]:
        own, place = self._of_stage.get(last, [])[:most], STAGES.index(last)
        before = [name for name in self._of_stage if name != last and _PLACES.get(name, len(STAGES) - 1) <= place]
        places = sorted([*own, *(n for name in before for n in self._of_stage[name])])
        return [n for n in places if self._says_something[n]]

    def _valued(self, seen: list[int]) -> list[int]:
        """Return those of some places whose trials have a value."""
        return [n for n in seen if self.records[n].value is not None]

    def _chosen(self, seen: list[int], settled: int | None = None) -> tuple[list[int], int]:
        """Return the places of those that the model takes, and how many of them are settled.

        All newer ones; where very many are settled, of every stage the newest.
        """
        settled = settled_count(len(seen)) if settled is None else settled
        older = seen[:settled]
        if settled > MOST_SETTLED:
            by_stage = [[n for n in older if self._stages[n] == place] for place in range(len(STAGES))]
            older = sorted(newest_of_each(by_stage, MOST_SETTLED))
        return older + seen[settled:], len(older)

    @cached_property
    def plain_observations(self) -> Observations | None:
        """What all trials observed, none raised to a floor: for what recipes are expected to be worth, and why."""
        return self._observations_of(self._places("refine", None))

    def _observations_of(self, seen: list[int], settled: int | None = None) -> Observations | None:
        """Return what the trials at some places observed; None: none of them has a value."""
        valued = self._valued(seen)
        chosen, settled = self._chosen(valued, settled)
        if not valued:
            return None
        trials = [self.records[n] for n in chosen]
        sets = {slots: n for n, slots in enumerate(sorted({trial.slots for trial in trials}))}
        observations = Observations(
            rows=tuple(self._known[n].row for n in chosen),
            values=tuple(trial.value for trial in trials if trial.value is not None),
            shot_sets=tuple(sets[trial.slots] for trial in trials),
            centre=self._centre,
            set_slots=tuple(sets) if len(sets) > 1 else (),
            usual_shots=self._usual,
            standard_error=self._standard_error,
            set_effect=MOVING_EFFECT if self._is_moving else 1.0,
            shares=tuple(trial.share for trial in trials) if any(trial.share < 1 for trial in trials) else (),
            settled=settled,
            broken=tuple(self._known[n].row for n in seen if self.records[n].infeasible),
        )
        if self.plan.earlier is None:
            return observations
        from search.transfer import guided

        return guided(observations, _earlier_observations(self.space, self.plan.earlier))

    @cached_property
    def comparable(self) -> tuple[TrialRecord, ...]:
        """The trials that have a value, each with the value it would have on the average set of shots."""
        trials, observations = [trial for trial in self.records if trial.value is not None], self.observations()
        if observations is None or len(set(observations.shot_sets)) < 2:
            return tuple(trials)
        from search.surrogate.gaussian_process import model_of

        sets = sorted({trial.slots for trial, _ in self.observed()})
        offsets = dict(zip(sets, model_of(observations).set_offsets, strict=True))
        return tuple(replace(one, value=(one.value or 0.0) - offsets.get(one.slots, 0.0)) for one in trials)

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
        return self._moved_in([n for n, one in enumerate(self.records) if one.stage not in ("flat", "refine")])

    def moved_before(self, stage: Stage, most: int = 0) -> frozenset[str]:
        """Return the names of the knobs that stages of single knobs before a stage did not leave in one place.

        Args:
            stage: one of `SINGLE`.
            most: how many trials of the stage itself are counted as well.
        """
        if (stage, most) in self._moved_before:
            return self._moved_before[stage, most]
        before = [n for name in SINGLE[: SINGLE.index(stage)] for n in self._of_stage.get(name, [])]
        places = sorted([*before, *self._of_stage.get(stage, [])[:most]])
        self._moved_before[stage, most] = self._moved_in(places)
        return self._moved_before[stage, most]

    def _moved_in(self, places: Sequence[int]) -> frozenset[str]:
        points = (self._known[n].point for n in places if self.records[n].value is not None)
        first = next(points, None)
        still = {knob.name for knob in self.space.free}
        if first is not None:
            for point in points:
                still -= {name for name in still if point[name] != first[name]}
                if not still:
                    break
        return frozenset() if first is None else frozenset(knob.name for knob in self.space.free) - still


def _raised(plain: Observations | None) -> Observations | None:
    """Return observations for proposals: with low values raised to a floor where that helps."""
    from search.surrogate.value_floor import floored

    return plain and floored(plain)


@lru_cache(maxsize=4)
def _earlier_observations(space: Space, earlier: EarlierStudy) -> Observations | None:
    """Return what the trials of an earlier study observed, in the encoding of the new one."""
    return SearchTrials(space, SearchPlan(), earlier.trials).observations()


def newest_of_each(groups: Sequence[Sequence[Trial]], most: int) -> list[Trial]:
    """Return the newest trials of every group, at most so many, in shares as equal as can be.

    A group with fewer than its share leaves the rest to the others.
    """
    chosen, left = list[Trial](), most
    for place, trials in enumerate(sorted(groups, key=len)):
        share = min(len(trials), left // (len(groups) - place))
        chosen += trials[len(trials) - share :]
        left -= share
    return chosen


def stage_of(trial: TrialRecord) -> Stage:
    """Return the stage of a trial; one that this version does not know counts as the last."""
    known: list[Stage] = [stage for stage in STAGES if stage == trial.stage]
    return known[0] if known else "refine"

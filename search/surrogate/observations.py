"""What the surrogate model is conditioned on, and which of it is settled.

Observations come in one by one, and most of what a model needs changes little from one to the next. So the older ones
are settled: hyperparameters are fitted to them, values are standardised by them, and their covariance is factored once.
The newer ones are appended to that factor. How many are settled follows from their number alone, so that a model is a
function of its observations, whatever was worked out before.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from search.history import Slots
from search.surrogate.encoding import EncodedPoint

FIT_MOST = 400
"""Newest settled trials that hyperparameters are fitted to; predictions use more. So many are all settled."""
REFITS = ((200, 10), (FIT_MOST, 25))
"""Up to how many trials hyperparameters are fitted anew after every how many; beyond, after every hundred."""
LATER_REFITS = 100
"""Hyperparameters are fitted anew after so many trials, where there are more than `FIT_MOST`."""
LEAD = 20
"""After so many trials more a later fit is first used, so that it can be worked out while pictures are drawn."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observations:
    """What the surrogate is conditioned on, by trial; hashable, so that equal observations are modelled once."""

    rows: tuple[EncodedPoint, ...]
    values: tuple[float, ...]
    """Objective, larger is better."""
    shot_sets: tuple[int, ...]
    """Number of the set of shots that each trial drew."""
    centre: EncodedPoint
    """Where the trend is highest."""
    set_slots: tuple[Slots, ...] = ()
    """By number of the set, the places of its shots, for what sets share; empty: nothing, and all are of one size."""
    usual_shots: int = 1
    """How many shots the trials have that the standard error is of; counts where `set_slots` are known."""
    standard_error: float | None = None
    """Standard error of a usual trial's value, if it is known."""
    set_effect: float = 1.0
    """The variance of a usual set's random effect on a recipe, as a part of that of the standard error."""
    shares: tuple[float, ...] = ()
    """The part of its shots that each trial has pictures of; empty: all of them have all."""
    settled: int | None = None
    """How many of the first ones are settled, where trials were left out; None: as their number has it."""
    broken: tuple[EncodedPoint, ...] = ()
    """The recipes of infeasible trials: no observations of the objective, only of feasibility."""
    several_sets: bool | None = None
    """Whether values on several sets of shots are compared; None: as the sets have it."""
    earlier: Observations | None = None
    """Those of an earlier study, whose posterior mean guides this model; see `search.transfer`."""
    guide: tuple[float, ...] = ()
    """That posterior mean at the rows, standardised; empty where there is no earlier study."""

    def __hash__(self) -> int:
        """Return a hash without the rows, which would take longest; equal values nearly always mean equal rows."""
        return hash((self.values, self.centre, self.standard_error, self.settled))

    @property
    def count_settled(self) -> int:
        """How many of the first ones are settled."""
        return settled_count(len(self.values)) if self.settled is None else self.settled

    @property
    def has_several_sets(self) -> bool:
        """Whether values on several sets of shots are compared."""
        return len(set(self.shot_sets)) > 1 if self.several_sets is None else self.several_sets

    def settled_ones(self) -> Observations:
        """Return the settled trials alone, whose covariance is that which they have among all."""
        count = self.count_settled
        return replace(self.first(count), settled=count, several_sets=self.has_several_sets)

    def fitted_ones(self) -> Observations:
        """Return the trials that hyperparameters are fitted to."""
        count = len(self.values)
        return self.first(fitted_to(count) if count <= FIT_MOST else self.count_settled).last(FIT_MOST)

    def first(self, count: int) -> Observations:
        """Return the first trials alone."""
        return self._slice(slice(count))

    def last(self, count: int) -> Observations:
        """Return the last trials alone."""
        return self._slice(slice(-count, None))

    def _slice(self, part: slice) -> Observations:
        """Return some of the trials; sets of shots are numbered as they come, whatever other sets there are."""
        numbers = dict[int, int]()
        sets = tuple(numbers.setdefault(one, len(numbers)) for one in self.shot_sets[part])
        slots = tuple(self.set_slots[one] for one in numbers) if self.set_slots else ()
        return Observations(
            rows=self.rows[part],
            values=self.values[part],
            shot_sets=sets,
            centre=self.centre,
            set_slots=slots,
            usual_shots=self.usual_shots,
            standard_error=self.standard_error,
            set_effect=self.set_effect,
            shares=self.shares[part],
            earlier=self.earlier,
            guide=self.guide[part],
        )


def fitted_to(count: int) -> int:
    """Return how many of the first `count` trials hyperparameters are fitted to."""
    if count > FIT_MOST:
        return max(FIT_MOST, _floor(count - LEAD, LATER_REFITS))
    every = next(every for most, every in REFITS if count <= most)
    return count if count < every else _floor(count, every)


def settled_count(count: int) -> int:
    """Return how many of the first `count` trials are settled: all up to `FIT_MOST`, later those of the last fit."""
    return count if count <= FIT_MOST else fitted_to(count)


def settled_next(count: int) -> int | None:
    """Return how many will be settled next, where these `count` trials decide it already; None: they do not."""
    ahead = settled_count(count + LEAD) if count > FIT_MOST else 0
    return ahead if ahead > settled_count(count) else None


def _floor(count: int, step: int) -> int:
    return count - count % step

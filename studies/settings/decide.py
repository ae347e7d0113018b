"""Which values of a setting are told from the best, which are as good within a margin, and which one is the answer.

All values are rendered for the same prompts and seeds and compared picture by picture (``Panel.compare``). A value is
told from the best where the whole interval of the difference lies above 0; the chance that this happens to a value that
is as good as the best is shared by all other values and by all looks at the pictures (Gupta 1965, On some multiple
decision (selection and ranking) rules, with Bonferroni's shares). A value is as good as any where no other value is
shown to be able to beat it by more than the margin: the upper ends of all intervals lie below it (Hsu 1981,
Simultaneous confidence intervals for all distances from the "best").

The answer is the cheapest value that is not told from the best. What only lacks pictures to be told is not taken for
good: where the estimate itself lies more than the margin below the best, the value is passed over.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from studies.results.settings import SettingsDifference, ValueState

if TYPE_CHECKING:
    from scorers.features import Features
    from scorers.panel.panel import Panel

RISK = 0.05
"""Chance that a value which is as good as the best is told from it, over all values and looks of a step."""
MARGIN_SHARE = 0.25
"""The margin, as a share of the sum of the scorers' weights: in standard deviations between calibration recipes."""
FEWEST_COMMON = 3
"""Pictures that two values must both have whole; with fewer they are not compared."""


def margin_of(panel: Panel) -> float:
    """Return the difference in units of the objective below which two values count as equal."""
    return MARGIN_SHARE * sum(scale.counts for scale in panel.scales.values())


def confidence_of(values: int, looks: int) -> float:
    """Return the level of the two-sided intervals of a step.

    Args:
        values: how many are compared, at least 2.
        looks: how often, at most.
    """
    return 1 - 2 * RISK / (max(values - 1, 1) * max(looks, 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuePictures:
    """The pictures of one value.

    Attributes:
        label: of the value; labels are different.
        features: of its pictures.
        cost: of a picture.
        is_start: whether it is what there was before.
        given_up: whether it was told from the best at an earlier look, and has fewer pictures than others.
    """

    label: str
    features: Features
    cost: float
    is_start: bool = False
    given_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueStanding:
    """What the pictures say of one value; attributes as in ``TriedValue``."""

    state: ValueState
    reason: str = ""
    against_best: SettingsDifference | None = None
    against_start: SettingsDifference | None = None
    shortfall: float | None = None


@dataclass(kw_only=True)
class Comparison:
    """Compares the values of one setting.

    Attributes:
        panel: judges the pictures.
        values: that are compared.
        confidence: level of the intervals.
        margin: below which differences do not count.
    """

    panel: Panel
    values: Sequence[ValuePictures]
    confidence: float
    margin: float
    _known: dict[tuple[str, str], SettingsDifference | None] = field(
        default_factory=dict[tuple[str, str], "SettingsDifference | None"], init=False
    )
    _broken: dict[str, str] = field(default_factory=dict[str, str], init=False)

    def __post_init__(self) -> None:
        from scorers.extraction.guards import infeasible

        for value in self.values:
            if reasons := infeasible(value.features):
                self._broken[value.label] = reasons[0]

    @property
    def whole(self) -> list[ValuePictures]:
        """The values whose pictures can be judged."""
        return [value for value in self.values if value.label not in self._broken]

    @property
    def running(self) -> list[ValuePictures]:
        """Those that were not given up."""
        return [value for value in self.whole if not value.given_up]

    @property
    def best(self) -> ValuePictures | None:
        """The value with the highest score on the pictures that all have; None where all are broken."""
        running = self.running
        if not running:
            return None
        first = running[0]
        return max(running, key=lambda value: (self._mean(value, first), -value.cost, value.is_start))

    def standings(self) -> dict[str, ValueStanding]:
        """Return what the pictures say of every value, by label."""
        start = next((value for value in self.values if value.is_start), None)
        best = self.best
        return {value.label: self._standing(value, best, start) for value in self.values}

    def _standing(self, value: ValuePictures, best: ValuePictures | None, start: ValuePictures | None) -> ValueStanding:
        if value.label in self._broken or best is None:
            return ValueStanding(state="broken", reason=self._broken.get(value.label, ""))
        whole_start = start if start in self.whole else None
        return ValueStanding(
            state=self._state(value, best),
            reason=f"given up after {len(value.features)} pictures" if value.given_up else "",
            against_best=None if value is best else self._difference(value, best),
            against_start=None if value is whole_start or whole_start is None else self._difference(value, whole_start),
            shortfall=self.shortfall(value),
        )

    def _state(self, value: ValuePictures, best: ValuePictures) -> ValueState:
        if value is best:
            return "best"
        if value.given_up:
            return "worse"
        if self.shortfall(value) <= self.margin:
            return "equal"
        lead = self._difference(best, value)
        return "worse" if lead is not None and lead.low > 0 else "open"

    def shortfall(self, value: ValuePictures) -> float:
        """Return by how much any other value may be better at most, at least 0."""
        leads = [self._difference(other, value) for other in self.running if other is not value]
        return max((lead.high for lead in leads if lead is not None), default=0.0) if leads else 0.0

    def answer(self) -> ValuePictures | None:
        """Return the cheapest value that is not told from the best; of equally cheap ones what there was before.

        None where all are broken.
        """
        best = self.best
        if best is None:
            return None
        return next(value for value in self._by_cost() if self._is_good(value, best))

    def is_clear(self) -> bool:
        """Whether more pictures cannot be needed: the answer is as good as any, and all that is cheaper is told."""
        best = self.best
        if best is None:
            return True
        for value in self._by_cost():
            if self.shortfall(value) <= self.margin:
                return True
            if self._state(value, best) != "worse":
                return False
        return True

    def given_up(self) -> list[ValuePictures]:
        """Return the values that need no more pictures: told from the best, or broken."""
        best = self.best
        going_on = [] if best is None else [value for value in self.running if self._state(value, best) != "worse"]
        return [value for value in self.values if value not in going_on]

    def _by_cost(self) -> list[ValuePictures]:
        first = self.running[0]
        return sorted(self.running, key=lambda one: (one.cost, not one.is_start, -self._mean(one, first)))

    def _is_good(self, value: ValuePictures, best: ValuePictures) -> bool:
        state = self._state(value, best)
        return state in {"best", "equal"} or (state == "open" and -self._mean(value, best) <= self.margin)

    def _mean(self, value: ValuePictures, other: ValuePictures) -> float:
        if value is other:
            return 0.0
        found = self._difference(value, other)
        return 0.0 if found is None else found.mean

    def _difference(self, value: ValuePictures, other: ValuePictures) -> SettingsDifference | None:
        key = value.label, other.label
        if key not in self._known:
            self._known[key] = self._compared(value, other)
        return self._known[key]

    def _compared(self, value: ValuePictures, other: ValuePictures) -> SettingsDifference | None:
        from studies.night.proving.proof_rounds import common_pictures

        if common_pictures(value.features, other.features) < FEWEST_COMMON:
            return None
        found = self.panel.compare(value.features, other.features, confidence=self.confidence)
        return SettingsDifference(mean=found.mean, low=found.low, high=found.high, pictures=found.pictures)


def by_label(values: Sequence[ValuePictures]) -> Mapping[str, ValuePictures]:
    """Return the values by their labels."""
    return {value.label: value for value in values}

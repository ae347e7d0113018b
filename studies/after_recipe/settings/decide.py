"""Which values of a setting are told from the best, which are as good within a margin, and which one is the answer.

All values are rendered for the same prompts and seeds and compared picture by picture (``Panel.compare``). A value is
told from the best where the whole interval of the difference lies above 0; the chance that this happens to a value that
is as good as the best is shared by all other values and by all looks at the pictures (Gupta 1965, On some multiple
decision (selection and ranking) rules, with Bonferroni's shares). With enough pictures the smallest difference is told.
So a value is worse only where the difference is also estimated to be more than a margin; and it is as good as any where
the upper ends of the intervals of all other values' leads lie below the margin (Hsu 1981, Simultaneous confidence
intervals for all distances from the "best").

The answer is the cheapest value that comes up to the best, but for a tenth of the work. What only lacks pictures to be
told is not taken for good: where the estimate itself lies more than the margin below the best, it is passed over; what
there was before stays until it is told from the best.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from engine.errors import counted
from studies.results.settings import ALIKE_COST, SettingsDifference, ValueState

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
class EarlyLoss:
    """What a value was told from when it was given up, before it had all pictures.

    Attributes:
        best: label of the best value at that look; the best one at the end may be another.
        difference: from that value, on the pictures of that look; None where its pictures are broken.
    """

    best: str = ""
    difference: SettingsDifference | None = None

    def text(self, pictures: int) -> str:
        """Return it for people.

        Args:
            pictures: how many the value had by then.
        """
        given_up = f"given up after {counted(pictures, 'picture')}"
        found = self.difference
        if found is None:
            return given_up
        return f"{given_up}: worse than {self.best} by {-found.mean:.2f} ({-found.high:.2f} to {-found.low:.2f})"


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuePictures:
    """The pictures of one value.

    Attributes:
        label: of the value; labels are different.
        features: of its pictures.
        cost: of a picture.
        is_start: whether it is what there was before.
        loss: why it was given up at an earlier look, and has fewer pictures than others; None where it was not.
    """

    label: str
    features: Features
    cost: float
    is_start: bool = False
    loss: EarlyLoss | None = None


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
        return [value for value in self.whole if value.loss is None]

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
            reason=value.loss.text(len(value.features)) if value.loss else "",
            against_best=self._from_best(value, best),
            against_start=None if value is whole_start or whole_start is None else self._difference(value, whole_start),
            shortfall=self.shortfall(value),
        )

    def _from_best(self, value: ValuePictures, best: ValuePictures) -> SettingsDifference | None:
        """The difference that a value's state rests on; of one that was given up, the one it was given up by."""
        if value.loss is not None and value.loss.difference is not None:
            return value.loss.difference
        return None if value is best else self._difference(value, best)

    def _state(self, value: ValuePictures, best: ValuePictures) -> ValueState:
        if value is best:
            return "best"
        if value.loss is not None:
            return "worse"
        if self.shortfall(value) <= self.margin:
            return "equal"
        lead = self._difference(best, value)
        return "worse" if lead is not None and lead.low > 0 and lead.mean > self.margin else "open"

    def shortfall(self, value: ValuePictures) -> float:
        """Return by how much any other value may be better at most, at least 0."""
        leads = [self._difference(other, value) for other in self.running if other is not value]
        return max((lead.high for lead in leads if lead is not None), default=0.0) if leads else 0.0

    def answer(self) -> ValuePictures | None:
        """Return the cheapest value that comes up to the best; None where all are broken.

        Of those that cost as much, but for a tenth, it is what there was before, unless the one of the highest score is
        told from it.
        """
        best = self.best
        if best is None:
            return None
        good = [value for value in self.running if self._is_good(value, best)]
        cheap = min(value.cost for value in good) * ALIKE_COST
        first = max(
            (value for value in good if value.cost <= cheap), key=lambda one: (self._mean(one, best), -one.cost)
        )
        start = next((value for value in good if value.is_start and value.cost <= cheap), first)
        lead = self._difference(first, start) if first is not start else None
        return start if lead is None or lead.low <= 0 else first

    def is_clear(self) -> bool:
        """Whether more pictures cannot be needed: the answer is as good as any, and all that is cheaper is told."""
        best, answer = self.best, self.answer()
        if best is None or answer is None:
            return True
        cheaper = [value for value in self.running if value.cost * ALIKE_COST < answer.cost]
        return self.shortfall(answer) <= self.margin and all(self._state(one, best) == "worse" for one in cheaper)

    def given_up(self) -> list[ValuePictures]:
        """Return the values that need no more pictures, told from the best or broken, each with its loss."""
        best = self.best
        going_on = [] if best is None else [value for value in self.running if self._state(value, best) != "worse"]
        lost = [value for value in self.values if value not in going_on]
        return [value if value.loss else replace(value, loss=self._loss(value, best)) for value in lost]

    def _loss(self, value: ValuePictures, best: ValuePictures | None) -> EarlyLoss:
        if best is None or value.label in self._broken:
            return EarlyLoss()
        return EarlyLoss(best=best.label, difference=self._difference(value, best))

    def _is_good(self, value: ValuePictures, best: ValuePictures) -> bool:
        state = self._state(value, best)
        is_near = value.is_start or -self._mean(value, best) <= self.margin
        return state in {"best", "equal"} or (state == "open" and is_near)

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

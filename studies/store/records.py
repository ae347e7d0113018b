"""What a trial's record holds of its verdict, as JSON: the attributes of an Optuna trial."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    from scorers.panel.verdict import Verdict
    from search.history import Slots

INTERRUPTED = "interrupted"
"""Reason of a trial whose night ended under it; its candidate is tried again."""
UNREADABLE = "its record in the journal was damaged"
"""Reason of a trial that stands where a damaged record was, so that all others keep their numbers; it has no point."""
INFEASIBLE = "infeasible: "
"""How the reason of a trial begins whose pictures are broken: the suggester keeps away from there."""
SLOTS = "slots"
"""Key of a trial's record of the shots it draws, by their places; none: all of the study."""

STOPPED = "stopped"
"""Key of a trial's record of the pictures it has and why no more, where it was given up in a race: see ``Stop``."""

VERDICT = ("standard_error", "interval", "scores", "aspects", "penalties", "remarks")
"""Names of the attributes that keep the panel's verdict."""


def attributes_of(verdict: Verdict) -> dict[str, Any]:
    """The panel's verdict as attributes, by the names ``VERDICT``."""
    values = (
        verdict.standard_error,
        verdict.interval,
        {
            name: {"raw": part.raw, "scaled": part.scaled, "standard_error": part.standard_error}
            for name, part in verdict.scores.items()
        },
        {
            name: {"value": one.value, "standard_error": one.standard_error, "interval": one.interval}
            for name, one in verdict.aspects.items()
        },
        {penalty.name: penalty.amount for penalty in verdict.penalties},
        [penalty.reason for penalty in verdict.penalties] + list(verdict.reasons),
    )
    return dict(zip(VERDICT, values, strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Where a trial was given up in a race."""

    drawn: tuple[int, ...]
    """The places of the shots that it drew, in order."""
    shots: int
    """How many it would have drawn."""
    difference: float
    """How much worse it was than the best trial on these, below 0, in units of the objective."""
    upper: float
    """The upper end of the interval of that difference, below 0."""

    @property
    def attribute(self) -> dict[str, Any]:
        """As a trial's record has it, under ``STOPPED``."""
        return {**asdict(self), "drawn": list(self.drawn)}

    @classmethod
    def of(cls, attributes: Mapping[str, Any]) -> Stop | None:
        """Return the stop that a trial's attributes tell of; None for a trial that drew all its shots."""
        known = cast("dict[str, Any] | None", attributes.get(STOPPED))
        if known is None:
            return None
        return cls(
            drawn=tuple(known["drawn"]), shots=known["shots"], difference=known["difference"], upper=known["upper"]
        )

    @property
    def share(self) -> float:
        """The part of its shots that the trial drew."""
        return len(self.drawn) / self.shots


def drawn_slots(attributes: Mapping[str, Any]) -> Slots:
    """Return the shots whose pictures a trial has, by their places; none: all of the study."""
    stop = Stop.of(attributes)
    return stop.drawn if stop else tuple(cast("list[int]", attributes.get(SLOTS, ())))

"""What a trial's record holds of its verdict, as JSON: the attributes of an Optuna trial."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scorers.panel.verdict import Verdict

INTERRUPTED = "interrupted"
"""Reason of a trial whose night ended under it; its candidate is tried again."""
UNREADABLE = "its record in the journal was damaged"
"""Reason of a trial that stands where a damaged record was, so that all others keep their numbers; it has no point."""
INFEASIBLE = "infeasible: "
"""How the reason of a trial begins whose pictures are broken: the suggester keeps away from there."""
SLOTS = "slots"
"""Key of a trial's record of the shots it draws, by their places; none: all of the study."""

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

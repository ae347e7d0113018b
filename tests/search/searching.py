"""A whole search for tests: do what a suggester proposes, with values from a function."""

from __future__ import annotations

from collections.abc import Callable

from search.history import TrialRecord
from search.suggester import Proposal, Suggester

Value = Callable[[Proposal, int], float | None]
"""The value of a proposal by its trial number; None: the trial fails."""


def searched(suggester: Suggester, value: Value, most: int = 1000) -> list[TrialRecord]:
    """The history of a search to its end, or of so many trials."""
    history = list[TrialRecord]()
    while len(history) < most and (proposal := suggester.next(history)) is not None:
        history.append(recorded(proposal, len(history), value(proposal, len(history))))
    return history


def recorded(proposal: Proposal, number: int, value: float | None) -> TrialRecord:
    """A proposal as a trial with a value, or a failed one."""
    return TrialRecord(
        number=number, stage=proposal.stage, point=proposal.point, value=value, slots=proposal.slots
    )  # fmt: skip

"""How a study stands, in one word: for its status and its pages, from whatever read its trials."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from studies.store.backends.requests import NightRequest
from studies.store.note_keys import AFTER_PROOF, NOISE, PROVED, PROVING

StudyState = Literal[
    "new", "calibrating", "searching", "paused", "stopping", "stopped", "proving", "unproved", "proved"
]
"""How a study stands.

``new``: never run. ``calibrating``, ``searching``, ``paused``, ``stopping``, ``proving``: a night is at work.
``stopped``: no night is at work, and trials are left. ``unproved``: none are left, and nothing is proved. ``proved``.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyCounts:
    """What the state of a study follows from; trials that were cut short are not counted."""

    asked: frozenset[NightRequest]
    """What is asked of its night."""
    is_at_work: bool
    """Whether a night is at work."""
    has_begun: bool
    """Whether anything is kept of it."""
    notes: Mapping[str, Any]
    """The notes of the study."""
    trials: int
    """Trials that were begun."""
    running: int
    """Those that have not ended."""
    scored: int
    """Those with a score."""
    planned: int
    """The most trials of the whole plan."""
    proved: int | None
    """Of how many trials with a score the outcome was made, 0 where that was not written; None without an outcome."""

    @property
    def ended(self) -> int:
        """Trials that have ended."""
        return self.trials - self.running

    @property
    def state(self) -> StudyState:
        """How the study stands."""
        if self.is_at_work:
            return self._state_at_work()
        if self.proved is not None and (not 0 < self.proved < self.scored or self._is_of_last_night()):
            return "proved"
        if not self.has_begun:
            return "new"
        return "stopped" if self.ended < self.planned else "unproved"

    def _state_at_work(self) -> StudyState:
        if "stop" in self.asked:
            return "stopping"
        if "pause" in self.asked:
            return "paused"
        if self.notes.get(NOISE) is None:
            return "calibrating"
        return "proving" if self._is_proving() else "searching"

    def _is_of_last_night(self) -> bool:
        """Whether the newest trials are those that the night made after its proof."""
        return (self.notes.get(AFTER_PROOF) or {}).get("trials") == self.trials

    def _is_proving(self) -> bool:
        """Whether the night says that it proves: it does when no trial is left, which may be before the plan's last."""
        begun, ended = self.notes.get(PROVING), self.notes.get(PROVED)
        if begun is None or self.running or begun["trials"] != self.trials:
            return False
        return ended is None or ended["at"] < begun["at"]

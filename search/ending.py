"""How a stage of a search stands, and in words why it is over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from search.stages import Stage

Why = Literal["open", "skipped", "used up", "exhausted", "settled", "idle", "level"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a stage stands."""

    stage: Stage
    trials: int
    why: Why

    def __str__(self) -> str:
        return f"{self.stage}: {self.trials} trials, {_WORDS[self.why]}"


_WORDS: dict[Why, str] = {
    "open": "not over yet",
    "skipped": "left out",
    "used up": "all that were planned",
    "exhausted": "over: every recipe that the steps of its knobs allow was tried",
    "settled": "over: the last ones no longer made the recommended recipe better",
    "idle": "over: what it moves does nothing that can be told from the noise",
    "level": "over: every FLAT mix has the same value, as if both models were one",
}

"""What a night is to come to, as it sees it now: kept with the study, so that others can tell how it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from engine.errors import counted
from search.plan import STAGES, Stage
from studies.amounts import time_text
from studies.limits.deadline import moment_text
from studies.store.storage import StudyStore

NIGHT = "night"
"""Key of the study's note of the newest night."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NightAccount:
    """The plan of one night."""

    began: float
    """When it began, in seconds since 1970."""
    first: int
    """How many trials the study had then, those that were cut short left out."""
    until: float | None = None
    """When it is to end, in seconds since 1970."""
    trials: int | None = None
    """The most trials that it begins."""
    pictures: int | None = None
    """The most pictures that it makes."""
    planned: Mapping[Stage, int] = field(default_factory=dict[Stage, int])
    """Trials that each stage is to have when the night ends, those of earlier nights among them."""
    whole: Mapping[Stage, int] = field(default_factory=dict[Stage, int])
    """The same of the study's whole plan, with what stages lend each other on a plateau."""
    shots: int = 0
    """Pictures of a trial, on the average of those that are planned."""
    trial_seconds: float | None = None
    """What a trial is expected to take; None where nothing tells."""
    proof_seconds: float | None = None
    """What is left of the proof is expected to take; None where there is none, or nothing tells."""
    other_pictures: int = 0
    """Pictures that it made beside its trials: of calibration, and of the proof."""

    @classmethod
    def of(cls, note: Mapping[str, Any]) -> Self:
        """Read what `note` gives."""
        return cls(**{name: note[name] for name in cls.__slots__ if name in note})

    @property
    def note(self) -> dict[str, Any]:
        """As the study's note has it."""
        return asdict(self)

    @property
    def is_limited(self) -> bool:
        """Whether the night has a limit."""
        return (self.until, self.trials, self.pictures) != (None, None, None)

    @property
    def is_shortened(self) -> bool:
        """Whether the night has fewer trials than the plan."""
        return any(self.planned.get(stage, 0) < count for stage, count in self.whole.items())

    def differs_from(self, other: Self) -> bool:
        """Whether the plan changed since another account, tonight's by more than two trials, or the time by 20 %."""
        trials = any(abs(self.planned[stage] - other.planned.get(stage, 0)) > 2 for stage in self.planned)
        now, then = self.trial_seconds or 0.0, other.trial_seconds or 0.0
        return trials or self.whole != other.whole or abs(now - then) > 0.2 * then

    def sentence(self, left: int, now: float) -> str:
        """Return what fits, for people.

        Args:
            left: trials that are still to be made of those that are planned.
            now: in seconds since 1970.
        """
        size = f" of {counted(self.shots, 'picture')}" if self.shots else ""
        trials = f"about {counted(left, 'trial')}{size}" if left else "no further trial"
        fits = trials if self.is_shortened else f"the whole plan fits: {trials}"
        proof = f", then the proof of {time_text(self.proof_seconds)}" if self.proof_seconds else ""
        return f"{self._limits(now)}: {fits}{proof}{self._shortening()}"

    def _limits(self, now: float) -> str:
        limits = [] if self.until is None else [f"until {moment_text(self.until, now)}"]
        limits += [] if self.trials is None else [f"at most {counted(self.trials, 'trial')}"]
        limits += [] if self.pictures is None else [f"at most {counted(self.pictures, 'picture')}"]
        return ", ".join(limits) or "no limit"

    def _shortening(self) -> str:
        if not self.is_shortened:
            return ""
        stages = ", ".join(f"{stage} {self.planned.get(stage, 0)} of {self.whole[stage]}" for stage in self._stages)
        return f" ({stages}); a later night goes on with the rest"

    @property
    def _stages(self) -> list[Stage]:
        return [stage for stage in STAGES if self.whole.get(stage)]


def account_of(store: StudyStore) -> NightAccount | None:
    """Return the account of the newest night; None where no night of this version was there."""
    known: dict[str, Any] | None = store.noted(NIGHT)
    return NightAccount.of(known) if known else None


def keep_account(store: StudyStore, account: NightAccount) -> None:
    """Keep the account of a night, in place of an earlier one."""
    store.note(NIGHT, account.note)

"""What a check of a study finds, one thing at a time, for a person to read before the night."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

from engine.errors import Named, Place, Problem, ProblemError, place_text

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a person should know before the night."""

    level: Level
    """`error`: the study cannot run; `warning`: it can, but look; `note`: for information."""
    problem: Problem
    """At a key of the study file, or a file."""

    @classmethod
    def of(cls, level: Level, place: Place, what: str, remedy: str = "") -> Self:
        """Return a finding from the parts of its problem."""
        return cls(level=level, problem=Problem(place=place, what=what, remedy=remedy))

    @property
    def where(self) -> str:
        """The place, as people read it."""
        return place_text(self.problem.place)

    @property
    def line(self) -> str:
        """One line for people."""
        return f"{self.level}: {self.problem}"


def is_fatal(findings: Sequence[Finding]) -> bool:
    """Whether the study cannot run."""
    return any(finding.level == "error" for finding in findings)


def errors_at(error: ProblemError, *place: str | int | Path | Named) -> Iterator[Finding]:
    """Yield what another package refuses as findings at a place."""
    yield from (Finding(level="error", problem=problem.under(*place)) for problem in error.problems)

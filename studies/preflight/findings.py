"""What a check of a study finds, one thing at a time, for a person to read before the night."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that a person should know before the night."""

    level: Level
    """`error`: the study cannot run; `warning`: it can, but look; `note`: for information."""
    where: str
    """A file, or a key of the study file."""
    message: str
    remedy: str = ""
    """The way out, if one is needed."""

    @property
    def line(self) -> str:
        """One line for people."""
        return f"{self.level}: {self.where}: {self.message}" + (f"; {self.remedy}" if self.remedy else "")


def is_fatal(findings: Sequence[Finding]) -> bool:
    """Whether the study cannot run."""
    return any(finding.level == "error" for finding in findings)


def told(level: Level, where: str, error: Exception | str) -> Finding:
    """Turn another package's message, "what is wrong; the way out", into a finding."""
    message, _, remedy = str(error).removeprefix(f"{where}: ").partition("; ")
    return Finding(level=level, where=where, message=message, remedy=remedy)

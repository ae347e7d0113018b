"""What an examination costs, before it begins: situations, recipes, pictures."""

from __future__ import annotations

from dataclasses import dataclass

from engine.errors import counted
from studies.situations.rounds import looks
from studies.situations.suite import read_suite
from studies.studyfile.spec import StudySpec


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSituations:
    """How many pictures an examination makes."""

    situations: int
    recipes: int
    """The examined one, the parents, and the best FLAT mix."""
    seeds: int
    """Most seeds of a situation."""

    @property
    def first(self) -> int:
        """Pictures of the first round, which are made in any case."""
        return self.situations * self.recipes * looks(self.seeds)[0]

    @property
    def most(self) -> int:
        """Pictures if no answer is clear early."""
        return self.situations * self.recipes * self.seeds

    def __str__(self) -> str:
        first = f"{self.first:,} to " if self.first < self.most else ""
        return f"{counted(self.situations, 'situation')} of {self.recipes} recipes: {first}{self.most:,} pictures"


def planned_situations(spec: StudySpec) -> PlannedSituations:
    """Return what an examination with the settings of a study file costs.

    Raises:
        StudyError: the suite cannot be read.
    """
    suite = read_suite(spec.situations.suite, spec.situations.frame)
    return PlannedSituations(
        situations=len(suite.situations), recipes=len(spec.merge.models) + 2, seeds=spec.situations.seeds
    )

"""What an examination costs, before it begins: situations, recipes, pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from engine.errors import Named, counted, counted_range
from studies.amounts import time_text
from studies.errors import StudyError
from studies.preflight.findings import Finding, Level, errors_at
from studies.situations.hints import suite_hints
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
        pictures = counted_range(self.first, self.most, "picture")
        return f"{counted(self.situations, 'situation')} of {self.recipes} recipes: {pictures}"


def planned_situations(spec: StudySpec) -> PlannedSituations:
    """Return what an examination with the settings of a study file costs.

    Raises:
        StudyError: the suite cannot be read.
    """
    suite = read_suite(spec.situations.suite, spec.situations.frame)
    return PlannedSituations(
        situations=len(suite.situations), recipes=len(spec.merge.models) + 2, seeds=spec.situations.seeds
    )


def situations_costs(spec: StudySpec, picture_s: float) -> Iterator[Finding]:
    """Yield what an examination costs, or why it cannot begin: an error if the night is to end with it.

    Args:
        spec: the study.
        picture_s: seconds of a picture.
    """
    level: Level = "error" if spec.situations.night else "warning"
    try:
        planned = planned_situations(spec)
    except StudyError as error:
        yield from (Finding(level=level, problem=one.problem) for one in errors_at(error, "situations"))
        return
    hints = suite_hints(read_suite(spec.situations.suite, spec.situations.frame), spec)
    yield from (Finding(level="warning", problem=hint) for hint in hints)
    when = "at the end of the night" if spec.situations.night else "`recipe-search situations`"
    times = [time_text(count * picture_s) for count in dict.fromkeys([planned.first, planned.most])]
    yield Finding.of("note", (Named("situations"),), f"{when}: {planned}, about {' to '.join(times)}")

"""What an examination costs, before it begins: situations, recipes, pictures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise

from engine.errors import Named, ProblemError, counted, counted_range
from studies.after_recipe.measuring.subject import Subject, subject_of
from studies.after_recipe.situations.hints import suite_hints
from studies.after_recipe.situations.rivals import best_flat, parents_of
from studies.after_recipe.situations.rounds import looks
from studies.after_recipe.situations.shots import situation_seeds, suite_shots
from studies.after_recipe.situations.suite import read_suite
from studies.amounts import rest_text
from studies.errors import StudyError
from studies.inputs.shot_files import ShotFiles
from studies.preflight.findings import Finding, Level, errors_at
from studies.results.situations import examination_key, read_situations
from studies.store.kept_sets import KeptSets
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
    took = _took(spec, planned, picture_s)
    yield Finding.of("note", (Named("situations"),), f"{when}: {planned}, {took}")


def _took(spec: StudySpec, planned: PlannedSituations, picture_s: float) -> str:
    """How long the pictures take that are not kept, in words; of what an examination takes where nobody says more."""
    sets, subject = KeptSets(spec.storage.folder, ShotFiles(spec.rendering, spec.shots).words), None
    with suppress(ProblemError):  # nothing is approved or proved yet
        subject = subject_of(spec)
    if not sets or subject is None:
        return rest_text(0, [planned.first * picture_s, planned.most * picture_s])
    first, kept = _kept(spec, subject, sets)
    if kept and kept == _needed(spec, subject):
        return f"{kept:,} of them kept, and {subject.label} needs no others"
    return rest_text(kept, [max(0, planned.first - first) * picture_s, max(0, planned.most - kept) * picture_s])


def _kept(spec: StudySpec, subject: Subject, sets: KeptSets) -> tuple[int, int]:
    """How many pictures of the first round, and of all rounds, are kept."""
    recipes = {one.key: one.candidate for one in (subject, *parents_of(spec), best_flat(spec, ()))}
    suite = read_suite(spec.situations.suite, spec.situations.frame)
    shots = suite_shots(suite, spec, situation_seeds(spec.shots, spec.situations.seeds))
    rounds = [
        [[one.shot for one in some[start:end]] for some in shots.values()]
        for start, end in pairwise((0, *looks(spec.situations.seeds)))
    ]
    counts = [sum(sets.pictures(one, some) for one in recipes.values() for some in each) for each in rounds]
    return counts[0], sum(counts)


def _needed(spec: StudySpec, subject: Subject) -> int:
    """How many pictures the examination took that there is of a recipe and the suite; 0 where there is none."""
    suite = read_suite(spec.situations.suite, spec.situations.frame)
    key = examination_key(subject.key, suite.key_from(spec.storage.file.parent))
    try:
        return read_situations(spec.storage.folder, key).pictures
    except StudyError:
        return 0

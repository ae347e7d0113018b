"""What a person should know of a suite's prompts before pictures are made of them; nothing of it stops anything."""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import Named, Problem
from studies.after_recipe.situations.shots import situation_seeds, suite_shots
from studies.after_recipe.situations.suite import Suite
from studies.studyfile.spec import StudySpec

MOST_TOLD = 8
"""Most remarks on prompts: long lists of other people have the same slips again and again."""


def suite_hints(suite: Suite, spec: StudySpec) -> tuple[Problem, ...]:
    """Return what is likely not meant: mere words as prompts, signs without effect, weights that no number holds.

    Args:
        suite: what a recipe is shown in.
        spec: the study.

    Raises:
        StudyError: a list has become unreadable since the suite was read.
    """
    remarks: dict[tuple[str, object], Problem] = {}
    for one in _remarks(suite, spec):
        remarks.setdefault((one.what, one.seen), one)
    return (*suite.hints, *list(remarks.values())[:MOST_TOLD])


def _remarks(suite: Suite, spec: StudySpec) -> Iterator[Problem]:
    """Remarks on the first prompt of every situation."""
    from engine.prompts.check import check_prompt, overflowing_weights

    shots = suite_shots(suite, spec, situation_seeds(spec.shots, 1))
    for one in suite.situations:
        (first,) = shots[one.key]
        where = (suite.source, Named(f"{one.aspect}: {one.word[:40]}"))
        for remark in (*check_prompt(first.shot.prompt), *overflowing_weights(first.shot.prompt)):
            yield remark.under(*where)

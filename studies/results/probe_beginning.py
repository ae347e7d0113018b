"""What a probe gives the search of its study, `begin = "probe"`: its recipes and their objective, as earlier trials.

They guide the search as the trials of an earlier study do: the mean of a surrogate model of them, times a multiple that
is inferred, is where the search's own model begins, and it is left out where it predicts the trials worse. So it does
no harm that values of a probe are differences from its base, on shots of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from engine.errors import RecipeError, counted
from engine.recipes.recipe import Recipe
from search.errors import SearchError
from search.history import TrialRecord
from search.plan import EarlierStudy
from studies.errors import StudyError
from studies.results.probe import ProbedRecipe, ProbeResult, probe_file, read_probe
from studies.store.earlier import FEWEST, recommended_of
from studies.studyfile.earlier import PROBE, CopiedStudy, CopiedTrial

if TYPE_CHECKING:
    from search.space.space import Space

NAME = "the probe"
"""What messages call it, as they call an earlier study by its name."""
MEASURE_IT = 'run `recipe-search probe` on this study first, or leave "probe" out of begin'
"""The way out where there is no probe."""
STAGE = "blocks"
"""The stage that its recipes are taken to be of; FLAT mixes are of `flat`."""


def copy_of_probe(folder: Path, space: Space, seed: int, models: Mapping[str, str] | None = None) -> CopiedStudy:
    """Return what a study takes over of its probe.

    Args:
        folder: of the study.
        space: of the study.
        seed: of the study.
        models: SHA-256 of its models by letter, which those of the probe must be; None: not asked.

    Raises:
        StudyError: there is no probe, it is of other models, or too few of its recipes lie in the space.
    """
    result = read_probe(folder)
    place = (probe_file(folder),)
    if result is None:
        raise StudyError("this study has no probe yet", place=place, remedy=MEASURE_IT)
    if models is not None and {one.letter: one.sha256 for one in result.models} != dict(models):
        raise StudyError("is a probe of other models", place=place, remedy="run `recipe-search probe` again")
    known = [one for one in result.recipes if one.value is not None]
    trials = tuple(_trials(result, known, space))
    if len(trials) < FEWEST:
        what = f"{counted(len(known), 'recipe')} of it have a value, and {len(trials)} of them lie in [space]"
        remedy = f"at least {FEWEST} are needed: probe what the study searches, or leave {PROBE!r} out of begin"
        raise StudyError(what, place=place, remedy=remedy)
    return CopiedStudy(
        begin=PROBE,
        name=NAME,
        trials=[
            CopiedTrial(point=dict(one.point), stage=one.stage, value=one.value, standard_error=one.standard_error)
            for one in trials
        ],
        recommended=recommended_of(space, seed, EarlierStudy(label=NAME, trials=trials)),
        remark=_remark(len(trials), len(known)),
    )


def _trials(result: ProbeResult, known: list[ProbedRecipe], space: Space) -> Iterator[TrialRecord]:
    """Yield the recipes that lie in the space, as trials.

    The base's value, 0, has no error of its own: it is what the others are compared with. Its pictures have as much
    noise as theirs, so it is given the middle of their errors.
    """
    errors = [one.standard_error for one in known if one.standard_error]
    usual = median(errors) if errors else None
    number = 0
    for one in known:
        try:
            point = space.encode(Recipe.parse(one.recipe))
        except (RecipeError, SearchError):
            continue
        yield TrialRecord(
            number=number,
            stage="flat" if space.is_flat(point) else STAGE,
            point=point,
            value=one.value,
            standard_error=usual if one.recipe == result.base.recipe else one.standard_error,
        )
        number += 1


def _remark(kept: int, known: int) -> str:
    text = f"begins with what its probe measured: {kept} of its {counted(known, 'recipe')} with a value"
    return text + (f"; {known - kept} lie outside of [space]" if kept < known else "")

"""The trials of a finished study, for another one that begins with them: found by its file or folder, copied once.

Trials are taken over by their recipes, not by their points: a knob that the earlier study lacks is at rest there, other
bounds or a frozen block leave out the trials that do not fit, and so on, as `Space.encode` has it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from engine.errors import Problem, RecipeError, counted
from engine.recipes.recipe import Recipe
from search.errors import SearchError
from search.history import TrialRecord
from search.plan import EarlierStudy, SearchPlan
from search.trials import newest_of_each
from studies.errors import StudyError
from studies.store.backends.journal.journal import studies_in
from studies.store.ledger import record_of
from studies.store.opening import store_for_reading
from studies.store.storage import StudyStore
from studies.studyfile.earlier import REMEDY, CopiedStudy, CopiedTrial
from studies.studyfile.read import read_storage
from studies.studyfile.spec import Storage

if TYPE_CHECKING:
    from search.space.space import Space
    from studies.studyfile.spec import SearchSettings

FEWEST = 8
"""The fewest trials, of those that fit the new space, with which an earlier study says anything."""
MOST = 400
"""The most trials that are copied: of every stage the newest, in shares as equal as can be."""


def open_earlier(place: Path, own: Storage) -> StudyStore:
    """Open an earlier study for reading.

    Args:
        place: its study file or its folder.
        own: of the study that begins with it.

    Raises:
        StudyError: there is no study, several of them, none that was run, or the study itself is named.
    """
    storage = _storage_of_folder(place) if place.is_dir() else read_storage(place)
    if storage.folder.resolve() == own.folder.resolve():
        raise StudyError("is this study itself", place=(place,), remedy="a study goes on where it stopped in any case")
    return store_for_reading(storage)


def _storage_of_folder(folder: Path) -> Storage:
    names = studies_in(folder)
    if len(names) != 1:
        what = f"holds the studies {' and '.join(names)}" if names else "holds no study that was run"
        raise StudyError(what, place=(folder,), remedy=REMEDY)
    return Storage(file=folder, name=names[0], folder=folder)


def copy_of(store: StudyStore, begin: str, space: Space, seed: int) -> CopiedStudy:
    """Return what a study takes over of an earlier one.

    Args:
        store: of the earlier study.
        begin: the text that names it.
        space: of the study that begins with it.
        seed: of that study.

    Raises:
        StudyError: too few of its trials have a value and are recipes of the space.
    """
    ended = [(trial, record_of(trial, n)) for n, trial in enumerate(store.trials())]
    found, lost = list[TrialRecord](), Counter[str]()
    for trial, record in ended:
        if record.value is None and not record.infeasible:
            continue
        try:
            point = space.encode(Recipe.parse(str(trial.user_attrs.get("recipe", ""))))
        except (RecipeError, SearchError) as error:
            lost.update(_reasons(error.problems))
        else:
            found.append(replace(record, point=point))
    fit, valued = (sum(one.value is not None for one in some) for some in (found, [record for _, record in ended]))
    if fit < FEWEST:
        raise _too_few(store, fit, valued, lost)
    kept = sorted(newest_of_each(list(_by_stage(found)), MOST), key=lambda one: one.number)
    return CopiedStudy(
        begin=begin,
        name=store.name,
        trials=[_copied(one) for one in kept],
        recommended=recommended_of(space, seed, EarlierStudy(label=store.name, trials=tuple(kept))),
        remark=_remark(store.name, sum(one.value is not None for one in kept), fit, valued),
    )


def refuse_earlier(search: SearchSettings, place: Path, own: Storage) -> str:
    """Return what a study will take over of an earlier one, in a sentence; its models are compared by the night.

    Args:
        search: of the study that begins with it.
        place: the earlier study's file or folder.
        own: of the study that begins with it.

    Raises:
        StudyError: it cannot be used.
    """
    return copy_of(open_earlier(place, own), "", search.space, search.seed).remark


def _reasons(problems: tuple[Problem, ...]) -> Iterator[str]:
    """Why a recipe is none of the space, once for each number that does not fit."""
    yield from (problem.what for problem in problems)


def _too_few(store: StudyStore, fit: int, valued: int, lost: Counter[str]) -> StudyError:
    what = f"{counted(valued, 'trial')} of it have a score, and {fit} of them lie in this study's [space]"
    if common := ", ".join(reason for reason, _ in lost.most_common(2)):
        what += f" (for example: {common})"
    remedy = f"at least {FEWEST} are needed: let [space] hold the recipes of that study, or leave it out of begin"
    return StudyError(what, place=(store.folder,), remedy=remedy)


def _by_stage(trials: list[TrialRecord]) -> Iterator[list[TrialRecord]]:
    for stage in dict.fromkeys(one.stage for one in trials):
        yield [one for one in trials if one.stage == stage]


def _copied(trial: TrialRecord) -> CopiedTrial:
    return CopiedTrial(
        point=dict(trial.point),
        stage=trial.stage,
        value=trial.value,
        standard_error=trial.standard_error,
        slots=list(trial.slots),
        share=trial.share,
    )


def recommended_of(space: Space, seed: int, earlier: EarlierStudy) -> dict[str, float]:
    """Return the point that the model of earlier trials expects most of, within the space of today.

    Args:
        space: of the study that begins with them.
        seed: of that study.
        earlier: the trials, at least one of them with a value.
    """
    from search.suggester import Suggester

    return Suggester(space=space, plan=SearchPlan(), seed=seed).recommended(earlier.trials)


def _remark(name: str, kept: int, fit: int, valued: int) -> str:
    text = f'begins with what the study "{name}" found: {kept} of its {counted(valued, "trial")} with a score'
    if fit < valued:
        text += f"; {valued - fit} lie outside of this study's [space]"
    return text

"""One trial: its pictures beside others, its scores in words, its recipe three ways, and where to go from it."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.responses import Response

from engine.shots.infotext import infotext
from search.errors import SearchError
from studies.pages.context import Visit
from studies.pages.reading.likeness import nearest
from studies.pages.reading.named_recipes import (
    NamedRecipe,
    baseline_names,
    finalist_names,
    named_recipe,
    pictures_of,
)
from studies.pages.reading.recipe_contrast import RecipeContrast, contrast
from studies.pages.reading.scores import score_word, scorer_scores
from studies.pages.reading.snapshot import Snapshot
from studies.pages.reading.start_lines import StartLines, start_lines
from studies.pages.reading.trial_sheets import sheet_shots, sheet_size
from studies.pages.reading.trials import ShownTrial
from studies.recipes.recipe_words import recipe_words

NEIGHBOURS = 6
"""How many of the most similar recipes are shown."""
MIDDLE = "FLAT_50"
"""The recipe that scores are measured from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShotRow:
    """One prompt and seed: the trial's picture, and those that stand beside it."""

    picture: str
    width: int
    height: int
    prompt: str
    negative: str
    seed: int
    infotext: str
    """What a WebUI reads where it is pasted; without the model, which is not a file yet."""
    beside: tuple[str, ...]
    """Names of the pictures of the others; "" where none of this prompt and seed is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipeBeside:
    """How the trial's recipe differs from another one."""

    name: str
    difference: RecipeContrast


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A similar recipe, and how it differs."""

    trial: ShownTrial
    size: tuple[int, int] | None
    """Of its contact sheet."""
    difference: RecipeContrast


def trial_page(visit: Visit) -> Response:
    """Show one trial."""
    study, trial = visit.study, _trial(visit)
    own = named_recipe(study, str(trial.number))
    beside = _named_in(study, visit.asked("beside"))
    against = named_recipe(study, visit.asked("against"))
    before, after = _around(study, trial)
    return visit.page(
        "trial.html",
        study=study,
        trial=trial,
        before=before,
        after=after,
        beside=beside,
        others=[*baseline_names(study), *finalist_names(study)],
        can_stand_beside=_with_shared_pictures(study, trial),
        rows=shot_rows(study, trial, beside),
        scores=scorer_scores(study, trial),
        word=score_word(trial.interval),
        recipe=recipe_words(own.candidate.recipe) if own else None,
        vae=own.candidate.vae if own else "",
        against=against,
        against_row=_first_row(against or named_recipe(study, MIDDLE)),
        differences=_differences(study, own, against),
        neighbours=_neighbours(study, trial, own),
        start=_start(study, trial, own),
    )


def _trial(visit: Visit) -> ShownTrial:
    text = str(visit.request.path_params["number"])
    known = text.isascii() and text.isdigit() and len(text) < 10
    trial = visit.study.by_number.get(int(text)) if known else None
    if trial is None:
        raise HTTPException(404, "there is no such trial in this study")
    return trial


def _named_in(study: Snapshot, text: str) -> tuple[NamedRecipe, ...]:
    """The recipes that a list of names names, each once; what the study has not is left out."""
    names = dict.fromkeys(text.split(",")) if text else {}
    return tuple(one for one in (named_recipe(study, name) for name in list(names)[:4]) if one is not None)


def _around(study: Snapshot, trial: ShownTrial) -> tuple[ShownTrial | None, ShownTrial | None]:
    """The trials before and after it, by number."""
    before = max((one for one in study.by_number if one < trial.number), default=-1)
    after = min((one for one in study.by_number if one > trial.number), default=-1)
    return study.by_number.get(before), study.by_number.get(after)


def shot_rows(study: Snapshot, trial: ShownTrial, beside: tuple[NamedRecipe, ...]) -> tuple[ShotRow, ...]:
    """Return the trial's pictures, each with what stands beside it at the same prompt and seed."""
    if trial.sheet is None:
        return ()
    others = [pictures_of(study, one) for one in beside]
    return tuple(
        ShotRow(
            picture=f"t{trial.number}.{index}",
            width=shot.picture_size[0],
            height=shot.picture_size[1],
            prompt=shot.prompt,
            negative=shot.negative,
            seed=shot.seed,
            infotext=infotext(shot, model=""),
            beside=tuple(one[shot.key].name if shot.key in one else "" for one in others),
        )
        for index, shot in enumerate(sheet_shots(study, trial))
    )


def _with_shared_pictures(study: Snapshot, trial: ShownTrial) -> tuple[str, ...]:
    """The names of the models, FLAT mixes and finalists that have a picture of a prompt and seed of the trial's."""
    if trial.sheet is None:
        return ()
    own = {shot.key for shot in sheet_shots(study, trial)}
    named = (named_recipe(study, name) for name in (*baseline_names(study), *finalist_names(study)))
    return tuple(one.name for one in named if one is not None and not own.isdisjoint(pictures_of(study, one)))


def _first_row(recipe: NamedRecipe | None):
    rows = recipe_words(recipe.candidate.recipe).rows if recipe else ()
    return rows[0] if rows else None


def _differences(study: Snapshot, own: NamedRecipe | None, against: NamedRecipe | None) -> tuple[RecipeBeside, ...]:
    """How the recipe differs from model A, from FLAT_50, and from the one that the address names."""
    if own is None:
        return ()
    usual = (named_recipe(study, name) for name in (study.spec.search.space.frame.models[0], MIDDLE))
    others = {one.name: one for one in (*usual, against) if one is not None}
    return tuple(
        RecipeBeside(name=name, difference=contrast(one.candidate.recipe, own.candidate.recipe))
        for name, one in others.items()
    )


def _neighbours(study: Snapshot, trial: ShownTrial, own: NamedRecipe | None) -> tuple[Neighbour, ...]:
    if own is None or not trial.point:
        return ()
    near = nearest(study.spec.search.space, trial, study.trials, NEIGHBOURS)
    return tuple(
        Neighbour(trial=one, size=sheet_size(one), difference=contrast(own.candidate.recipe, one.candidate.recipe))
        for one in near
        if one.candidate is not None
    )


def _start(study: Snapshot, trial: ShownTrial, own: NamedRecipe | None) -> StartLines | None:
    """The lines of a study file; None where the point is not of the space as the study file has it now."""
    space = study.spec.search.space
    try:
        return start_lines(space, own.candidate, space.checked(trial.point), f"trial-{trial.number}") if own else None
    except SearchError:
        return None

"""Which trials of a study another study can begin with: those of which it would make the same pictures."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from optuna.trial import FrozenTrial

from engine.errors import RecipeError
from search.errors import SearchError
from search.history import Point, Slots
from search.samplers.optuna_samplers import distributions
from search.space.space import Space
from studies.candidate import Candidate
from studies.store.ledger import is_interrupted
from studies.store.records import SLOTS, STOPPED, Stop
from studies.studyfile.spec import StudyShots, StudySpec

IN_WORK, CUT_SHORT = "in work", "cut short, and to be tried again"
NO_RECIPE = "failed before their recipe was recorded"
OTHER_SPACE = "their recipes are outside the new space"
OTHER_SHOTS = "they drew shots that the new study does not have"
"""Why trials stay behind, for people."""


def kept_trials(
    old: StudySpec, new: StudySpec, trials: Sequence[FrozenTrial]
) -> tuple[list[FrozenTrial], Mapping[str, int]]:
    """Return the trials that the new study can begin with, and how many stay behind, by reason.

    Those that are kept are in order, and as the new study has them: with points in its space and shots by its places.
    """
    kept: list[FrozenTrial] = []
    left = Counter[str]()
    bounds = distributions(new.search.space)
    places = _places(old.shots, new.shots)
    for trial in trials:
        moved = _moved(trial, old, new, places)
        if isinstance(moved, str):
            left[moved] += 1
            continue
        one = copy.copy(trial)
        one.distributions, one.params = bounds, moved[0]
        one.user_attrs = {**trial.user_attrs, **moved[1]}
        kept.append(one)
    return kept, left


def _moved(
    trial: FrozenTrial, old: StudySpec, new: StudySpec, places: Mapping[int, int]
) -> tuple[dict[str, float], dict[str, Any]] | str:
    """The trial's point in the new space and its shots by their new places; or why it stays behind."""
    if not trial.state.is_finished():
        return IN_WORK
    if is_interrupted(trial):
        return CUT_SHORT
    if "recipe" not in trial.user_attrs:
        return NO_RECIPE
    point = _point(new, trial)
    if point is None:
        return OTHER_SPACE
    shots = _shots(trial.user_attrs, old.shots, new.shots, places)
    return OTHER_SHOTS if shots is None else (point, shots)


def _point(new: StudySpec, trial: FrozenTrial) -> dict[str, float] | None:
    """The point of the new space that is the same candidate; None where there is none."""
    space = new.search.space
    try:
        candidate = Candidate.of(trial.user_attrs)
    except RecipeError:
        return None
    for point in _points(space, candidate, trial.params):
        with suppress(SearchError, RecipeError):
            found = space.checked(point)
            if new.search.candidate(found).key == candidate.key:
                return found
    return None


def _points(space: Space, candidate: Candidate, params: Mapping[str, float]) -> Iterator[Point]:
    """Yield where the candidate may be: at its old numbers, and where the space finds its recipe."""
    old = {name: params[name] for name in space.neutral if name in params}
    yield {**space.neutral, **old}
    with suppress(SearchError):
        words = {knob.name for knob in space.free if knob.is_choice}
        yield {**space.encode(candidate.recipe), **{name: old[name] for name in words if name in old}}


def _places(old: StudyShots, new: StudyShots) -> Mapping[int, int]:
    """The new places of the shots that both studies have, by their old ones."""
    known = {shot.text: place for place, shot in enumerate(new.trials)}
    return {place: known[shot.text] for place, shot in enumerate(old.trials) if shot.text in known}


def _shots(
    attributes: Mapping[str, Any], old: StudyShots, new: StudyShots, places: Mapping[int, int]
) -> dict[str, Any] | None:
    """The attributes that name the trial's shots, by their new places; None where the new study lacks some."""
    if old.trials == new.trials:
        return {}
    drew = tuple(attributes.get(SLOTS) or range(len(old.trials)))
    slots = _renumbered(drew, old, new, places)
    if slots is None or old.drawn(drew) != new.drawn(slots):
        return None
    found: dict[str, Any] = {SLOTS: list(slots)}
    if stop := Stop.of(attributes):
        drawn = _renumbered(stop.drawn, old, new, places)
        if drawn is None:
            return None
        found[STOPPED] = replace(stop, drawn=drawn).attribute
    return found


def _renumbered(slots: Slots, old: StudyShots, new: StudyShots, places: Mapping[int, int]) -> Slots | None:
    turns = [divmod(slot, len(old.trials)) for slot in slots]
    if any(place not in places for _, place in turns):
        return None
    return tuple(turn * len(new.trials) + places[place] for turn, place in turns)

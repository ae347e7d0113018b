"""A study that begins with a finished one, or with its probe, copies the trials: in its first night, in its turn."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from studies.errors import StudyError
from studies.inputs.models import MODELS
from studies.night.continuing.fingerprint import INPUTS
from studies.results.probe_beginning import copy_of_probe
from studies.store.earlier import copy_of, open_earlier
from studies.store.note_keys import COPIED
from studies.store.storage import StudyStore
from studies.studyfile.earlier import (
    PROBE,
    CopiedStudy,
    copied_study,
    is_earlier,
    parsed_copy,
    with_copy,
    write_copy,
)
from studies.studyfile.spec import SearchSettings, StudySpec

log = logging.getLogger(__name__)


def with_earlier_study(spec: StudySpec, store: StudyStore, models: Mapping[str, str]) -> StudySpec:
    """Return the study with the earlier trials that it begins with; they are copied where they are not yet.

    The copy stands in the storage, for all workers, and in the study's folder, for those who only read.

    Args:
        spec: the study.
        store: its storage, in its turn.
        models: SHA-256 of its model files, by letter.

    Raises:
        StudyError: the earlier study or the probe cannot be used.
    """
    search = spec.search
    if search.earlier is None:
        return spec
    copy = copied_study(search.begin, spec.storage.folder) or _noted(search, store)
    if copy is None:
        copy = _new_copy(search, search.earlier, spec, models)
        log.info("%s", copy.remark)
    if store.noted(COPIED) is None:
        store.note(COPIED, copy.text)
    write_copy(copy, spec.storage.folder)
    if search.plan.earlier is not None:
        return spec
    earlier, recipe = with_copy(copy, search.space)
    plan = replace(search.plan, earlier=earlier, beginnings=(recipe, *search.plan.beginnings))
    return replace(spec, search=replace(search, plan=plan))


def _noted(search: SearchSettings, store: StudyStore) -> CopiedStudy | None:
    """The copy in the storage, where it is one of the study that is named now."""
    text = store.noted(COPIED)
    copy = parsed_copy(text, store.folder) if text else None
    return copy if copy and copy.begin in search.begin else None


def _new_copy(search: SearchSettings, place: Path, spec: StudySpec, models: Mapping[str, str]) -> CopiedStudy:
    begin = next(text for text in search.begin if is_earlier(text))
    try:
        if begin == PROBE:
            return copy_of_probe(spec.storage.folder, search.space, search.seed, models)
        earlier = open_earlier(place, spec.storage)
        note = _models_note(earlier, models)
        copy = copy_of(earlier, begin, search.space, search.seed)
    except StudyError as error:
        raise error.under("search", "begin") from error
    return copy.model_copy(update={"remark": copy.remark + note})


def _models_note(earlier: StudyStore, models: Mapping[str, str]) -> str:
    """Return what the models have to do with those of the earlier study; "" where they are the same.

    Raises:
        StudyError: they have none in common, or the same ones under other letters.
    """
    known = earlier.noted(INPUTS) or {}
    before = {name.removeprefix(MODELS): text for name, text in known.items() if name.startswith(MODELS)}
    place = (earlier.folder,)
    same = [letter for letter in models if models[letter] == before.get(letter)]
    if len(same) == len(models):
        return ""
    if same:
        others = ", ".join(letter for letter in models if letter not in same)
        return f"; its model {others} was another one"
    if set(models.values()) & set(before.values()):
        what = "merged the same models under other letters, so its ratios mean something else"
        raise StudyError(what, place=place, remedy="give the models the letters that they have there")
    what = "merged other models, so its recipes say nothing of these"
    raise StudyError(what, place=place, remedy="leave it out of begin, or name the models that it merged")

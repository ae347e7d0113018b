"""Approval: a finalist or a trial is pinned, once the files that it was made of are seen to be the same."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from engine.errors import Problem
from studies.candidate import Candidate
from studies.errors import StudyError
from studies.inputs.models import MODELS, swapped_files
from studies.night.continuing.fingerprint import INPUTS
from studies.sample.former import changed_note
from studies.store.backends.journal.journal import refuse_other_study
from studies.store.backends.of_study import backend_of
from studies.store.judged.outcome import read_outcome
from studies.store.judged.pins import Pin, pin_recipe
from studies.store.opening import bring_results, store_for_reading
from studies.store.storage import StudyStore
from studies.studyfile.spec import Merge, Rendering, Storage

if TYPE_CHECKING:
    from studies.inputs.hashes import BytesProgress


def refuse_swapped(storage: Storage, merge: Merge, rendering: Rendering, progress: BytesProgress | None = None) -> None:
    """Compare the models and VAEs with those of the study's beginning, whole, before a recipe of them is approved.

    Args:
        storage: of the study.
        merge: its models.
        rendering: its VAEs.
        progress: called with (bytes hashed, bytes in all).

    Raises:
        StudyError: the study was never run, or one of the files is another one.
    """
    inputs: dict[str, str] = store_for_reading(storage).noted(INPUTS) or {}
    swapped = swapped_files(merge, rendering, storage, inputs, progress)
    problems = [Problem(place=(path,), what="is not the file that the study began with") for path in swapped]
    if problems:
        remedy = "put it back; a search with the new one is another study, with a name of its own"
        remedy += changed_note(inputs.values())
        raise StudyError.of(problem.advised(remedy) for problem in problems)


def approve_recipe(
    storage: Storage,
    *,
    finalist: int | None,
    trial: int | None,
    note: str,
    by: str | None,
    check: Callable[[], None] = lambda: None,
) -> Pin:
    """Pin a finalist (by default the first) or a trial.

    Args:
        storage: of the study.
        finalist: its number, from 1.
        trial: number of a trial instead.
        note: why this one.
        by: who approves; None: the user's login name.
        check: called once the recipe is there, before it is pinned; what it raises is raised.

    Raises:
        StudyError: there is no such finalist or trial.
    """
    refuse_other_study(storage.folder, storage.name)
    bring_results(storage, backend_of(storage))
    outcome = read_outcome(storage.folder, storage.name) if trial is None else None
    store = store_for_reading(storage)
    inputs: dict[str, str] = store.noted(INPUTS) or {}
    if outcome is not None:
        number = 1 if finalist is None else finalist
        label, candidate = outcome.finalist(number)
        source, models = f"finalist {number} ({label})", outcome.models
    else:
        source, candidate = f"trial {trial}", _candidate_of_trial(storage, store, trial)
        models = {name.removeprefix(MODELS): digest for name, digest in inputs.items() if name.startswith(MODELS)}
    check()
    return pin_recipe(
        storage.folder,
        candidate.recipe,
        study=storage.name,
        source=source,
        models=models,
        note=note,
        by=by,
        vae=candidate.vae,
        vae_sha256=inputs.get(f"space.vae.{candidate.vae}", ""),
    )


def _candidate_of_trial(storage: Storage, store: StudyStore, number: int | None) -> Candidate:
    finished = {trial.number: trial for trial in store.trials() if "recipe" in trial.user_attrs}
    if number in finished:
        return Candidate.of(finished[number].user_attrs)
    there = f"they go from {min(finished)} to {max(finished)}, and " if finished else ""
    raise StudyError(
        f"there is no finished trial {number}",
        place=(storage.folder,),
        remedy=f"{there}`recipe-search show` lists the best ones",
    )

"""What an examined recipe is compared with: the study's models as they are, and its best FLAT mix."""

from __future__ import annotations

from collections.abc import Sequence

from search.history import TrialRecord, top
from studies.after_recipe.measuring.subject import Subject, study_subject
from studies.candidate import Candidate
from studies.errors import StudyError
from studies.night.proving.baselines import baselines_of
from studies.store.judged.outcome import MIDDLE, read_outcome
from studies.studyfile.spec import StudySpec


def parents_of(spec: StudySpec) -> tuple[Subject, ...]:
    """Return the study's models, by letter."""
    every = baselines_of(spec.search, spec.rendering)
    return tuple(study_subject(label, one) for label, one in every.items() if label in spec.merge.models)


def best_flat(spec: StudySpec, history: Sequence[TrialRecord]) -> Subject:
    """Return the best FLAT mix: by the proof where there is one, else by the trials, else FLAT_50.

    Args:
        spec: the study.
        history: its trials.
    """
    known = _by_proof(spec) or _by_trials(spec, history)
    if known is None:
        known = MIDDLE, baselines_of(spec.search, spec.rendering)[MIDDLE]
    return study_subject(*known)


def _by_proof(spec: StudySpec) -> tuple[str, Candidate] | None:
    """The FLAT mix of the highest value on held-out shots."""
    try:
        outcome = read_outcome(spec.storage.folder, spec.storage.name)
    except StudyError:
        return None
    flats = [one for one in outcome.baselines if one.label not in spec.merge.models and one.value is not None]
    best = max(flats, key=lambda one: one.value or 0.0, default=None)
    return None if best is None else (best.label, best.candidate)


def _by_trials(spec: StudySpec, history: Sequence[TrialRecord]) -> tuple[str, Candidate] | None:
    """The FLAT mix of the highest score."""
    space, models = spec.search.space, {one.candidate.key for one in parents_of(spec)}
    tried = [one for one in history if one.stage == "flat" and space.is_flat(one.point)]
    for trial in top(tried, len(tried)):
        candidate = spec.search.candidate(trial.point)
        known = baselines_of(spec.search, spec.rendering, [trial])
        label = next((name for name, one in known.items() if one.key == candidate.key), "")
        if label and candidate.key not in models:
            return label, candidate
    return None

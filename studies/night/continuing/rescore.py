"""Rescoring: judging a whole study again, by other references, weights or scorers, without rendering.

Optuna's finished trials are frozen, so a rescored study is a second one in the same storage: every trial is copied with
its number, its parameters, its pictures and the new score. It takes the place of the first once it is whole, and a
search that goes on goes on from it; the earlier scores stay in the journal. What cannot be judged from the kept
features (an embedding that was never taken, statistics of another size) is named, and only then is rendering offered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from engine.errors import EngineError, counted
from scorers.errors import ScorerError
from search.history import Slots
from search.racing import rival_of
from studies.candidate import Candidate
from studies.errors import StudyError
from studies.inputs.models import model_hashes
from studies.limits.disk import disk_errors_named
from studies.limits.signals import termination_as_interrupt
from studies.night.calibration import calibrate, calibration_recipes
from studies.night.continuing.differences import changed_inputs, differing, panel_changes
from studies.night.continuing.fingerprint import JUDGED_BY, PANEL, SURROUNDINGS, inputs_of, kept_device
from studies.night.proving.proof import prove
from studies.night.proving.proofs import keep_count
from studies.night.race import Rival, TrialRace
from studies.night.trial import tried
from studies.night.workshop import NotKeptError, Workshop
from studies.progress import meter
from studies.store.backends.of_study import backend_of
from studies.store.dashboard.dashboard import write_note
from studies.store.judged.outcome import RESULTS
from studies.store.note_keys import INPUTS, NOISE
from studies.store.opening import not_run
from studies.store.records import INFEASIBLE, SLOTS, STOPPED, VERDICT, attributes_of, drawn_slots
from studies.store.renders import NOTHING
from studies.store.storage import ARTIFACT, StudyStore
from studies.studyfile.spec import SearchSettings, Storage, StudyShots, StudySpec

if TYPE_CHECKING:
    from scorers.panel.panel import Panel
    from scorers.panel.verdict import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class RescoreResult:
    """The result of rescoring.

    Attributes:
        changed: what changed in the panel, in words; empty: nothing, and nothing was written.
        trials: how many were judged.
        moved: the trials with a value before and after, best first by the new values: number, before, after.
        proved: whether the finalists' renders were all there, so that there is a new outcome.
    """

    changed: tuple[str, ...]
    trials: int = 0
    moved: tuple[tuple[int, float, float], ...] = ()
    proved: bool = False


def rescore_study(spec: StudySpec, console: Console, *, render: bool = False) -> RescoreResult:
    """Judge every trial by the study file as it is now.

    Args:
        spec: the study.
        console: takes the progress.
        render: make pictures again whose features lack something.

    Raises:
        StudyError: the study was never run or is being run, other inputs than the panel's changed, or features lack
            something.
        ScorerError: the panel cannot be opened or calibrated.
    """
    storage = spec.storage
    backend = backend_of(storage)
    if not backend.exists():
        backend.refuse_unusable()
        raise not_run(storage)
    with backend.alone(), termination_as_interrupt(), disk_errors_named(storage.folder):
        store = StudyStore(storage.folder, storage.name, backend=backend)
        models = model_hashes(spec.merge, storage)
        kept_on = "" if render else kept_device(store)
        workshop = Workshop.open(spec, models, kept_on=kept_on, backend=backend)
        try:
            return _rescored(spec, workshop, store, models, console)
        finally:
            workshop.close()


def _rescored(
    spec: StudySpec, workshop: Workshop, store: StudyStore, models: Mapping[str, str], console: Console
) -> RescoreResult:
    inputs = inputs_of(spec, models, workshop.panel)
    changed = _changed(spec.storage, store, inputs, workshop.panel)
    if not changed:
        return RescoreResult(changed=())
    store.reap()
    trials = store.study.get_trials(deepcopy=False)
    again = f"`recipe-search rescore {spec.storage.file} --render`"
    refuse_missing(spec.storage, spec.shots, workshop, what_is_needed(spec.search, spec.shots, trials), again)
    new = store.successor()
    new.note(NOISE, store.noted(NOISE))  # trials keep the shots they drew
    keep_count(store, new)
    calibrate(spec.merge, spec.search, spec.shots, workshop, new, console)
    moved: list[tuple[int, float, float]] = []
    with meter("judging", len(trials), console) as bar:
        for trial in trials:
            value = judged_again(spec.search, spec.shots, workshop, new, trial)
            if value is not None and trial.value is not None:
                moved.append((trial.number, trial.value, value))
            bar.advance()
    for key, fact in ((INPUTS, inputs), (JUDGED_BY, dict(workshop.panel.made_of))):
        new.note(key, fact)
    new.note(SURROUNDINGS, store.noted(SURROUNDINGS))
    new.seal()
    _set_aside(spec.storage.folder, store)
    proved = False
    with suppress(NotKeptError):
        if any(one.value is not None for one in new.history()):
            prove(spec, workshop, new, models, console)
            proved = True
    moved.sort(key=lambda row: -row[2])
    return RescoreResult(changed=tuple(changed), trials=len(trials), moved=tuple(moved), proved=proved)


def _changed(storage: Storage, store: StudyStore, inputs: Mapping[str, str], panel: Panel) -> list[str]:
    """What changed in the panel since the trials were judged, in words."""
    known = store.noted(INPUTS)
    if known is None:
        raise not_run(storage, "no trial was made yet")
    names = differing(known, inputs)
    but_panel = {name: text for name, text in known.items() if name != PANEL}
    others = changed_inputs(but_panel, {name: text for name, text in inputs.items() if name != PANEL})
    if others:
        raise StudyError(
            "rescoring needs the same pictures, and other inputs than the panel changed:\n"
            + "\n".join(others)
            + "\nput it back, or give the study another name to start a new one",
            place=(storage.folder,),
        )
    if PANEL not in names:
        return []
    return panel_changes(store.noted(JUDGED_BY) or {}, panel.made_of) or ["the versions of the scorers"]


def what_is_needed(
    search: SearchSettings, shots: StudyShots, trials: Sequence[FrozenTrial]
) -> list[tuple[Candidate, Slots]]:
    """Everything whose features are needed, with the shots it drew: calibration recipes, judged trials, their base."""
    from scorers.panel.judge import BASE

    recipes = calibration_recipes(search)
    needed = [(candidate, Slots()) for candidate in recipes.values()]
    needed += [
        (Candidate.of(trial.user_attrs), drawn_slots(trial.user_attrs)) for trial in trials if _was_judged(trial)
    ]
    for fresh in {found for _, slots in needed if (found := shots.fresh(slots))}:
        needed.append((recipes[BASE], fresh))
    return list({(one.key, shots.drawn(slots)): (one, slots) for one, slots in needed}.values())


def _was_judged(trial: FrozenTrial) -> bool:
    """Whether a trial came to pictures; failed ones keep their reason."""
    infeasible = str(trial.user_attrs.get("reason", "")).startswith(INFEASIBLE)
    return "recipe" in trial.user_attrs and (trial.state is TrialState.COMPLETE or infeasible)


def refuse_missing(
    storage: Storage,
    shots: StudyShots,
    workshop: Workshop,
    needed: Sequence[tuple[Candidate, Slots]],
    again: str,
) -> None:
    """Refuse features that lack something, unless the workshop can render them again.

    Args:
        storage: of the study.
        shots: of the study.
        workshop: with a panel, which says what it reads.
        needed: as ``what_is_needed`` returns it.
        again: the command that renders, for people.

    Raises:
        StudyError: names what is lacking.
    """
    if workshop.can_render:
        return
    lacking = [(found, slots) for one, slots in needed if (found := _lacking(shots, workshop, one, slots))]
    if not lacking:
        return
    names = sorted({name for names, _ in lacking for name in names})
    gone = [names for names, _ in lacking if NOTHING in names]
    pictures = counted(sum(len(shots.drawn(slots)) for _, slots in lacking), "picture")
    raise StudyError(
        f"the kept features of {len(lacking)} of {len(needed)} recipes lack {', '.join(names)}"
        + (f" ({len(gone)} have none at all)" if gone else "")
        + ", which the panel reads now",
        place=(storage.folder,),
        remedy=f"{again} renders those recipes again ({pictures}), or take out of the study file what reads it",
    )


def _lacking(shots: StudyShots, workshop: Workshop, candidate: Candidate, slots: Slots) -> tuple[str, ...]:
    """What the kept features of some shots lack; nothing, where those of all shots have it."""
    needed_versions = workshop.panel.observer.versions
    inside = slots and not shots.fresh(slots)
    if inside and not workshop.renders.lacking(candidate, shots.trials, needed_versions):
        return ()
    return workshop.renders.lacking(candidate, shots.drawn(slots), needed_versions)


def judged_again(
    search: SearchSettings, shots: StudyShots, workshop: Workshop, new: StudyStore, trial: FrozenTrial
) -> float | None:
    """Copy a trial with the verdict of the new panel; returns its value."""
    attributes: dict[str, Any] = {k: v for k, v in trial.user_attrs.items() if k not in VERDICT}
    if not _was_judged(trial):
        new.copy(trial, None, attributes)
        return None
    attributes.pop("reason", None)
    attributes["value before"] = trial.value
    value: float | None = None
    try:
        verdict = _verdict(search, shots, workshop, new, attributes)
        attributes |= attributes_of(verdict)
        value = verdict.value
        if value is None:
            attributes["reason"] = INFEASIBLE + "; ".join(verdict.reasons)
    except (EngineError, ScorerError) as error:
        attributes["reason"] = str(error)
    copied = new.copy(trial, value, attributes)
    pictures = [key.removeprefix(ARTIFACT) for key in trial.system_attrs if key.startswith(ARTIFACT)]
    if pictures and "scores" in attributes:
        write_note(copied, pictures[0])
    return value


def _verdict(
    search: SearchSettings, shots: StudyShots, workshop: Workshop, new: StudyStore, attributes: Mapping[str, Any]
) -> Verdict:
    """The new panel's verdict; on a trial that was given up, against the one that is the best by this panel."""
    candidate, slots = Candidate.of(attributes), tuple(attributes.get(SLOTS, ()))
    work, verdict, _ = tried(search, shots, workshop, candidate, drawn_slots(attributes))
    best = rival_of(new.history(), slots) if STOPPED in attributes else None
    if best is None:
        return verdict
    rival = Rival(candidate=search.candidate(best.point), value=best.value or 0.0)
    among = () if shots.fresh(slots) else shots.trials
    return TrialRace.against(rival, workshop, shots.drawn(slots), among).judged(work.features)


def _set_aside(folder: Path, store: StudyStore) -> None:
    """Give the outcome of the earlier scores a name of its own, since it no longer holds."""
    for name in RESULTS:
        path = folder / name
        if path.exists():
            path.replace(path.with_name(f"{path.stem}.{store.rescored}{path.suffix}"))
        store.backend.files.withdraw(path)

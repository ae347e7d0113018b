"""A new study that begins with the trials of another one that still compare; the other one stays as it is.

A trial is kept if the new study would make the same pictures of it: its models, settings and shots are the same, and
the new space can express its recipe. Where scorers, references and calibration are the same too, it keeps its score.
Otherwise it is judged again from its kept features, as ``rescore`` does, and its score is the one that the new study
would give it. Everything is made in a folder of its own, which takes its name only when it is whole; a study in a
database takes its name there then. Either study may be in a database.
"""

from __future__ import annotations

import os
import shutil
import time
from collections import Counter
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.trial import FrozenTrial
from rich.console import Console

from engine.errors import counted
from engine.files import TEMPORARY
from studies.errors import StudyError
from studies.inputs.models import model_hashes
from studies.limits.disk import disk_errors_named
from studies.limits.signals import termination_as_interrupt
from studies.night.calibration import CALIBRATION, OFF, calibrate
from studies.night.continuing.differences import SHOT, changed_inputs, differing, panel_changes
from studies.night.continuing.earlier_study import COPIED
from studies.night.continuing.fingerprint import JUDGED_BY, PANEL, SURROUNDINGS, inputs_of, kept_device
from studies.night.continuing.kept_trials import OTHER_SHOTS, kept_trials
from studies.night.continuing.rescore import judged_again, refuse_missing, what_is_needed
from studies.night.proving.proofs import keep_count
from studies.night.workshop import Workshop
from studies.progress import meter
from studies.store.backends.backend import Backend
from studies.store.backends.journal.journal import journal_of
from studies.store.backends.of_study import backend_of
from studies.store.dashboard.dashboard import write_note
from studies.store.note_keys import FORKED, INPUTS, NOISE, SEARCHED
from studies.store.opening import not_run, store_for_reading
from studies.store.renders import FEATURES, SHEET
from studies.store.storage import ARTIFACT, StudyStore
from studies.studyfile.spec import Storage, StudySpec

if TYPE_CHECKING:
    from scorers.panel.panel import Panel

KEPT_ELSEWHERE = ("hashes.json", "reference_features", "locks", "night.jsonl", "night.1.jsonl")
"""What the folder of a study may hold before its first night: it is made again, or taken over."""
CALIBRATED_BY = (PANEL, "study.seed", "search.calibration", "space.", "merge.", SHOT)
"""How the names of those inputs begin with which trials can still be kept, though maybe with other scores."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkResult:
    """What a new study was made of."""

    differences: tuple[str, ...]
    """How its inputs differ from those of the other study, a line each."""
    kept: int
    """How many trials it begins with."""
    is_judged_again: bool
    """Whether they were judged again, from kept features."""
    left: Mapping[str, int]
    """How many trials stayed behind, by reason."""


def fork_study(old: StudySpec, new: StudySpec, console: Console, *, render: bool = False) -> ForkResult:
    """Begin a study with the trials of another one that still compare.

    Args:
        old: a study that was run; nothing of it is changed.
        new: one that has not begun.
        console: takes the progress.
        render: make pictures again where kept features lack something.

    Raises:
        StudyError: the old study was never run, the new one has begun, no trial can be kept, or features lack
            something.
        EngineError, ScorerError: a model, an encoder or a reference cannot be used.
    """
    _refuse_begun(old.storage, new.storage)
    store = store_for_reading(old.storage)
    if store.noted(INPUTS) is None:
        raise not_run(old.storage, "no trial was made yet")
    folder = new.storage.folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with termination_as_interrupt(), disk_errors_named(folder.parent), _whole_or_not(folder) as place:
        there = replace(new, storage=replace(new.storage, folder=place))
        _take_caches(old.storage.folder, place)
        models, backend = model_hashes(there.merge, there.storage), backend_of(there.storage)
        workshop = Workshop.open(there, models, kept_on="" if render else kept_device(store), backend=backend)
        try:
            with backend.made_whole() as name:
                return _forked(old, there, store, workshop, models, backend, name, console)
        finally:
            workshop.close()


def _forked(
    old: StudySpec,
    new: StudySpec,
    store: StudyStore,
    workshop: Workshop,
    models: Mapping[str, str],
    backend: Backend,
    name: str,
    console: Console,
) -> ForkResult:
    """Make the new study under a name, in its backend, and fill it."""
    known, inputs = dict(store.noted(INPUTS)), inputs_of(new, models, workshop.panel)
    names = differing(known, inputs)
    differences = _differences(store, known, inputs, workshop.panel)
    if others := [name for name in names if not name.startswith(CALIBRATED_BY)]:
        _refuse_nothing_kept(new.storage, differences, f"pictures would be others ({', '.join(others)})")
    kept, left = kept_trials(old, new, store.study.get_trials(deepcopy=False))
    if not kept:
        why = "; ".join(f"{reason} ({counted(number, 'trial')})" for reason, number in left.items())
        keep = "leave their prompts and seeds in and add others beside them, or" if OTHER_SHOTS in left else ""
        _refuse_nothing_kept(new.storage, differences, why, keep)
    _take_renders(old.storage.folder, workshop.renders.folder)
    if old.storage.url:
        _bring_renders(old.storage, new, workshop, kept)
    if new.storage.url:
        _share_renders(workshop.renders.folder, backend)
    made = StudyStore(new.storage.folder, name, backend=backend)
    if not any(name.startswith(SHOT) for name in names):
        made.note(NOISE, store.noted(NOISE))  # trials keep the shots they drew
    keep_count(store, made)
    if names:
        _calibrated(new, workshop, made, kept, console)
    else:
        for key in (OFF, CALIBRATION):
            made.note(key, store.noted(key))
    with meter("taking trials over", len(kept), console) as bar:
        for trial in kept:
            if names:
                judged_again(new.search, new.shots, workshop, made, trial)
            else:
                _copied(made, trial)
            _take_pictures(store, made, trial)
            bar.advance()
    _note_origin(old.storage, store, made, inputs, workshop.panel)
    return ForkResult(differences=differences, kept=len(kept), is_judged_again=bool(names), left=left)


def _differences(
    store: StudyStore, known: Mapping[str, str], inputs: Mapping[str, str], panel: Panel
) -> tuple[str, ...]:
    """How the inputs differ, a line each; of what judges pictures, the parts that do."""
    without = [{name: text for name, text in one.items() if name != PANEL} for one in (known, inputs)]
    lines = changed_inputs(*without)
    if known.get(PANEL) != inputs[PANEL]:
        parts = panel_changes(store.noted(JUDGED_BY) or {}, panel.made_of) or ["the versions of the scorers"]
        lines += [f"  what judges pictures: {part}" for part in parts]
    return tuple(lines)


def _calibrated(
    new: StudySpec, workshop: Workshop, made: StudyStore, kept: Sequence[FrozenTrial], console: Console
) -> None:
    """Calibrate the panel, as the new study's first night would."""
    needed = what_is_needed(new.search, new.shots, kept)
    refuse_missing(new.storage, new.shots, workshop, needed, "the same command with --render")
    calibrate(new.merge, new.search, new.shots, workshop, made, console)


def _copied(made: StudyStore, trial: FrozenTrial) -> None:
    """Take a trial over as it is."""
    copied = made.copy(trial, trial.value, trial.user_attrs)
    pictures = [key.removeprefix(ARTIFACT) for key in trial.system_attrs if key.startswith(ARTIFACT)]
    if pictures and "scores" in trial.user_attrs:
        write_note(copied, pictures[0])


def _note_origin(
    storage: Storage, store: StudyStore, made: StudyStore, inputs: Mapping[str, str], panel: Panel
) -> None:
    made.note(SURROUNDINGS, store.noted(SURROUNDINGS))
    for key in (SEARCHED, COPIED):
        if (known := store.noted(key)) is not None:
            made.note(key, known)
    made.note(JUDGED_BY, dict(panel.made_of))
    made.note(FORKED, {"study": storage.name, "file": str(storage.file), "at": time.time()})
    made.note(INPUTS, dict(inputs))


def _take_pictures(store: StudyStore, made: StudyStore, trial: FrozenTrial) -> None:
    """Copy a trial's contact sheets, which keep their names; what is gone stays away."""
    for key in trial.system_attrs:
        if key.startswith(ARTIFACT):
            name = key.removeprefix(ARTIFACT)
            with suppress(ArtifactNotFound), store.artifacts.open_reader(name) as picture:
                made.artifacts.write(name, picture)


def _take_caches(old: Path, place: Path) -> None:
    """Take over what would be made again: hashes of models, features of references."""
    with suppress(FileNotFoundError):
        shutil.copy2(old / "hashes.json", place / "hashes.json")
    with suppress(FileNotFoundError):
        shutil.copytree(old / "reference_features", place / "reference_features", copy_function=_taken)


def _take_renders(old: Path, renders: Path) -> None:
    """Take over the renders that the same models, settings and device have made."""
    with suppress(FileNotFoundError):
        shutil.copytree(old / "renders" / renders.name, renders, copy_function=_taken, ignore=_unfinished)


def _bring_renders(old: Storage, new: StudySpec, workshop: Workshop, kept: Sequence[FrozenTrial]) -> None:
    """Take over the renders that other machines have made."""
    files = backend_of(replace(old, folder=new.storage.folder)).files  # they are named by their places in the folder
    for candidate, slots in what_is_needed(new.search, new.shots, kept):
        for shots in dict.fromkeys((new.shots.drawn(slots), new.shots.trials)):
            for name in (FEATURES, SHEET):
                files.bring(workshop.renders.place(candidate, shots) / name)


def _share_renders(renders: Path, backend: Backend) -> None:
    """Let other machines have the renders that were taken over."""
    for path in sorted(renders.rglob("*")):
        if path.is_file():
            backend.files.share(path)


def _unfinished(_: str, names: list[str]) -> set[str]:
    return {name for name in names if TEMPORARY.fullmatch(name)}


def _taken(source: str, target: str) -> None:
    """Let a file be in two folders: no copy is needed, since all writers put a new file in the place of an old one."""
    with suppress(FileNotFoundError):  # thinned meanwhile
        try:
            os.link(source, target)
        except FileNotFoundError:
            raise
        except OSError:  # other file systems, or one without links
            shutil.copy2(source, target)


def _refuse_begun(old: Storage, new: Storage) -> None:
    if old.folder.resolve() == new.folder.resolve():
        raise StudyError(
            f'has the folder of the study "{old.name}"',
            place=(new.file,),
            remedy="give it another [study] name, or another folder",
        )
    if backend_of(new).exists():
        place = (new.file,) if new.url else (new.folder,)
        raise StudyError("has begun already", place=place, remedy="give the new study another [study] name")
    others = sorted({path.name for path in new.folder.glob("*")} - {*KEPT_ELSEWHERE})
    if others:
        what = f"is not empty: it holds {', '.join(others[:5])}"
        raise StudyError(what, place=(new.folder,), remedy="give the new study another [study] name, or another folder")


def _refuse_nothing_kept(storage: Storage, differences: Sequence[str], why: str, first: str = "") -> None:
    lines = "\n".join(differences)
    raise StudyError(
        f"no trial can be kept: {why}" + (f"\n{lines}" if lines else ""),
        place=(storage.file,),
        remedy=f"{first} recipe-search run {storage.file} begins it anew".lstrip(),
    )


@contextmanager
def _whole_or_not(folder: Path) -> Generator[Path]:
    """Yield a folder of a temporary name, which takes its name when the block ends well, and vanishes when it does not.

    What killed commands left of the same folder is deleted first.
    """
    for path in folder.parent.glob(f".{folder.name}.*.part"):
        found = TEMPORARY.fullmatch(path.name)
        if found and not psutil.pid_exists(int(found["process"])):
            shutil.rmtree(path, ignore_errors=True)
    place = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    try:
        yield place
        if journal_of(folder).exists():
            raise StudyError("has begun meanwhile", place=(folder,), remedy="give the new study another [study] name")
        shutil.rmtree(folder, ignore_errors=True)  # nothing that is not made again
        place.rename(folder)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def left_words(left: Mapping[str, int]) -> list[str]:
    """Return how many trials stayed behind and why, a line each."""
    return [f"{counted(number, 'trial')} left behind: {reason}" for reason, number in Counter(left).most_common()]

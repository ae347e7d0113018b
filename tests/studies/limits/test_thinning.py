"""Pictures of hopeless trials are deleted by a stated rule; features stay, so that all can be scored anew."""

from __future__ import annotations

from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState
from rich.console import Console

from studies.limits.size import size_of
from studies.limits.thinning import NEWEST, hopeless
from studies.night.continuing.rescore import rescore_study
from studies.night.night import Night
from studies.pages.reading.reader import StudyReader
from studies.store.renders import FEATURES, SHEET
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from tests.studies.sample_study import write_small_study

QUIET = Console(quiet=True)


def ended(number: int, value: float | None, stage: str = "blocks", slots: tuple[int, ...] = ()) -> FrozenTrial:
    trial = optuna.create_trial(
        state=TrialState.FAIL if value is None else TrialState.COMPLETE,
        value=value,
        user_attrs={"stage": stage, "slots": list(slots), "recipe_key": f"key {number}"},
    )
    trial.number = number
    return trial


def test_the_best_the_flat_the_newest_and_the_approved_keep_their_pictures() -> None:
    trials = [ended(0, -9.0, "flat"), *(ended(n, float(-n)) for n in range(1, 40)), ended(40, None)]
    gone = [trial.number for trial in hopeless(trials, 5, frozenset({"key 20"}))]
    assert gone == [*range(6, 20), *range(21, 41 - NEWEST)]


def test_the_best_of_every_set_of_shots_keeps_its_pictures_since_others_race_against_it() -> None:
    trials = [ended(n, float(-n), slots=(n % 3,)) for n in range(60)]
    gone = {trial.number for trial in hopeless(trials, 1)}
    assert gone == set(range(3, 60 - NEWEST))


def test_a_night_thins_its_pictures_and_its_study_stays_whole(tmp_path: Path) -> None:
    file = write_small_study(tmp_path, groups=8)
    text = file.read_text()
    text = text.replace("seed = 3", "seed = 3\nkeep = 2")
    for stage in ("self", "adjust", "refine"):
        text = text.replace(f"{stage} = 2", f"{stage} = 0")
    file.write_text(text.replace("blocks = 2", "blocks = 9"))
    spec = read_study_file(file)
    Night(spec, QUIET, proof=False).run()
    store, folder = StudyStore(spec.storage.folder, spec.storage.name), spec.storage.folder
    trials, sheets = store.trials(), list((folder / "renders").rglob(SHEET))
    with_sheet = {trial.number for trial in trials if store.sheets(trial)}
    gone = {trial.number for trial in hopeless(trials, 2)}
    assert len(gone) >= 2
    assert with_sheet == {trial.number for trial in trials} - gone
    assert len(sheets) == len(list((folder / "renders").rglob(FEATURES))) - len(gone)
    assert size_of(folder).pictures == sum(path.stat().st_size for path in folder.rglob("*.webp"))
    assert len(StudyReader(file).read().scored) == len(trials)
    before = [trial.value for trial in trials]
    file.write_text(file.read_text().replace("[target]\n", '[target]\nlike = "flat, bold outlines"\n'))
    rescore_study(read_study_file(file), QUIET)
    again = StudyStore(folder, spec.storage.name)
    assert again.rescored == 1
    assert [trial.value is None for trial in again.trials()] == [value is None for value in before]

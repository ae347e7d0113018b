"""How many pictures a study has made, and that `show` and the report say so."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner
from rich.console import Console

from scorers.features import Features
from studies.cli.main import main
from studies.night.night import Night
from studies.review.spent import came_to_pictures, pictures_spent
from studies.store.judged.outcome import read_outcome
from studies.store.opening import store_for_reading
from studies.store.renders import shots_key
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.sample_study import write_small_study

QUIET = Console(quiet=True)


def kept(spec: StudySpec, folders: str) -> int:
    """Pictures by the features that are kept of them."""
    return sum(
        len(Features.load(path)) for path in spec.storage.folder.glob(f"renders/*/{folders}/*/features.safetensors")
    )


def test_every_picture_of_a_finished_study_is_counted_once(finished_once: StudySpec) -> None:
    spec, outcome = finished_once, read_outcome(finished_once.storage.folder)
    trials = store_for_reading(spec.storage).trials()
    tried = [trial.user_attrs for trial in trials if came_to_pictures(trial)]
    spent = pictures_spent(spec.search, spec.shots, tried, outcome)
    assert spent.calibration == 4 * len(spec.search.suggester().calibration())
    assert spent.trials > 0
    assert spent.search == kept(spec, shots_key(spec.shots.trials))
    assert spent.proof == 4 * len((*outcome.baselines, *outcome.finalists))
    assert pictures_spent(spec.search, spec.shots, tried, None).proof == 0
    shown = CliRunner().invoke(main, ["show", str(spec.storage.file)])
    assert f"pictures: {spent.search} for the search, {spent.calibration} of them of the" in shown.output
    assert f"; {spent.proof} for the proof" in shown.output


def test_trials_that_draw_other_shots_each_time_go_on_and_are_counted(tmp_path: Path) -> None:
    """Eight shots, four a trial: every trial of a stage draws the other four."""
    study = write_small_study(tmp_path, groups=3)
    text = study.read_text().replace("seeds = [1, 2]", "seeds = [1, 2, 5, 6]")
    text = text.replace("seeds = [3, 4]", "seeds = [3, 4, 7, 8]").replace("[search]", "[search]\nshots = 4\nline = 1")
    study.write_text(text)
    spec = read_study_file(study)
    Night(spec, QUIET, proof=False).run()
    store = StudyStore(spec.storage.folder, spec.storage.name)
    groups = [one.slots for one in store.history() if one.stage == "groups"]
    assert groups == [(0, 1, 2, 3), (4, 5, 6, 7), (0, 1, 2, 3)]
    tried = [trial.user_attrs for trial in store.trials() if came_to_pictures(trial)]
    spent = pictures_spent(spec.search, spec.shots, tried, None)
    assert spent.calibration == 8 * len(spec.search.suggester().calibration())
    assert spent.search == kept(spec, "*")
    noted = store.noted("noise")
    assert noted["moving"] is True
    assert "fewest" not in noted, "the study file has a number"

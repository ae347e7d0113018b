"""Judging a study anew: no picture is made, and the values are those of a fresh study with the new panel."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from optuna.trial import TrialState
from PIL import Image
from rich.console import Console

from engine.engine import Engine
from engine.recipes.recipe import Recipe
from studies.cli.main import main
from studies.errors import StudyError
from studies.inputs.models import model_hashes
from studies.night.calibration import calibrate
from studies.night.continuing.rescore import RescoreResult, rescore_study
from studies.night.night import Night
from studies.night.workshop import Workshop
from studies.store.judged.outcome import read_outcome
from studies.store.storage import INTERRUPTED, StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec

QUIET = Console(quiet=True)
WEIGHTS = 'weights = { style = 1.0, stats = 2.0 }\nkeep = ["style", "stats"]\n'


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one whenever an engine is opened."""
    count: list[str] = []
    real: Callable[..., Engine] = Engine.open

    def counting(*args: object, **rest: object) -> Engine:
        count.append("opened")
        return real(*args, **rest)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(Engine, "open", counting)
    return count


def with_other_weights(study: Path) -> StudySpec:
    study.write_text(study.read_text() + WEIGHTS)
    return read_study_file(study)


def judged_afresh(spec: StudySpec, folder: Path, recipes: list[Recipe]) -> list[float | None]:
    """Values of recipes in a study that knows nothing of the other one: built, rendered and judged by itself."""
    shutil.copytree(spec.storage.file.parent, folder, ignore=shutil.ignore_patterns("runs"))
    fresh = read_study_file(folder / "study.toml")
    fresh.storage.folder.mkdir(parents=True)
    workshop = Workshop.open(fresh, model_hashes(fresh.merge, fresh.storage))
    try:
        store = StudyStore(fresh.storage.folder, fresh.storage.name)
        calibrate(fresh.merge, fresh.search, fresh.shots, workshop, store, QUIET)
        candidates = [fresh.rendering.baseline(recipe) for recipe in recipes]
        return [workshop.panel.judge(workshop.make(one, fresh.shots.trials).features).value for one in candidates]
    finally:
        workshop.close()


def test_other_weights_and_references_score_the_kept_renders_as_a_fresh_study_would(
    copied: Path, opened: list[str], tmp_path: Path
) -> None:
    before = StudyStore(read_study_file(copied).storage.folder, "small").study.get_trials()
    for picture in sorted((copied.parent / "references").glob("*.png"))[:4]:
        picture.unlink()
    spec = with_other_weights(copied)
    done = rescore_study(spec, QUIET)
    assert opened == []
    assert any(line.startswith("references: 0 new, 4 gone") for line in done.changed)
    assert any("stats 0.3 -> 2.0" in line and "clip 0.2 -> none" in line for line in done.changed)
    store = StudyStore(spec.storage.folder, spec.storage.name)
    after = store.study.get_trials()
    assert store.rescored == 1
    assert [trial.number for trial in after] == [trial.number for trial in before]
    assert [trial.params for trial in after] == [trial.params for trial in before]
    assert [trial.value for trial in after] != [trial.value for trial in before]
    recipes = [Recipe.parse(trial.user_attrs["recipe"]) for trial in after]
    fresh = judged_afresh(spec, tmp_path / "fresh", recipes)
    assert [trial.value for trial in after] == pytest.approx(fresh, abs=1e-12)
    assert opened == ["opened"], "only the fresh study's"
    first = StudyStore(spec.storage.folder, spec.storage.name, rescored=0)
    assert [trial.value for trial in first.study.get_trials()] == [trial.value for trial in before]


def test_pictures_notes_and_moves_are_kept(copied: Path) -> None:
    spec = with_other_weights(copied)
    before = {
        trial.number: trial.value for trial in StudyStore(spec.storage.folder, spec.storage.name).study.get_trials()
    }
    done = rescore_study(spec, QUIET)
    store = StudyStore(spec.storage.folder, spec.storage.name)
    for trial in store.study.get_trials():
        pictures = [key for key in trial.system_attrs if key.startswith("artifacts:")]
        assert (spec.storage.folder / "artifacts" / f"{pictures[0].removeprefix('artifacts:')}.webp").exists()
        assert trial.user_attrs["value before"] == before[trial.number]
        notes = store.storage.get_study_system_attrs(store.number)
        assert any(f":{trial._trial_id}:" in key for key in notes if key.startswith("dashboard:"))
    assert [row[2] for row in done.moved] == sorted((t.value or 0 for t in store.study.get_trials()), reverse=True)
    assert all(before[number] == was for number, was, _ in done.moved)


def test_a_search_goes_on_from_the_new_scores(copied: Path, opened: list[str]) -> None:
    spec = with_other_weights(copied)
    with pytest.raises(StudyError, match=r"what judges pictures changed \(.*weights.*recipe-search rescore"):
        Night(spec, QUIET).run()
    done = rescore_study(spec, QUIET)
    opened.clear()
    assert (spec.storage.folder / "outcome.0.json").exists()
    assert (spec.storage.folder / "outcome.json").exists() == done.proved
    copied.write_text(copied.read_text().replace("groups = 1", "groups = 2"))
    Night(read_study_file(copied), QUIET).run()
    store = StudyStore(spec.storage.folder, spec.storage.name)
    assert len(store.trials()) == done.trials + 1
    assert "value before" not in store.trials()[-1].user_attrs
    assert len(StudyStore(spec.storage.folder, spec.storage.name, rescored=0).trials()) == done.trials
    assert read_outcome(spec.storage.folder).finalists
    assert len(opened) == 1


def test_words_judge_the_pictures_that_are_kept(copied: Path, opened: list[str]) -> None:
    """They change no picture: a search does not go on as if nothing had happened, and rescoring renders nothing."""
    copied.write_text(copied.read_text().replace("[target]\n", '[target]\nlike = "flat, bold outlines"\n'))
    spec = read_study_file(copied)
    with pytest.raises(
        StudyError, match=r"what judges pictures changed \(.*words: 2 new, 0 gone.*recipe-search rescore"
    ):
        Night(spec, QUIET).run()
    opened.clear()
    rescore_study(spec, QUIET)
    assert opened == []
    scores = [
        trial.user_attrs["scores"] for trial in StudyStore(spec.storage.folder, spec.storage.name).study.get_trials()
    ]
    assert all("text" in one for one in scores)


def test_nothing_changed_writes_nothing(copied: Path) -> None:
    spec = read_study_file(copied)
    before = (spec.storage.folder / "journal.log").read_bytes()
    assert rescore_study(spec, QUIET) == RescoreResult(changed=())
    assert (spec.storage.folder / "journal.log").read_bytes() == before


def test_statistics_of_another_size_are_named_with_the_way_out(copied: Path, opened: list[str]) -> None:
    small = copied.parent / "references" / "small.png"
    Image.open(copied.parent / "references" / "05.png").resize((48, 48)).save(small)
    spec = read_study_file(copied)
    with pytest.raises(StudyError, match=r"of 13 of 13 recipes lack statistics.*--render` renders .* \(52 pictures\)"):
        rescore_study(spec, QUIET)
    assert opened == []
    assert StudyStore(spec.storage.folder, spec.storage.name).rescored == 0
    rescore_study(spec, QUIET, render=True)
    assert opened == ["opened"]
    assert StudyStore(spec.storage.folder, spec.storage.name).rescored == 1


def test_features_that_are_gone_are_counted(copied: Path) -> None:
    spec = with_other_weights(copied)
    for path in sorted((spec.storage.folder / "renders").glob("*/*/*/features.safetensors"))[:2]:
        path.unlink()
    with pytest.raises(StudyError, match=r"lack any picture \([12] have none at all\)"):
        rescore_study(spec, QUIET)


def test_other_inputs_than_the_panels_are_refused(copied: Path) -> None:
    copied.write_text(copied.read_text().replace("seed = 3", "seed = 4"))
    with pytest.raises(StudyError, match=r"rescoring needs the same pictures[\s\S]*study.seed: was 3, is 4"):
        rescore_study(read_study_file(copied), QUIET)


def test_a_rescoring_that_was_cut_short_leaves_the_study_as_it_was(copied: Path) -> None:
    spec = with_other_weights(copied)
    store = StudyStore(spec.storage.folder, spec.storage.name)
    cut = store.successor()
    cut.copy(store.trials()[0], 123.0, {"stage": "flat", "recipe_key": "x"})
    assert StudyStore(spec.storage.folder, spec.storage.name).rescored == 0
    assert rescore_study(spec, QUIET).trials == len(store.trials())
    again = StudyStore(spec.storage.folder, spec.storage.name)
    assert again.rescored == 1
    assert len(again.trials()) == len(store.trials())
    assert all(trial.value != 123.0 for trial in again.trials())


def test_failed_and_interrupted_trials_stay_what_they_are(copied: Path) -> None:
    from search.samplers.optuna_samplers import distributions
    from search.suggester import Proposal

    spec = with_other_weights(copied)
    store = StudyStore(spec.storage.folder, spec.storage.name)
    point = store.trials()[0].params
    knobs = distributions(spec.search.space)
    store.fail(store.begin(Proposal(stage="adjust", point=point), knobs), "no memory")
    store.begin(Proposal(stage="adjust", point=point), knobs)
    rescore_study(spec, QUIET)
    failed, interrupted = StudyStore(spec.storage.folder, spec.storage.name).study.get_trials()[-2:]
    assert (failed.state, failed.user_attrs["reason"]) == (TrialState.FAIL, "no memory")
    assert (interrupted.state, interrupted.user_attrs["reason"]) == (TrialState.FAIL, INTERRUPTED)


def test_the_command_says_what_moved(copied: Path) -> None:
    with_other_weights(copied)
    said = CliRunner().invoke(main, ["rescore", str(copied)])
    assert said.exit_code == 0, said.output
    assert "changed: weights: clip 0.2 -> none" in said.output
    assert "13 trials judged again; the best now:" in said.output
    again = CliRunner().invoke(main, ["rescore", str(copied)])
    assert "no scorer, weight or reference has changed" in again.output
    shown = CliRunner().invoke(main, ["show", str(copied), "--pareto", "--csv", str(copied.parent / "all.csv")])
    assert shown.exit_code == 0, shown.output
    assert "scores are those of rescoring 1" in shown.output
    assert "trials that no other beats in style" in shown.output

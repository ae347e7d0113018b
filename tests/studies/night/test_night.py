"""Whole nights on the sample world: from the study file to the outcome, stopped, resumed, refused."""

from __future__ import annotations

import errno
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from optuna.trial import Trial, TrialState
from rich.console import Console
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from engine.engine import Engine
from engine.merging.metadata import METADATA_KEY
from engine.merging.output import ArithmeticName, Output
from engine.recipes.recipe import Recipe
from scorers.panel.verdict import Verdict
from studies.drawing import sheets
from studies.drawing.sheets import RgbPicture, read_picture
from studies.errors import StudyError
from studies.limits.deadline import Clock
from studies.night import loop
from studies.night.night import Night
from studies.night.recording import record_verdict
from studies.review.approval import approve_recipe
from studies.review.exporting.export import export_pin
from studies.store.backends.journal.journal import journal_of
from studies.store.judged.outcome import Outcome, read_outcome
from studies.store.judged.pins import read_pins
from studies.store.records import INTERRUPTED, Stop
from studies.store.renders import FEATURES, SHEET, shots_key
from studies.store.storage import StudyStore
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.sample_study import write_small_study

QUIET = Console(quiet=True)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[StudySpec, Outcome]:
    """A study that was run to its end, once for this module."""
    spec = read_study_file(write_small_study(tmp_path_factory.mktemp("finished")))
    outcome = Night(spec, QUIET).run()
    assert outcome is not None
    return spec, outcome


def test_every_standing_has_its_numbers_for_the_report(finished: tuple[StudySpec, Outcome]) -> None:
    spec, outcome = finished
    for standing in (*outcome.baselines, *outcome.finalists):
        assert set(standing.numbers) == {"CMMD", "polynomial MMD", "drift"}
        assert all(number is not None and np.isfinite(number) for number in standing.numbers.values())
    assert max(standing.numbers["drift"] or 0.0 for standing in outcome.baselines) == pytest.approx(1)
    calibrated = StudyStore(spec.storage.folder, spec.storage.name).study.user_attrs["calibration"]
    assert calibrated[0].startswith("references: ")


def trials(spec: StudySpec) -> list[tuple[str, str]]:
    """Stage and recipe key of every trial."""
    store = StudyStore(spec.storage.folder, spec.storage.name)
    return [(t.user_attrs["stage"], t.user_attrs["recipe_key"]) for t in store.trials()]


def test_every_stage_gets_its_trials_and_no_recipe_comes_twice(finished: tuple[StudySpec, Outcome]) -> None:
    spec, _ = finished
    done = trials(spec)
    assert Counter(stage for stage, _ in done) == {
        "flat": 12,
        "groups": 3,
        "blocks": 2,
        "self": 2,
        "adjust": 2,
        "refine": 2,
    }
    assert len({key for _, key in done}) == len(done)


def test_every_trial_has_its_scores_its_recipe_and_its_sheet(finished: tuple[StudySpec, Outcome]) -> None:
    spec, _ = finished
    for trial in StudyStore(spec.storage.folder, spec.storage.name).study.get_trials():
        assert trial.state is TrialState.COMPLETE
        assert set(trial.user_attrs["scores"]) == {"style", "clip", "stats", "lda", "margin"}
        assert Recipe.parse(trial.user_attrs["recipe"]).key == trial.user_attrs["recipe_key"]
        assert spec.search.space.decode(trial.params).key == trial.user_attrs["recipe_key"]
    kept = list((spec.storage.folder / "artifacts").glob("*.webp"))
    assert len(kept) == 23
    assert {read_picture(path).shape for path in kept} == {(134, 134, 3)}


def test_the_outcome_compares_finalists_on_shots_no_trial_saw(finished: tuple[StudySpec, Outcome]) -> None:
    spec, outcome = finished
    assert {s.label for s in outcome.baselines} == {"A", "B", "FLAT_25", "FLAT_50", "FLAT_75"}
    assert len(outcome.finalists) == 2
    assert {(s.prompt, s.seed) for s in spec.shots.trials}.isdisjoint({(s.prompt, s.seed) for s in spec.shots.proof})
    for finalist in outcome.finalists:
        against = [c.against for c in finalist.comparisons]
        assert against[:2] == ["A", "B"]
        assert against[2].startswith("FLAT_")
        assert all(c.low <= c.mean <= c.high for c in finalist.comparisons)
    assert read_outcome(spec.storage.folder) == outcome
    assert read_picture(spec.storage.folder / outcome.sheet).shape[1] > 5 * 192


def test_running_a_finished_study_again_tries_nothing_new(finished: tuple[StudySpec, Outcome]) -> None:
    spec, outcome = finished
    before = trials(spec)
    again = Night(spec, QUIET).run()
    assert trials(spec) == before
    assert again == outcome


@pytest.mark.parametrize(("way", "levels"), [("folded", 0.0), ("exact", 3.0)])
def test_an_export_loaded_afresh_renders_the_finalists_pictures(
    finished: tuple[StudySpec, Outcome], tmp_path: Path, way: ArithmeticName, levels: float
) -> None:
    """Bit for bit where it is folded as in the search; within a few grey levels with SuperMerger's own rounding."""
    spec, outcome = finished
    pin = approve_recipe(spec.storage, finalist=1, trial=None, note="for the test", by="tester")
    done = export_pin(
        spec.storage, spec.merge, spec.rendering, pin, tmp_path / "best.safetensors", output=Output(arithmetic=way)
    )
    shots = spec.shots.proof
    with Engine.open(spec.merge.models) as parents:
        parents.build(Recipe.parse(outcome.finalists[0].recipe))
        finalist = parents.render(shots)
    with Engine.open({"A": done.checkpoint.path, "B": done.checkpoint.path}) as afresh:
        afresh.build(Recipe.flat(0.0))
        assert float((afresh.render(shots) - finalist).abs().max()) * 255 <= levels
    with safe_open(done.checkpoint.path, framework="pt") as file:
        header = json.loads(file.metadata()[METADATA_KEY])
        assert set(file.keys()) == set(load_file(spec.merge.models["A"]))
    assert header["recipe_key"] == pin.recipe_key
    assert {m["sha256"] for m in header["models"].values()} == set(outcome.models.values())
    assert done.supermerger is not None
    assert "weights (BASE first)" in done.supermerger.read_text()
    assert pin in read_pins(spec.storage.folder)


def test_an_export_refuses_other_checkpoints_than_the_approved_ones(
    finished: tuple[StudySpec, Outcome], tmp_path: Path
) -> None:
    spec, _ = finished
    folder = tmp_path / "copy"
    shutil.copytree(spec.storage.file.parent, folder)
    copied = read_study_file(folder / "study.toml")
    pin = approve_recipe(copied.storage, finalist=1, trial=None, note="for the test", by="tester")
    weaken(copied.merge.models["B"])
    with pytest.raises(StudyError, match=r"not the ones that the recipe was approved with[\s\S]*B: .*lamplight"):
        export_pin(copied.storage, copied.merge, copied.rendering, pin, tmp_path / "best.safetensors", output=Output())
    with pytest.raises(StudyError, match=r"began with other inputs[\s\S]*models\.B"):
        Night(copied, QUIET).run()
    assert not (tmp_path / "best.safetensors").exists()


def weaken(path: Path) -> None:
    """Change one weight of a checkpoint."""
    tensors = load_file(path)
    tensors["model.diffusion_model.out.2.bias"] += 0.5
    save_file(tensors, path)


def test_a_study_with_another_knob_is_refused(finished: tuple[StudySpec, Outcome], tmp_path: Path) -> None:
    spec, _ = finished
    folder = tmp_path / "copy"
    shutil.copytree(spec.storage.file.parent, folder)
    study = folder / "study.toml"
    study.write_text(study.read_text().replace("CONT = [-3, 3]", "CONT = [-4, 3]"))
    with pytest.raises(StudyError, match=r"space\.adjust:CONT: was -3 to 3, is -4 to 3"):
        Night(read_study_file(study), QUIET).run()


def test_a_killed_search_goes_on_without_losing_or_repeating_a_trial(
    finished: tuple[StudySpec, Outcome], tmp_path: Path
) -> None:
    study = write_small_study(tmp_path)
    spec = read_study_file(study)
    for wanted in (4, 11):
        kill_after(study, spec, wanted)
        kept = trials(spec) if journal_of(spec.storage.folder).exists() else []
        assert len(kept) >= wanted
    survived = trials(spec)
    Night(spec, QUIET).run()
    done = trials(spec)
    assert done[: len(survived)] == survived
    assert done == trials(finished[0])  # as if nothing had happened


def kill_after(study: Path, spec: StudySpec, wanted: int) -> None:
    """Run the command and kill it without warning once so many trials are finished."""
    command = [sys.executable, "-m", "studies.cli.main", "run", str(study)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        deadline = time.monotonic() + 240
        while process.poll() is None and time.monotonic() < deadline:
            if (
                journal_of(spec.storage.folder).exists()
                and b'"state":1' in (spec.storage.folder / "journal.log").read_bytes()
            ):
                finished_trials = (spec.storage.folder / "journal.log").read_bytes().count(b'"state":1')
                if finished_trials >= wanted:
                    os.kill(process.pid, signal.SIGKILL)
                    break
            time.sleep(0.02)
        _, errors = process.communicate()
    assert process.returncode == -signal.SIGKILL, errors.decode()


def test_a_trial_is_written_in_order_beside_the_rendering_of_the_next(
    finished: tuple[StudySpec, Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every record waits until another recipe is built, which would never come if the night waited for the record."""
    spec = read_study_file(write_small_study(tmp_path))
    build, beside, built, more = Engine.build, list[bool](), list[str](), threading.Condition()

    def building(engine: Engine, recipe: Recipe) -> object:
        with more:
            built.append(recipe.key)
            more.notify()
        return build(engine, recipe)

    def recorded(
        store: StudyStore, trial: Trial, verdict: Verdict, sheet: Path, seconds: dict[str, float], stop: Stop | None
    ) -> None:
        assert all((sheet.parent / name).exists() for name in (SHEET, FEATURES))
        if trial.user_attrs["stage"] != "flat" and trial.number < 22:
            with more:
                beside.append(more.wait_for(lambda: built[-1] != trial.user_attrs["recipe_key"], timeout=20))
        record_verdict(store, trial, verdict, sheet, seconds, stop)

    monkeypatch.setattr(Engine, "build", building)
    monkeypatch.setattr(loop, "record_verdict", recorded)
    assert Night(spec, QUIET, proof=False).run() is None
    assert beside == [True] * 10
    assert trials(spec) == trials(finished[0])


def full_from(monkeypatch: pytest.MonkeyPatch, first: int, last: int) -> None:
    """Let writing contact sheets fail from one call to another, for want of room."""
    grid, calls = sheets.grid, count()

    def filling(pictures: list[RgbPicture], path: Path) -> None:
        if first <= next(calls) <= last:
            raise OSError(errno.ENOSPC, "No space left on device")
        grid(pictures, path)

    monkeypatch.setattr(sheets, "grid", filling)


def test_a_disk_that_stays_full_beside_the_rendering_ends_the_night_and_loses_nothing(
    finished: tuple[StudySpec, Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, moment = read_study_file(write_small_study(tmp_path)), count(step=600)
    with monkeypatch.context() as patched:
        full_from(patched, 18, 10_000)
        with pytest.raises(StudyError, match="disk stayed full, and every finished trial is kept"):
            Night(spec, QUIET, clock=Clock(now=lambda: float(next(moment)), sleep=lambda _: None)).run()
    store = StudyStore(spec.storage.folder, spec.storage.name)
    kept, cut = trials(spec), [one for one in store.study.get_trials() if one.state is TrialState.FAIL]
    assert not store.in_work()
    assert [one.user_attrs["reason"] for one in cut] == [INTERRUPTED] * len(cut)
    assert len(cut) in (1, 2), "the trial whose sheet could not be written, and the next one if it was begun"
    assert kept == trials(finished[0])[: len(kept)]
    assert len(kept) > 3
    Night(spec, QUIET).run()
    assert trials(spec) == trials(finished[0])


def test_a_night_waits_while_the_disk_is_full_and_goes_on(
    finished: tuple[StudySpec, Outcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, said = read_study_file(write_small_study(tmp_path)), io.StringIO()
    full_from(monkeypatch, 12, 14)
    clock = Clock(now=time.time, sleep=lambda _: None)
    assert Night(spec, Console(file=said, width=300), clock=clock, proof=False).run() is None
    assert "the disk is full (No space left on device); waiting 2.0 h at most for room" in said.getvalue()
    assert "there is room on the disk again" in said.getvalue()
    assert trials(spec) == trials(finished[0])


def test_features_do_not_depend_on_how_a_trial_came_to_be(finished: tuple[StudySpec, Outcome]) -> None:
    """In-place builds one after another leave no trace: a fresh engine gives the recorded score's pictures."""
    spec, _ = finished
    store = StudyStore(spec.storage.folder, spec.storage.name)
    last = store.trials()[-1]
    recipe = Recipe.parse(last.user_attrs["recipe"])
    with Engine.open(spec.merge.models) as engine:
        engine.build(recipe)
        images = engine.render(spec.shots.trials)
    (features,) = (spec.storage.folder / "renders").glob(
        f"*/{shots_key(spec.shots.trials)}/{recipe.key[:20]}/features.safetensors"
    )
    from scorers.panel.panel import Panel

    fresh = Panel.open(spec.panel_settings()).features(
        images, [s.prompt for s in spec.shots.trials], [s.seed for s in spec.shots.trials]
    )
    np.testing.assert_array_equal(load_file(features)["embedding:clip"].numpy(), fresh.embedding("clip"))


def test_references_are_looked_at_once(finished: tuple[StudySpec, Outcome], monkeypatch: pytest.MonkeyPatch) -> None:
    spec, _ = finished
    kept = list(spec.storage.reference_features.glob("*/*.safetensors"))
    assert len(kept) == len(spec.target.references)
    from scorers.panel.panel import Panel

    plain = Panel.open(replace(spec.panel_settings(), kept=None))
    monkeypatch.setattr("scorers.panel.references.load_picture", lambda path: pytest.fail(f"{path} is read again"))
    again = Panel.open(spec.panel_settings())
    assert again.version == plain.version
    np.testing.assert_array_equal(again.references.embedding("clip"), plain.references.embedding("clip"))

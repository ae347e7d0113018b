"""What a study file says of memory and speed reaches the engine, and what workers share is counted."""

from __future__ import annotations

import inspect
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine.engine import Engine
from engine.footprint.options import MemoryOptions
from search.space.baselines import flats
from studies.candidate import Candidate
from studies.inputs.demand import expected
from studies.inputs.models import model_hashes
from studies.night import team
from studies.night.workshop import Workshop
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import Rendering, StudySpec
from tests.studies.sample_study import write_small_study


@pytest.fixture
def spec(tmp_path: Path) -> StudySpec:
    study = write_small_study(tmp_path)
    study.write_text(study.read_text() + '\n[device]\ndevice = "cpu"\nparents = "disk"\nspeed = "eager"\n')
    return read_study_file(study)


def opened(spec: StudySpec) -> Workshop:
    return Workshop.open(spec, model_hashes(spec.merge, spec.storage))


def test_every_option_is_one_that_the_engine_takes() -> None:
    taken = inspect.signature(Engine.open).parameters
    assert Rendering().engine_options().keys() <= taken.keys()
    standing = {name: taken[name].default for name in Rendering().engine_options()}
    assert Rendering().engine_options() == standing, "what is not said is as it is without a study"


def test_the_parents_of_a_night_lie_where_the_study_file_says(spec: StudySpec) -> None:
    workshop = opened(spec)
    assert workshop.engine.parents == "disk"
    planned = workshop.engine.planned
    assert planned is not None
    assert (planned.demand.width, planned.demand.pictures, planned.demand.moves_text) == (64, 4, False)
    assert planned.demand.parents.unet > 0
    workshop.close()


def test_pictures_do_not_depend_on_where_parents_lie(spec: StudySpec, tmp_path: Path) -> None:
    sheets: list[bytes] = []
    for place in ("disk", "host", "device", "auto"):
        memory = MemoryOptions(parents=place)
        folder = replace(spec.storage, folder=tmp_path / place)
        workshop = opened(replace(spec, rendering=replace(spec.rendering, memory=memory), storage=folder))
        recipes = flats(spec.search.space).values()
        made = [workshop.make(Candidate(recipe=recipe), spec.shots.trials) for recipe in recipes]
        sheets.append(made[-1].sheet.read_bytes())
        workshop.close()
    assert len({*sheets}) == 1


def test_models_that_cannot_be_opened_leave_the_words_to_the_engine(spec: StudySpec) -> None:
    spec.merge.models["B"].unlink()
    assert expected(spec) is None


def test_workers_are_told_what_they_share(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of five workers on two GPUs, three share the first."""
    started: list[list[str]] = []
    processes: list[subprocess.Popen[str]] = []

    def begin(arguments: list[str], **how: Any) -> subprocess.Popen[str]:
        started.append(arguments[arguments.index("run") + 1 :])
        processes.append(popen(["true"], stdout=subprocess.PIPE, encoding="utf-8"))
        return processes[-1]

    popen = subprocess.Popen[str]
    monkeypatch.setattr(team.subprocess, "Popen", begin)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    assert team.run_team(tmp_path / "study.toml", "auto", 5, ["--checked"], lambda line: None)
    assert [one[2:6] for one in started[:2]] == [
        ["cuda:0", "--sharing", "3", "5"], ["cuda:1", "--sharing", "2", "5"]
    ]  # fmt: skip
    for process in processes:
        if process.stdout:
            process.stdout.close()


def test_a_worker_expects_its_share(spec: StudySpec) -> None:
    shared = replace(spec, rendering=replace(spec.rendering, device_sharers=3, ram_sharers=5))
    demand = expected(shared)
    assert demand is not None
    assert (demand.device_sharers, demand.ram_sharers) == (3, 5)


def test_encoders_and_vae_wait_where_the_study_file_says(spec: StudySpec) -> None:
    asked = MemoryOptions(encoders="host", vae_precision="bf16")
    workshop = opened(replace(spec, rendering=replace(spec.rendering, memory=asked)))
    recipe = next(iter(flats(spec.search.space).values()))
    workshop.make(Candidate(recipe=recipe), spec.shots.trials)
    assert workshop.engine.vae_form == "bf16 in strips"
    assert workshop.engine.memory().live_on_host > 0
    workshop.close()


def test_pictures_of_another_vae_format_are_kept_apart(spec: StudySpec) -> None:
    recipe = next(iter(flats(spec.search.space).values()))
    candidate, shots = Candidate(recipe=recipe), spec.shots.trials
    found: list[bool] = []
    for precision in ("auto", "auto", "fp16"):
        memory = MemoryOptions(vae_precision=precision)
        workshop = opened(replace(spec, rendering=replace(spec.rendering, memory=memory)))
        found.append(workshop.renders.load(candidate, shots, workshop.panel.observer.versions) is not None)
        workshop.make(candidate, shots)
        workshop.close()
    assert found == [False, True, False]

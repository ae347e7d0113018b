"""What takes more than a night: what to write instead, and that it is enough."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from engine.shots.hires import Hires
from engine.shots.shot import Shot
from studies.preflight import suggestions
from studies.preflight.estimate import StudyEstimate, counted
from studies.preflight.suggestions import NIGHT_S, shorter
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudyShots, StudySpec
from tests.studies.study_text import STUDY, write_study


@pytest.fixture
def study(tmp_path: Path) -> StudySpec:
    """Sixteen pictures a trial, 20 steps, 768 x 512 pixels."""
    spec = read_study_file(write_study(tmp_path, STUDY))
    shots = tuple(Shot(prompt="x", seed=n, width=768, height=512, steps=20) for n in range(16))
    plan = replace(spec.search.plan, groups=10, blocks=60, refine=20)
    return replace(spec, shots=StudyShots(trials=shots, proof=shots[:4]), search=replace(spec.search, plan=plan))


def seconds_of(shot: Shot) -> float:
    """Ten seconds for 20 steps of 512 x 512."""
    return 0.5 * shot.steps * shot.width * shot.height / 512**2


def need_of(spec: StudySpec) -> StudyEstimate:
    count = counted(spec.search, spec.shots)
    return StudyEstimate(
        trials=count.trials, pictures=count.pictures, seconds=count.pictures * seconds_of(spec.shots.trials[0]),
        disk_bytes=0, export_bytes=0, device="cpu", speed=1.0, family="sd1",
    )  # fmt: skip


def taken(spec: StudySpec, slower: float, words: str) -> float:
    """The seconds of a study with a suggestion written into it."""
    numbers = {key: int(number) for key, number in re.findall(r"(\w+) = (\d+)", words)}
    stages = {key: numbers[key] for key in ("groups", "blocks", "refine") if key in numbers}
    render = {key: numbers[key] for key in ("steps", "width", "height") if key in numbers}
    search = replace(
        spec.search,
        plan=replace(spec.search.plan, **stages),
        shots_per_trial=numbers.get("shots", spec.search.shots_per_trial),
    )
    count = counted(search, spec.shots)
    return slower * count.pictures * seconds_of(replace(spec.shots.trials[0], **render))


def test_every_change_that_is_enough_by_itself_is_offered(study: StudySpec) -> None:
    slower = 1.3 * NIGHT_S / need_of(study).seconds
    words = shorter(study.search, study.shots, need_of(study), lambda shot: slower * seconds_of(shot))
    assert words.startswith("for 12.0 h at most, write ")
    offered = words.split("write ")[1].split("; or ")
    assert [one.split(" = ")[0] for one in offered] == ["[search] groups", "[search] shots", "[render] steps"]
    assert [taken(study, slower, one) <= NIGHT_S for one in offered] == [True] * 3
    assert all(taken(study, slower, one) > 0.8 * NIGHT_S for one in offered), "no more is given up than needed"


def test_smaller_pictures_are_offered_where_they_are_larger_than_the_models_draw_well(study: StudySpec) -> None:
    large = replace(study, shots=suggestions._changed(study.shots, width=1152, height=768))
    slower = 1.3 * NIGHT_S / need_of(large).seconds
    words = shorter(large.search, large.shots, need_of(large), lambda shot: slower * seconds_of(shot))
    size = words.split("; or ")[-1]
    assert size.startswith("[render] width = ")
    assert 0.8 * NIGHT_S < taken(large, slower, size) <= NIGHT_S
    hires = Hires(upscaler="Latent", resize=(2048, 0))
    fixed = replace(large.shots, trials=tuple(replace(shot, hires=hires) for shot in large.shots.trials))
    assert "width" not in shorter(large.search, fixed, need_of(large), lambda shot: slower * seconds_of(shot))


def test_what_no_single_change_mends_takes_several_together(study: StudySpec) -> None:
    slower = 6 * NIGHT_S / need_of(study).seconds
    words = shorter(study.search, study.shots, need_of(study), lambda shot: slower * seconds_of(shot))
    assert "[search] groups = " in words
    assert "[search] shots = " in words
    assert "together take about" in words
    assert taken(study, slower, words) <= NIGHT_S
    plan = replace(study.search.plan, blocks=60_000)
    long = replace(study, search=replace(study.search, plan=plan))
    alone = shorter(long.search, long.shots, need_of(long), lambda shot: slower / 6 * seconds_of(shot))
    assert 0.8 * NIGHT_S < taken(long, slower / 6, alone) <= NIGHT_S, "fewer trials alone, however many were planned"
    hopeless = shorter(study.search, study.shots, need_of(study), lambda shot: 1e4 * slower * seconds_of(shot))
    assert "[render] steps = 12 together take about" in hopeless
    assert hopeless.endswith("; a GPU, or several with --workers, takes less time")

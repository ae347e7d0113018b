"""The parts of a study file: the shots of a trial, candidates and baselines, and the fingerprint they make together."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.footprint.options import MemoryOptions
from engine.recipes.recipe import Recipe
from studies.errors import StudyError
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import SEED_DISTANCE, StudySpec
from tests.studies.study_text import STUDY, write_study


@pytest.fixture
def spec(tmp_path: Path) -> StudySpec:
    return read_study_file(write_study(tmp_path))


def test_the_fingerprint_has_the_names_and_values_that_studies_began_with(spec: StudySpec) -> None:
    found = spec.fingerprint()
    settings = {name: text for name, text in found.items() if not name.startswith(("shot ", "space."))}
    assert settings == {
        "study.seed": "0",
        "search.calibration": "4",
        "export dtype": "fp16",
        "device.precision": "auto",
    }
    assert found["shot 3"] == (
        '{"cfg":5.0,"clip_skip":1,"format":1,"height":64,"negative":"people","prompt":"a house",'
        '"sampler":"DPM++ 2M Karras","seed":3,"steps":4,"width":64}'
    )
    assert (found["space.BASE"], found["space.OUT11"]) == ("frozen at 0", "0 to 1, group OUT_LATE")
    assert (found["space.self:OUT05:attn1"], found["space.adjust:CONT"]) == ("0.8 to 1.2", "-5 to 5")
    assert len(found) == 4 + 3 + 28


def test_no_two_parts_say_the_same_of_a_study(tmp_path: Path) -> None:
    text = STUDY.replace("[render]", '[render]\nprediction = "v"')
    text = text.replace("[space.self]", '[merge]\ncalculation = "cosineA"\n[space.self]')
    spec = read_study_file(write_study(tmp_path, text))
    names = [name for part in (spec.search, spec.merge, spec.rendering, spec.shots) for name in part.fingerprint()]
    assert {"render.prediction", "merge.calculation"} <= {*names}
    assert sorted(names) == sorted(spec.fingerprint())


def test_shots_beyond_the_last_come_again_with_other_seeds(spec: StudySpec) -> None:
    shots = spec.shots
    assert shots.drawn(()) == shots.trials
    again = shots.drawn((1, 4))
    assert again[0] == shots.trials[1]
    assert (again[1].prompt, again[1].seed) == (shots.trials[1].prompt, shots.trials[1].seed + SEED_DISTANCE)
    assert shots.fresh((0, 2, 3, 4)) == (3, 4)


def test_every_shot_is_that_of_a_trial_or_of_the_proof(spec: StudySpec) -> None:
    assert len(spec.shots.trials) == 3
    assert spec.shots.every == spec.shots.trials + spec.shots.proof
    assert spec.shots.passes == spec.shots.every, "without hires fix there is one pass each"
    assert spec.shots.shortest_side == 64


def test_the_model_files_hashes_lie_in_the_studys_folder(spec: StudySpec, tmp_path: Path) -> None:
    assert spec.storage.hashes == tmp_path / "runs" / "mix" / "hashes.json"


def test_a_baseline_has_the_first_vae_of_the_choice(tmp_path: Path) -> None:
    choice = '[space.choices]\nvae = ["x.safetensors", "merged"]\n[space.self]'
    spec = read_study_file(write_study(tmp_path, STUDY.replace("[space.self]", choice)))
    recipe = Recipe.flat(0.5)
    assert spec.rendering.baseline(recipe).vae == "x.safetensors"
    point = spec.search.space.flat(0.5) | {"vae": 1.0}
    assert spec.search.candidate(point).vae == "merged"


def with_device(tmp_path: Path, lines: str) -> StudySpec:
    return read_study_file(write_study(tmp_path, STUDY + f"\n[device]\n{lines}\n"))


def test_where_things_lie_is_no_part_of_the_fingerprint(tmp_path: Path, spec: StudySpec) -> None:
    """A study goes on on another card; but pictures of a VAE in another format do not compare."""
    moved = with_device(tmp_path, 'parents = "disk"\nencoders = "host"\nspeed = "compile"')
    assert moved.rendering.memory == MemoryOptions(parents="disk", encoders="host")
    assert moved.rendering.speed == "compile"
    assert moved.fingerprint() == spec.fingerprint()
    half = with_device(tmp_path, 'vae_precision = "fp16"')
    assert half.fingerprint() == spec.fingerprint() | {"device.vae_precision": "fp16"}


def test_every_unknown_word_under_device_is_named_with_those_that_are_known(tmp_path: Path) -> None:
    lines = 'parents = "dsk"\nencoders = "disk"\nvae_precision = "fp8"\nspeed = "compiled"'
    with pytest.raises(StudyError) as caught:
        with_device(tmp_path, lines)
    found = {one.place[-1]: one.remedy for one in caught.value.problems if "device" in one.place}
    assert found.keys() == {"parents", "encoders", "vae_precision", "speed"}
    assert "disk" in found["parents"]
    assert all(word in found["encoders"] for word in ("auto", "device", "host"))

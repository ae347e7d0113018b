from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from engine.errors import RenderError
from engine.shots.samplers import SAMPLERS
from engine.shots.shot import Shot

SHOT = Shot(prompt="a red house", seed=7)


def test_the_key_is_the_hash_of_the_canonical_text():
    assert SHOT.key == hashlib.sha256(SHOT.text.encode()).hexdigest()
    assert json.loads(SHOT.text) == {
        "format": 1,
        "prompt": "a red house",
        "negative": "",
        "seed": 7,
        "width": 512,
        "height": 512,
        "steps": 20,
        "cfg": 7.0,
        "sampler": "DPM++ 2M Karras",
        "clip_skip": 1,
    }


def test_the_key_never_changes_between_versions():
    assert SHOT.key == "50a799d8dfc8f477e2eb8253cd3295149259bcd1605beb8a4029a6b2f025915a"


def test_a_name_without_schedule_stands_for_uniform_levels_in_the_text_as_it_always_has():
    assert json.loads(replace(SHOT, sampler="Euler a").text) == json.loads(SHOT.text) | {"sampler": "Euler a"}
    assert json.loads(replace(SHOT, schedule="Uniform").text) == json.loads(SHOT.text) | {"sampler": "DPM++ 2M"}


def test_a_whole_number_for_cfg_is_the_same_shot():
    assert replace(SHOT, cfg=7).key == SHOT.key


@pytest.mark.parametrize(
    "change",
    [
        {"prompt": "a red  house"},
        {"negative": "grey"},
        {"seed": 8},
        {"width": 96},
        {"height": 96},
        {"steps": 8},
        {"cfg": 3.5},
        {"sampler": "Euler a"},
        {"schedule": "Exponential"},
        {"clip_skip": 2},
        {"rng": "NV"},
    ],
)
def test_every_field_changes_the_key(change: dict[str, Any]):
    assert replace(SHOT, **change).key != SHOT.key


def test_a_shot_is_frozen():
    with pytest.raises(FrozenInstanceError):
        SHOT.seed = 3  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"width": 100}, r"width: must be a multiple of 8 \(100\); the nearest are 96 and 104"),
        ({"height": 32}, r"height: must be a whole number from 64 to 4096 \(32\)"),
        ({"steps": 0}, r"steps: .* from 1 to 150 \(0\)"),
        ({"steps": 8.0}, r"steps: must be a whole number.*\(8.0\)"),
        ({"cfg": 0.5}, r"cfg: must be a number from 1.0 to 30.0 \(0.5\)"),
        ({"cfg": float("nan")}, r"cfg: .* \(nan\)"),
        ({"seed": -1}, r"seed: .* from 0.*\(-1\)"),
        ({"seed": True}, r"seed: .* \(true\)"),
        ({"clip_skip": 13}, r"clip_skip: .* from 1 to 12 \(13\)"),
        (
            {"sampler": "DPM++ 2M Karas"},
            r'sampler: unknown .* \("DPM\+\+ 2M Karas"\); did you mean DPM\+\+ 2M Karras\?',
        ),
        ({"schedule": "karas"}, r'schedule: unknown schedule \("karas"\); did you mean Karras\?'),
        (
            {"sampler": "LMS Karras", "schedule": "Beta"},
            r'schedule: the .* says Karras already \("Beta"\); write .*"LMS"',
        ),
        (
            {"sampler": "DDIM", "schedule": "Karras"},
            r'DDIM has noise .* \("Karras"\); leave schedule out',
        ),
        ({"sampler": "UniPC", "steps": 2}, r"steps: UniPC needs at least 3 \(2\)"),
        ({"sampler": "DDIM", "steps": 1}, r"steps: DDIM needs at least 2 \(1\)"),
        ({"eta": 1.5}, r"eta: must be a number from 0.0 to 1.0 \(1.5\)"),
        ({"s_noise": -1.0}, r"s_noise: must be a number from 0.0 to 2.0 \(-1.0\)"),
        ({"ensd": 0.5}, r"ensd: must be a whole number from 0.*\(0.5\)"),
        ({"rng": "GPU"}, r'rng: must be "CPU", or "NV" for what.*\("GPU"\)'),
    ],
)
def test_a_value_out_of_range_is_refused_with_the_way_out(change: dict[str, Any], said: str):
    with pytest.raises(RenderError, match=said):
        replace(SHOT, **change)


def test_all_problems_are_named_at_once():
    with pytest.raises(RenderError) as caught:
        Shot(
            prompt="x",
            seed=-1,
            width=97,
            steps=999,
            cfg=99,
            sampler="fast",
            clip_skip=0,
            eta=2,
            ensd=-1,
            rng="",
            s_noise=9,
        )
    for name in ("seed", "width", "steps", "cfg", "sampler", "clip_skip", "eta", "ensd", "rng", "s_noise"):
        assert f"  {name}: " in str(caught.value)


def test_a_label_is_short_and_has_the_seed():
    assert SHOT.label == '"a red house" (seed 7)'
    assert len(replace(SHOT, prompt="house " * 50).label) < 80


def test_every_sampler_is_offered():
    assert all(replace(SHOT, sampler=sampler).sampler == sampler for sampler in SAMPLERS)


def test_names_of_both_at_once_are_taken_apart():
    shot = replace(SHOT, sampler="dpm++ 2m sde exponential")
    assert (shot.sampler, shot.schedule) == ("DPM++ 2M SDE", "Exponential")
    assert shot == replace(SHOT, sampler="DPM++ 2M SDE", schedule="Exponential")
    assert replace(shot, seed=8).schedule == "Exponential"
    assert replace(SHOT, sampler="LMS Karras", schedule="Karras").schedule == "Karras"


def test_another_sampler_brings_its_own_schedule():
    assert (SHOT.schedule, SHOT.follows) == ("Automatic", "Karras")
    assert replace(SHOT, sampler="Euler a").follows == "Uniform"
    assert replace(SHOT, sampler="DDIM").follows == ""


@pytest.mark.parametrize(
    "pair",
    [
        ({}, {"schedule": "Karras"}),
        ({}, {"sampler": "DPM++ 2M Karras"}),
        ({"sampler": "Euler a"}, {"sampler": "Euler a", "schedule": "Uniform"}),
        ({"sampler": "Euler a"}, {"sampler": "Euler a", "eta": 1}),
        ({"sampler": "Euler a"}, {"sampler": "Euler a", "s_noise": 0.9}),  # the WebUI does not hand it over
        ({"sampler": "DDIM"}, {"sampler": "DDIM", "eta": 0.0, "ensd": 9}),
        ({}, {"eta": 0.5, "s_noise": 0.9, "ensd": 9}),
        ({"sampler": "DPM++ SDE"}, {"sampler": "DPM++ SDE", "ensd": 9}),
        ({"sampler": "DPM2 a", "eta": 0}, {"sampler": "DPM2 a", "eta": 0.0, "ensd": 9, "s_noise": 0.9}),
    ],
)
def test_shots_of_the_same_picture_have_the_same_key(pair: tuple[dict[str, Any], dict[str, Any]]):
    one, other = (replace(SHOT, **changes) for changes in pair)
    assert one.text == other.text
    assert one.key == other.key


@pytest.mark.parametrize(
    "change", [{"eta": 0.5}, {"s_noise": 0.9}, {"ensd": 9}, {"rng": "NV"}, {"schedule": "Uniform"}]
)
def test_settings_of_noise_change_the_key_where_they_are_read(change: dict[str, Any]):
    shot = replace(SHOT, sampler="DPM++ 2S a")
    assert replace(shot, **change).key != shot.key
    assert json.loads(replace(shot, **change).text) != json.loads(shot.text)


def test_settings_of_noise_stand_in_the_text_only_where_they_differ():
    fields = json.loads(replace(SHOT, sampler="DPM2 a", eta=0.5, ensd=9, rng="NV", s_noise=1).text)
    assert {"sampler": "DPM2 a Karras", "eta": 0.5, "ensd": 9, "rng": "NV"}.items() <= fields.items()
    assert "s_noise" not in fields


def test_shots_need_no_torch():
    code = "import sys, engine.shots.shot; print(sorted({'torch', 'numpy', 'diffusers'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"

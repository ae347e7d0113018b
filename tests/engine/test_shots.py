from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from engine.errors import RenderError
from engine.shots import SAMPLERS, Shot

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
        {"clip_skip": 2},
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
        ({"width": 100}, r"width = 100: must be a multiple of 8; the nearest are 96 and 104"),
        ({"height": 32}, r"height = 32: must be a whole number from 64 to 4096"),
        ({"steps": 0}, r"steps = 0: .* from 1 to 150"),
        ({"steps": 8.0}, r"steps = 8.0: must be a whole number"),
        ({"cfg": 0.5}, r"cfg = 0.5: must be a number from 1.0 to 30.0"),
        ({"cfg": float("nan")}, r"cfg = nan"),
        ({"seed": -1}, r"seed = -1: .* from 0"),
        ({"seed": True}, r"seed = True"),
        ({"clip_skip": 13}, r"clip_skip = 13: .* from 1 to 12"),
        ({"sampler": "DPM++ 2M"}, r'sampler = "DPM\+\+ 2M": must be one of .*; did you mean "DPM\+\+ 2M Karras"\?'),
    ],
)
def test_a_value_out_of_range_is_refused_with_the_way_out(change: dict[str, Any], said: str):
    with pytest.raises(RenderError, match=said):
        replace(SHOT, **change)


def test_all_mistakes_are_named_at_once():
    with pytest.raises(RenderError) as caught:
        Shot(prompt="x", seed=-1, width=97, steps=999, cfg=99, sampler="fast", clip_skip=0)
    for name in ("seed", "width", "steps", "cfg", "sampler", "clip_skip"):
        assert f"  {name} = " in str(caught.value)


def test_a_label_is_short_and_has_the_seed():
    assert SHOT.label == '"a red house" (seed 7)'
    assert len(replace(SHOT, prompt="house " * 50).label) < 80


def test_both_samplers_are_offered():
    assert all(replace(SHOT, sampler=sampler).sampler == sampler for sampler in SAMPLERS)


def test_shots_need_no_torch():
    code = "import sys, engine.shots; print(sorted({'torch', 'numpy', 'diffusers'} & set(sys.modules)))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"

"""The WebUI's text in pictures: worked examples, whatever a prompt may hold, and what cannot be read."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from engine.errors import RenderError
from engine.shots.infotext import infotext, read_fields, unfollowed
from engine.shots.samplers import AUTOMATIC, SAMPLERS, SCHEDULES
from engine.shots.shot import Shot
from tests.engine.shots.infotexts import parse_infotext

SHOT = Shot(prompt="a girl, garden", negative="lowres", seed=1441085789, width=512, height=768)
LINE = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 965400086, Size: 512x512, Model hash: 45dee52b"
ODD = (
    "a, b: c",
    'she said "no", and \\left',
    "first\nsecond",
    "桜の下の少女、夜:1.2",
    "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1",
    "cat\nSteps: 5, Sampler: LMS, CFG scale: 3, Seed: 2",
    "Negative prompt: dog",
    "cat\nNegative prompt: dog\nbird",
    "cat, Negative prompt: dog",
    " spaces \n at \t ends \n\n",
    "\r\n\x00\x1f\x85\u2028",
    '", Seed: 5, Hashes: {"a": "b"}',
    "512x512",
    "",
)


def shots() -> st.SearchStrategy[Shot]:
    """Any shot at all."""
    texts = st.one_of(st.sampled_from(ODD), st.text(max_size=60), st.lists(st.sampled_from(ODD)).map("\n".join))
    pairs = [(name, schedule) for name in SAMPLERS for schedule in SCHEDULES if SAMPLERS[name].automatic]
    pairs += [(name, AUTOMATIC) for name in SAMPLERS if not SAMPLERS[name].automatic]
    return st.builds(
        lambda pair, **fields: Shot(sampler=pair[0], schedule=pair[1], **fields),
        pair=st.sampled_from(pairs),
        prompt=texts,
        negative=texts,
        seed=st.integers(0, 2**63 - 1),
        width=st.integers(8, 512).map(lambda n: 8 * n),
        height=st.integers(8, 512).map(lambda n: 8 * n),
        steps=st.integers(3, 150),
        cfg=st.floats(1, 30),
        clip_skip=st.integers(1, 12),
        eta=st.none() | st.floats(0, 1),
        s_noise=st.floats(0, 2),
        ensd=st.integers(0, 2**32 - 1),
        rng=st.sampled_from(["CPU", "NV"]),
    )


# --------------------------------------------------------------------------------------------------------- writing


def test_the_text_is_the_webuis() -> None:
    shot = replace(SHOT, sampler="DPM++ 2M Karras", clip_skip=2)
    prompt, negative, line = infotext(shot, model="mind", model_hash="0123456789", more={"Recipe": "f" * 4}).split("\n")
    assert prompt == "a girl, garden"
    assert negative == "Negative prompt: lowres"
    assert re.fullmatch(
        "Steps: 20, Sampler: DPM\\+\\+ 2M, Schedule type: Karras, CFG scale: 7, Seed: 1441085789, Size: 512x768, "
        r"Model hash: 0123456789, Model: mind, Clip skip: 2, RNG: CPU, Recipe: ffff, Version: sd-recipe-search \d\S+",
        line,
    )


def test_what_is_at_the_webuis_defaults_is_left_out() -> None:
    text = infotext(Shot(prompt="a", seed=1, cfg=7.5, eta=1.0, sampler="Euler a"), model="m")
    assert "Negative prompt" not in text
    for key in ("Clip skip", "ENSD", "Eta", "Sigma noise", "Model hash"):
        assert key not in text
    assert "CFG scale: 7.5" in text


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"sampler": "Euler a", "eta": 0.5}, ", Eta: 0.5, "),
        ({"sampler": "DDIM", "eta": 0.25}, ", Eta DDIM: 0.25, "),
        ({"sampler": "Euler a", "ensd": 31337}, ", ENSD: 31337, RNG: CPU, "),
        ({"sampler": "DPM++ SDE", "s_noise": 1.01}, ", Sigma noise: 1.01, "),
        ({"rng": "NV"}, ", RNG: NV, "),
    ],
)
def test_the_settings_of_noise_are_said_where_they_count(change: dict[str, Any], said: str) -> None:
    assert said in infotext(replace(SHOT, **change), model="m")
    unread = replace(SHOT, sampler="Euler", **{name: value for name, value in change.items() if name != "sampler"})
    assert (said in infotext(unread, model="m")) is ("RNG: NV" in said)


@pytest.mark.parametrize("name", ["a, b", "a: b", "a\nb", '"a"'])
def test_odd_names_are_quoted(name: str) -> None:
    text = infotext(SHOT, model=name)
    assert read_fields(text)["Model"] == name
    assert len(text.split("\n")) == 3
    assert parse_infotext(text) == SHOT


@given(shots())
@example(replace(SHOT, prompt=ODD[4], negative=ODD[6]))
@example(replace(SHOT, prompt=ODD[7], negative=""))
@example(replace(SHOT, prompt=ODD[9], negative=ODD[10]))
def test_every_shot_is_read_back(shot: Shot) -> None:
    text = infotext(shot, model="m")
    found = parse_infotext(text)
    assert found.key == shot.key, "the same picture"
    assert replace(found, eta=shot.eta, s_noise=shot.s_noise, ensd=shot.ensd) == shot
    assert parse_infotext(infotext(found, model="m")) == found
    assert unfollowed(read_fields(text)) == ()


@pytest.mark.parametrize("prompt", ODD)
@pytest.mark.parametrize("negative", ["", "lowres", *ODD[6:9]])
def test_odd_prompts_are_read_back(prompt: str, negative: str) -> None:
    shot = replace(SHOT, prompt=prompt, negative=negative)
    assert parse_infotext(infotext(shot, model="m")) == shot


def test_only_prompts_that_the_webui_would_misread_are_said_twice() -> None:
    for prompt in ODD[:6]:
        assert ", Prompt: " not in infotext(replace(SHOT, prompt=prompt), model="m")
    for prompt in ODD[6:8]:
        assert ", Prompt: " in infotext(replace(SHOT, prompt=prompt), model="m")


# --------------------------------------------------------------------------------------------------------- reading


def test_a_picture_of_an_old_webui_is_read() -> None:
    text = f"a girl, ((eyeshadow)),\n second line \nNegative prompt: ugly,\n[blurry]\n{LINE}"
    assert parse_infotext(text) == Shot(
        prompt="a girl, ((eyeshadow)),\nsecond line",
        negative="ugly,\n[blurry]",
        seed=965400086,
        sampler="Euler a",
        rng="NV",
    )


@pytest.mark.parametrize(
    ("pairs", "sampler", "schedule"),
    [
        ("Sampler: DPM++ 2M Karras", "DPM++ 2M", "Karras"),
        ("Sampler: DPM++ 2M Karras, Schedule type: Automatic", "DPM++ 2M", "Karras"),
        ("Sampler: DPM++ 2M, Schedule type: karras", "DPM++ 2M", "Karras"),
        ("Sampler: DPM++ 2M, Schedule type: sgm_uniform", "DPM++ 2M", "SGM Uniform"),
        ("Sampler: DPM++ 2M, Schedule type: Automatic", "DPM++ 2M", "Automatic"),
        ("Sampler: DPM++ 2M", "DPM++ 2M", "Automatic"),
        ("Sampler: DPM++ 2M, Version: v1.10.1", "DPM++ 2M", "Automatic"),
        ("Sampler: DPM++ 2M, Version: v1.8.0", "DPM++ 2M", "Uniform"),
        ("Sampler: DPM++ 2M Karras, Version: v1.6.0-2-g4afaaf8a", "DPM++ 2M", "Karras"),
        ("Sampler: DDIM, Schedule type: Karras", "DDIM", "Automatic"),
        ("Sampler: UniPC, Version: v1.6.0", "UniPC", "Automatic"),
    ],
)
def test_samplers_are_read_as_old_and_new_webuis_write_them(pairs: str, sampler: str, schedule: str) -> None:
    shot = parse_infotext(f"a\nSteps: 20, CFG scale: 7, Seed: 1, Size: 64x72, {pairs}")
    assert (shot.sampler, shot.schedule) == (sampler, schedule)


def test_settings_of_noise_and_clip_skip_are_read() -> None:
    text = "a\nSteps: 20, Sampler: DDIM, CFG scale: 7, Seed: 1, Eta: 0.7, Eta DDIM: 0.25, ENSD: 31337, Clip skip: 2"
    shot = parse_infotext(f"{text}, RNG: CPU")
    assert (shot.eta, shot.ensd, shot.clip_skip, shot.rng) == (0.25, 31337, 2, "CPU")
    assert parse_infotext(text.replace("DDIM, CFG", "Euler a, CFG")).eta == 0.7
    assert parse_infotext(f"{text}, RNG: GPU").rng == "NV"


def test_what_has_no_counterpart_is_told() -> None:
    more = 'Denoising strength: 0.4, Lora hashes: "x: 1, y: 2", Hashes: {"model": "1", "lora:x": "2"}'
    fields = read_fields(f"a\n{LINE}, {more}, Version: v1.10.1")
    assert unfollowed(fields) == ("Denoising strength: 0.4", "Lora hashes: x: 1, y: 2")
    assert fields["Version"] == "v1.10.1"


@pytest.mark.parametrize(
    "pair",
    [
        "Tiling: True",
        "Face restoration: CodeFormer",
        "Refiner: other [0123456789]",
        "Refiner switch at: 0.8",
        "Hires refiner: both passes",
        "Hypernet: style",
        "Hypernet strength: 0.5",
        "Lora hashes: style",
        "Soft inpainting enabled: True",
        "Mask blur: 4",
        "Token merging ratio: 0.5",
        "Token merging ratio hr: 0.5",
        "Pad conds: True",
        "FP8 weight: Enable",
        "VAE Encoder: TAESD",
        "VAE Decoder: TAESD",
        "UniPC variant: bh2",
        "Extra noise: 0.1",
        "ADetailer model: face_yolov8n.pt",
        "ControlNet 0: canny",
        "FreeU Stages: 2",
        "Dynamic thresholding enabled: True",
        "Downcast text encoder: True",
        "Something nobody knows: 1",
    ],
)
def test_settings_that_decide_a_picture_and_are_not_followed_are_told(pair: str) -> None:
    assert unfollowed(read_fields(f"a\n{LINE}, {pair}, Version: v1.10.1")) == (pair,)


def test_networks_that_the_hashes_alone_name_are_told() -> None:
    hashes = 'Hashes: {"model": "1", "vae": "2", "embed:x": "3", "lora:style": "4", "lycoris:b": "5"}'
    assert unfollowed(read_fields(f"a\n{LINE}, {hashes}")) == ("Hashes: lora:style", "Hashes: lycoris:b")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "must hold its settings"),
        ("a girl\nNegative prompt: lowres", "'Negative prompt: lowres': the last line .* take a picture"),
        (f"a\n{LINE}".replace("Steps: 20", "Steps: many"), r'Steps: must be a whole number \("many"\)'),
        (f"a\n{LINE}".replace("512x512", "big"), r'Size: must be width and height.*\("big"\)'),
        (f"a\n{LINE}".replace("scale: 7", "scale: x").replace("512x512", "big"), '(?s)CFG scale: .*"x".*Size: .*"big"'),
        (f"a\n{LINE}".replace("Euler a", "Euler z"), r'sampler: unknown sampler.*\("Euler z"\)'),
        (f"a\n{LINE}, RNG: TPU", r'rng: must be .*\("TPU"\)'),
        (f"a\n{LINE}, Schedule type: Turbo", r'schedule: unknown schedule.*\("Turbo"\)'),
    ],
)
def test_what_cannot_be_read_says_why(text: str, said: str) -> None:
    with pytest.raises(RenderError, match=said):
        parse_infotext(text)


def test_a_long_text_without_settings_is_refused_at_once() -> None:
    with pytest.raises(RenderError, match="must hold its settings"):
        parse_infotext("word " * 200_000)

"""Hires fix in the WebUI's text: worked examples, second passes read back, old and new names, what is not followed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from engine.errors import RenderError
from engine.shots.hires import UPSCALERS, Hires
from engine.shots.infotext import infotext, read_fields, unfollowed
from engine.shots.samplers import AUTOMATIC, SAMPLERS, SCHEDULES
from engine.shots.shot import Shot
from tests.engine.shots.infotexts import parse_infotext

SHOT = Shot(prompt="a girl, garden", negative="lowres", seed=5, width=512, height=768, sampler="Euler a", rng="NV")
LINE = "Steps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 5, Size: 512x768"
TEXT = f"a girl, garden\nNegative prompt: lowres\n{LINE}"
HIRES = "Denoising strength: 0.7, Hires upscale: 2, Hires upscaler: Latent"


def seconds() -> st.SearchStrategy[Hires]:
    """Any second pass that a shot of Euler a, 20 steps and 64x72 pixels allows."""
    words = st.sampled_from(
        ["", "a girl, garden", "x: 1, y", ' "odd" ', " blank ", "two\nlines", "Negative prompt: z", "{a}"]
    )
    pairs = [("", ""), *((name, "") for name in SAMPLERS), *(("", schedule) for schedule in SCHEDULES)]
    pairs += [(name, schedule) for name in ("Euler", "DPM++ SDE") for schedule in SCHEDULES]
    return st.builds(
        lambda pair, **fields: Hires(sampler=pair[0], schedule=pair[1], **fields),
        pair=st.sampled_from(pairs),
        upscaler=st.sampled_from([*UPSCALERS, "4x-UltraSharp", "R-ESRGAN 4x+ Anime6B"]),
        scale=st.floats(1, 8),
        resize=st.sampled_from([(0, 0), (128, 0), (0, 99), (150, 160)]),
        steps=st.sampled_from([0, 4, 150]),
        denoise=st.just(0.0) | st.floats(0.2, 1),
        cfg=st.none() | st.floats(1, 30),
        prompt=words,
        negative=words,
    )


# --------------------------------------------------------------------------------------------------------- writing


def test_the_text_is_the_webuis() -> None:
    hires = Hires(upscaler="R-ESRGAN 4x+", scale=1.5, steps=10, denoise=0.45, sampler="DPM++ 2M Karras", prompt="b, c")
    line = infotext(replace(SHOT, hires=hires), model="mind").split("\n")[-1]
    assert ", Size: 512x768, Model: mind, Denoising strength: 0.45, RNG: NV, Hires sampler: DPM++ 2M, " in line
    assert ', Hires prompt: "b, c", Hires schedule type: Karras, Hires upscale: 1.5, Hires steps: 10, ' in line
    assert ", Hires upscaler: R-ESRGAN 4x+, Version: sd-recipe-search " in line


def test_what_is_as_in_the_first_pass_is_left_out() -> None:
    text = infotext(replace(SHOT, hires=Hires(sampler="Euler a", cfg=7, negative="lowres")), model="m")
    for key in ("sampler", "schedule type", "CFG Scale", "prompt", "negative prompt", "steps", "resize"):
        assert f"Hires {key}" not in text
    assert "Hires" not in infotext(SHOT, model="m")
    assert "Denoising" not in infotext(SHOT, model="m")


def test_a_size_stands_instead_of_a_scale() -> None:
    text = infotext(replace(SHOT, hires=Hires(resize=(1024, 0), cfg=5.5)), model="m")
    assert ", Hires CFG Scale: 5.5, Hires resize: 1024x0, " in text
    assert "Hires upscale:" not in text


def noises() -> st.SearchStrategy[dict[str, Any]]:
    """Any settings of noise, with samplers of the first pass that read all, some or none of them."""
    return st.fixed_dictionaries(
        {
            "sampler": st.sampled_from(["Euler a", "Euler", "DDIM", "UniPC", "DPM++ SDE"]),
            "eta": st.none() | st.floats(0, 1),
            "s_noise": st.sampled_from([1.0, 0.9]),
            "ensd": st.sampled_from([0, 31337]),
        }
    )


@given(seconds(), noises())
@example(Hires(prompt=" blank ", negative='"'), {})
@example(Hires(sampler="DDIM"), {"sampler": "Euler a", "eta": 0.5})
@example(Hires(sampler="Euler a"), {"sampler": "UniPC", "eta": 0.5, "ensd": 3})
@example(Hires(sampler="DDIM"), {"sampler": "Euler", "eta": 0.5})
def test_every_second_pass_is_read_back(hires: Hires, noise: dict[str, Any]) -> None:
    assume(SAMPLERS[noise.get("sampler", "Euler a")].automatic or hires.sampler or not hires.schedule)
    shot = replace(SHOT, width=64, height=72, hires=hires, **noise)
    text = infotext(shot, model="m")
    found = parse_infotext(text)
    assert found.text == shot.text, "the same picture"
    assert parse_infotext(infotext(found, model="m")) == found
    assert unfollowed(read_fields(text)) == ()


# --------------------------------------------------------------------------------------------------------- reading


@pytest.mark.parametrize(
    ("pairs", "hires"),
    [
        (HIRES, Hires()),
        ("Denoising strength: 0.7, Hires upscaler: Latent", Hires()),
        ("Denoising strength: 0.5, Hires upscale: 1.5, Hires steps: 8", Hires(scale=1.5, steps=8, denoise=0.5)),
        ("Denoising strength: 0, Hires resize: 1024x0", Hires(resize=(1024, 0), denoise=0.0)),
        (f"{HIRES}, Hires CFG Scale: 7, Hires Module 1: Use same choices", Hires()),
        (f"{HIRES}, Hires CFG Scale: 5", Hires(cfg=5.0)),
        (f'{HIRES}, Hires prompt: "a, b", Hires negative prompt: c', Hires(prompt="a, b", negative="c")),
        (
            f"{HIRES}, Hires sampler: DPM++ 2M, Hires schedule type: Karras",
            Hires(sampler="DPM++ 2M", schedule="Karras"),
        ),
        (f"{HIRES}, Hires sampler: Use same sampler, Hires schedule type: Use same scheduler", Hires()),
        (f"{HIRES}, Hires sampler: DPM++ 2M SDE", Hires(sampler="DPM++ 2M SDE")),
        (f"{HIRES}, Hires schedule type: karras", Hires(schedule="Karras")),
        (f"{HIRES}, Hires sampler: DDIM, Hires schedule type: Karras", Hires(sampler="DDIM")),
    ],
)
def test_a_picture_of_the_webui_is_followed(pairs: str, hires: Hires) -> None:
    fields = read_fields(f"{TEXT}, {pairs}, Version: v1.10.1")
    assert unfollowed(fields) == ()
    assert parse_infotext(f"{TEXT}, {pairs}, Version: v1.10.1") == replace(SHOT, hires=hires)


@pytest.mark.parametrize(
    ("first", "second", "sampler", "follows"),
    [
        ("Sampler: DPM++ 2M Karras", "Hires sampler: Euler a, Version: v1.6.0", "Euler a", "Uniform"),
        ("Sampler: DPM++ 2M Karras", "Hires sampler: DPM++ SDE Karras", "DPM++ SDE", "Karras"),
        ("Sampler: DPM++ 2M Karras", "Version: v1.6.0", "DPM++ 2M", "Karras"),
        ("Sampler: DPM++ 2M, Schedule type: Beta", "Hires sampler: Euler", "Euler", "Beta"),
        ("Sampler: DDIM", "Hires sampler: DPM++ 2M, Version: v1.8.0", "DPM++ 2M", "Uniform"),
        ("Sampler: Euler, Schedule type: Automatic", "Hires sampler: DPM++ 2M", "DPM++ 2M", "Karras"),
    ],
)
def test_samplers_are_read_as_old_and_new_webuis_write_them(
    first: str, second: str, sampler: str, follows: str
) -> None:
    found = parse_infotext(f"a\nSteps: 20, {first}, CFG scale: 7, Seed: 5, Size: 64x72, {HIRES}, {second}").second
    assert found is not None
    assert (found.sampler, found.follows) == (sampler, follows)


@pytest.mark.parametrize(
    ("pairs", "left"),
    [
        ("Denoising strength: 0.4", ("Denoising strength: 0.4",)),  # of img2img
        ("Hires upscale: 2", ("Hires upscale: 2",)),
        (f"{HIRES}, Hires checkpoint: other", ("Hires checkpoint: other",)),
        (
            f"{HIRES}, Hires Distilled CFG Scale: 3, Extra noise: 0.1",
            ("Hires Distilled CFG Scale: 3", "Extra noise: 0.1"),
        ),
        (f"{HIRES}, Hires sampler: DDIM, Eta: 0.5, Eta DDIM: 0.2", ("Eta DDIM: 0.2",)),
        (f"{HIRES}, First pass size: 0x0", ()),
    ],
)
def test_what_is_not_followed_is_told(pairs: str, left: tuple[str, ...]) -> None:
    fields = read_fields(f"{TEXT}, {pairs}")
    assert unfollowed(fields) == left
    assert (parse_infotext(f"{TEXT}, {pairs}").hires is None) is not pairs.startswith(HIRES)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"Hires upscale: 2": "Hires upscale: big"}, r'Hires upscale: must be a number \("big"\)'),
        ({"Hires upscale: 2": "Hires resize: wide"}, r'Hires resize: must be width and height.*\("wide"\)'),
        ({"0.7": "high", "Steps: 20": "Steps: x"}, '(?s)Steps: .*"x".*Denoising strength: .*"high"'),
        ({"0.7": "7"}, r"hires.denoise: must be a number from 0.0 to 1.0 \(7.0\)"),
        ({"Hires upscale: 2": "Hires sampler: Euler z"}, r'hires.sampler: unknown sampler.*\("Euler z"\)'),
    ],
)
def test_what_cannot_be_read_says_why(change: dict[str, str], said: str) -> None:
    text: Any = f"{TEXT}, {HIRES}"
    for old, new in change.items():
        text = text.replace(old, new)
    with pytest.raises(RenderError, match=said):
        parse_infotext(text)


def test_automatic_of_the_first_pass_is_handed_on() -> None:
    shot = replace(SHOT, hires=Hires(sampler="DPM++ 2M"))
    assert parse_infotext(infotext(shot, model="m")) == shot
    assert shot.schedule == AUTOMATIC

"""The values of each setting, and why some are left aside."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.shots.hires import Hires
from engine.shots.samplers import SAMPLERS, normalised
from engine.shots.shot import Shot
from studies.after_recipe.settings.axes import ORDER, AskedValues
from studies.after_recipe.settings.vaes import NamedVae
from studies.after_recipe.settings.values import (
    SAMPLERS_TRIED,
    SECOND_PASS,
    TriedValues,
    ValueToTry,
    start_settings,
    with_value,
    with_value_of,
)
from studies.pictures.plot_kinds import AXIS_KINDS
from studies.results.settings import PictureSettings

SHOT = Shot(prompt="a cat", seed=1, steps=20, sampler="DPM++ 2M Karras", cfg=7.0, width=512, height=768)
START = PictureSettings.of_shot(SHOT, "merged")
HIRES = replace(START, hires=Hires(upscaler="Latent", scale=2.0, denoise=0.55, steps=10))
MERGED = NamedVae(name="merged", word="merged", path=None)
FILE = NamedVae(name="kl.safetensors", word="kl.safetensors 0123456789", path=Path("/kl.safetensors"))


def values(start: PictureSettings, axis: str, *asked: object, **fields: object) -> list[ValueToTry]:
    given = AskedValues(by_axis={axis: asked} if asked else {})
    made = TriedValues(asked=given, family="sd1", shot=start.applied_to(SHOT), vaes=(MERGED,))
    return replace(made, **fields).of(AXIS_KINDS[axis], start)  # pyright: ignore[reportArgumentType]


def labels(found: list[ValueToTry]) -> list[str]:
    return [one.label for one in found if not one.reason]


def test_numbers_go_around_what_there_is_and_come_in_order() -> None:
    assert labels(values(START, "CFG Scale")) == ["3.5", "4.5", "5.5", "7", "9", "10.5"]
    assert labels(values(START, "Steps")) == ["8", "12", "16", "20", "25", "30", "40"]
    assert labels(values(replace(START, cfg=1.0), "CFG Scale")) == ["1", "1.5"]
    assert labels(values(HIRES, "Denoising")) == ["0.3", "0.4", "0.5", "0.55", "0.6", "0.7"]
    assert labels(values(HIRES, "Hires upscale")) == ["1.25", "1.5", "1.75", "2"]
    found = values(START, "CFG Scale")
    assert [one.is_start for one in found].index(True) == 3
    assert [one.settings.cfg for one in found if one.settings] == [3.5, 4.5, 5.5, 7.0, 9.0, 10.5]


def test_the_samplers_that_are_tried_are_known_and_differ() -> None:
    assert len({normalised(name, "Automatic") for name in SAMPLERS_TRIED}) == len(SAMPLERS_TRIED)
    assert {normalised(name, "Automatic")[0] for name in SAMPLERS_TRIED} <= SAMPLERS.keys()


def test_what_there_is_already_is_not_tried_twice() -> None:
    found = labels(values(START, "Sampler"))
    assert found[0] == "DPM++ 2M Karras"
    assert found.count("DPM++ 2M Karras") == 1


def test_what_makes_the_same_pictures_is_left_aside_with_the_reason() -> None:
    found = values(START, "Sampler", "DPM++ 2M", "Euler", "Euler Uniform")
    assert [(one.label, one.reason) for one in found] == [
        ("DPM++ 2M Karras", ""),
        ("DPM++ 2M", "makes the same pictures as DPM++ 2M Karras"),
        ("Euler", ""),
        ("Euler Uniform", "makes the same pictures as Euler"),
    ]
    same = values(HIRES, "Hires steps", 0, 20)
    assert [one.reason for one in same] == ["", "", "makes the same pictures as the first pass's"]


def test_what_no_picture_can_have_is_left_aside_with_the_reason() -> None:
    few = replace(START, steps=2)
    (reason,) = [one.reason for one in values(few, "Sampler", "UniPC") if one.reason]
    assert "UniPC needs at least 3" in reason
    (reason,) = [one.reason for one in values(START, "Size", (500, 512)) if one.reason]
    assert "must be a multiple of 8" in reason
    (reason,) = [
        one.reason
        for one in values(replace(START, sampler="DDIM", schedule="Automatic"), "Schedule type", "Karras")
        if one.reason
    ]
    assert "DDIM has noise levels of its own" in reason


def test_a_value_that_no_picture_can_have_is_written_as_the_others_are() -> None:
    assert [one.label for one in values(START, "CFG Scale", 4.0, 999.0)] == ["4", "7", "999"]


def test_clip_skip_is_for_sd1_alone() -> None:
    kind = AXIS_KINDS["Clip skip"]
    sd1 = TriedValues(asked=AskedValues(), family="sd1", shot=SHOT)
    assert not sd1.whole_reason(kind, START)
    assert labels(values(START, "Clip skip")) == ["1", "2"]
    assert replace(sd1, family="sdxl").whole_reason(kind, START) == "clip skip has no effect on SDXL checkpoints"
    assert replace(sd1, family="sd2").whole_reason(kind, START)


def test_a_sampler_that_chooses_its_steps_has_none_to_try() -> None:
    made = TriedValues(asked=AskedValues(), family="sd1", shot=SHOT)
    free = replace(START, sampler="DPM adaptive", schedule="Automatic")
    assert made.whole_reason(AXIS_KINDS["Steps"], free) == "DPM adaptive chooses its steps itself"


def test_a_refusal_is_a_reason() -> None:
    found = values(START, "Size", (512, 512), (64, 64), refusal=lambda one: "too small" if one.width < 100 else "")
    assert [one.reason for one in found] == ["", "", "too small"]


def test_vaes_are_those_that_can_decode() -> None:
    broken = NamedVae(name="x.safetensors", word="", path=Path("/x.safetensors"), reason="there is no such file")
    assert labels(values(START, "VAE", vaes=(MERGED, FILE, broken))) == ["merged", "kl.safetensors"]
    asked = values(START, "VAE", FILE.path, broken.path, vaes=(MERGED, FILE, broken))
    assert [one.reason for one in asked] == ["", "", "there is no such file"]
    assert asked[1].settings == replace(START, vae="kl.safetensors")


def test_another_sampler_brings_its_schedule_and_eta_along() -> None:
    before = replace(HIRES, schedule="Exponential", eta=0.5)
    before = replace(before, hires=replace(before.hires, schedule="Karras") if before.hires else None)
    found = with_value(AXIS_KINDS["Sampler"], "Euler a", before)
    assert (found.sampler, found.schedule, found.eta) == ("Euler a", "Automatic", None)
    assert found.hires is not None
    assert found.hires.schedule == ""
    assert with_value(AXIS_KINDS["Steps"], 30, before) == replace(before, steps=30)


@pytest.mark.parametrize("axis", [name for name in ORDER if name != "VAE"])
def test_the_value_of_one_setting_goes_into_others(axis: str) -> None:
    kind = AXIS_KINDS[axis]
    other = {
        "Sampler": "Euler a",
        "Schedule type": "Exponential",
        "Hires upscaler": "Lanczos",
        "Hires sampler": "DDIM",
        "CFG Scale": 3.0,
        "Denoising": 0.3,
        "Steps": 33,
        "Hires steps": 4,
        "Clip skip": 2,
        "Hires upscale": 1.25,
        "Size": (640, 640),
    }[axis]
    changed = with_value(kind, other, HIRES)
    assert changed.texts[kind.name] != HIRES.texts[kind.name]
    assert with_value_of(kind, changed, HIRES) == changed
    assert with_value_of(kind, HIRES, changed) == HIRES


def test_an_earlier_value_is_checked_with_todays_settings() -> None:
    made = TriedValues(asked=AskedValues(), family="sd1", shot=SHOT)
    earlier = replace(START, sampler="UniPC", schedule="Automatic")
    found = made.again(AXIS_KINDS["Sampler"], earlier, replace(START, steps=2))
    assert (found.label, found.settings) == ("UniPC", None)
    assert "needs at least 3" in found.reason
    assert made.again(AXIS_KINDS["Sampler"], earlier, START).settings == earlier


def test_a_second_pass_is_begun_with_where_a_person_asks_for_one() -> None:
    assert start_settings(SHOT, "merged", AskedValues()) == START
    assert start_settings(SHOT, "merged", AskedValues(hires=True)).hires == SECOND_PASS
    shot = HIRES.applied_to(SHOT)
    assert start_settings(shot, "merged", AskedValues(hires=True)) == HIRES
    assert start_settings(shot, "merged", AskedValues(hires=False)).hires is None

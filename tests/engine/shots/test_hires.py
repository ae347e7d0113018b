"""Hires fix as a value: sizes and cropping by worked examples, the second pass as a shot, what is refused."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from engine.errors import RenderError
from engine.shots.hires import UPSCALERS, Hires, Target
from engine.shots.shot import Shot

SHOT = Shot(prompt="a red house", negative="grey", seed=7, width=512, height=768, steps=20)


def with_hires(shot: Shot = SHOT, **settings: Any) -> Shot:
    return replace(shot, hires=Hires(**settings))


# ---------------------------------------------------------------------------------------------------------- sizes


@pytest.mark.parametrize(
    ("size", "settings", "enlarged", "cut", "final"),
    [
        ((512, 768), {"scale": 2}, (1024, 1536), (0, 0), (1024, 1536)),
        ((512, 512), {"scale": 1.3}, (665, 665), (0, 0), (664, 664)),
        ((512, 768), {"scale": 1.15}, (588, 883), (0, 0), (584, 880)),
        ((512, 512), {"resize": (1024, 0)}, (1024, 1024), (0, 0), (1024, 1024)),
        ((512, 768), {"resize": (0, 1000)}, (666, 1000), (0, 0), (664, 1000)),
        ((512, 768), {"resize": (1000, 0)}, (1000, 1500), (0, 0), (1000, 1496)),
        ((512, 512), {"resize": (1024, 768)}, (1024, 1024), (0, 32), (1024, 768)),
        ((512, 512), {"resize": (768, 1024)}, (1024, 1024), (32, 0), (768, 1024)),
        ((512, 512), {"resize": (1000, 700)}, (1000, 1000), (0, 37), (1000, 704)),
        ((512, 768), {"resize": (1024, 1536)}, (1024, 1536), (0, 0), (1024, 1536)),
        ((640, 512), {"resize": (1024, 1024)}, (1280, 1024), (32, 0), (1024, 1024)),
        ((512, 768), {"scale": 3, "resize": (768, 0)}, (768, 1152), (0, 0), (768, 1152)),
    ],
)
def test_sizes_are_the_webuis(
    size: tuple[int, int],
    settings: dict[str, Any],
    enlarged: tuple[int, int],
    cut: tuple[int, int],
    final: tuple[int, int],
) -> None:
    shot = with_hires(replace(SHOT, width=size[0], height=size[1]), **settings)
    assert shot.target == Target(width=enlarged[0], height=enlarged[1], cut=cut)
    assert shot.picture_size == final
    assert shot.second is not None
    assert (shot.second.width, shot.second.height) == final


def test_a_shot_without_hires_has_one_pass_of_its_own_size() -> None:
    assert (SHOT.hires, SHOT.second, SHOT.passes, SHOT.picture_size) == (None, None, (SHOT,), (512, 768))


@pytest.mark.parametrize(
    ("steps", "denoise", "planned"),
    [(20, 0.7, 28), (20, 1.0, 20), (20, 0.999, 20), (20, 0.5, 40), (10, 0.3, 33), (7, 0.55, 12), (20, 0.0, 0)],
)
def test_the_last_steps_of_so_many_are_made(steps: int, denoise: float, planned: int) -> None:
    assert Hires(denoise=denoise).planned(steps) == planned


# ---------------------------------------------------------------------------------------------------- second pass


def test_what_is_not_given_is_as_in_the_first_pass() -> None:
    shot = with_hires(replace(SHOT, sampler="Euler a", schedule="Karras", eta=0.5, ensd=31337, clip_skip=2, rng="NV"))
    assert shot.second == replace(shot, width=1024, height=1536, hires=None)
    assert shot.passes == (shot, shot.second)


def test_what_is_given_counts_for_the_second_pass_alone() -> None:
    settings: dict[str, Any] = {
        "steps": 9,
        "sampler": "DPM++ SDE",
        "schedule": "Beta",
        "cfg": 4,
        "prompt": "x",
        "negative": "y",
    }
    shot = with_hires(**settings)
    assert shot.second == replace(SHOT, width=1024, height=1536, **settings)
    assert (shot.steps, shot.sampler, shot.prompt) == (20, "DPM++ 2M", "a red house")


@pytest.mark.parametrize(
    ("first", "hires", "sampler", "follows"),
    [
        ({"sampler": "Euler a"}, {"sampler": "DPM++ 2M"}, "DPM++ 2M", "Karras"),  # Automatic is handed on as a name
        ({"sampler": "DPM++ 2M Karras"}, {"sampler": "Euler"}, "Euler", "Karras"),
        ({"sampler": "DPM++ 2M Karras"}, {"sampler": "Euler", "schedule": "Automatic"}, "Euler", "Uniform"),
        ({"sampler": "DPM++ 2M Karras"}, {"sampler": "DDIM"}, "DDIM", ""),
        ({"sampler": "DDIM"}, {"sampler": "dpm++ 2m sde exponential"}, "DPM++ 2M SDE", "Exponential"),
        ({"sampler": "Euler"}, {"schedule": "Karras"}, "Euler", "Karras"),
    ],
)
def test_samplers_and_schedules_of_the_second_pass(
    first: dict[str, str], hires: dict[str, str], sampler: str, follows: str
) -> None:
    second = with_hires(replace(SHOT, **first), **hires).second
    assert second is not None
    assert (second.sampler, second.follows) == (sampler, follows)


@pytest.mark.parametrize(
    ("sampler", "second", "eta"),
    [
        ("Euler a", "DPM++ SDE", 0.5),
        ("Euler a", "DDIM", None),
        ("DDIM", "Euler a", None),
        ("DDIM", "DDIM", 0.5),
        ("Euler", "DDIM", 0.5),
        ("UniPC", "Euler a", 0.5),
    ],
)
def test_eta_is_the_first_samplers_that_has_one_and_those_that_share_its_setting(
    sampler: str, second: str, eta: float | None
) -> None:
    found = with_hires(replace(SHOT, sampler=sampler, eta=0.5), sampler=second).second
    assert found is not None
    assert found.eta == eta


# ------------------------------------------------------------------------------------------------- text and key


def test_a_shot_without_hires_keeps_its_text_and_key() -> None:
    assert SHOT.text == (
        '{"cfg":7.0,"clip_skip":1,"format":1,"height":768,"negative":"grey","prompt":"a red house",'
        '"sampler":"DPM++ 2M Karras","seed":7,"steps":20,"width":512}'
    )
    assert replace(SHOT, sampler="Euler a", rng="NV", eta=0.5, ensd=3).text == (
        '{"cfg":7.0,"clip_skip":1,"ensd":3,"eta":0.5,"format":1,"height":768,"negative":"grey","prompt":"a red house",'
        '"rng":"NV","sampler":"Euler a","seed":7,"steps":20,"width":512}'
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"scale": 2.0, "steps": 20, "cfg": 7.0, "prompt": "a red house", "negative": "grey"}),
        ({}, {"resize": (1024, 1536)}),
        ({}, {"resize": (1024, 0), "scale": 3}),
        ({"upscaler": "latent (ANTIALIASED)"}, {"upscaler": "Latent (antialiased)"}),
        ({"sampler": "DPM++ 2M"}, {"sampler": "DPM++ 2M Karras"}),
        ({"denoise": 0.0, "steps": 5, "sampler": "DDIM"}, {"denoise": 0.0, "prompt": "any"}),
    ],
)
def test_shots_of_the_same_picture_have_the_same_text(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert with_hires(**one).text == with_hires(**other).text
    assert json.loads(with_hires(**one).text)["hires"]


@pytest.mark.parametrize(
    "settings",
    [
        {"upscaler": "Lanczos"},
        {"upscaler": "4x-UltraSharp"},
        {"scale": 1.5},
        {"resize": (1024, 1024)},
        {"steps": 10},
        {"denoise": 0.5},
        {"denoise": 0.0},
        {"sampler": "Euler a"},
        {"schedule": "Beta"},
        {"cfg": 6.0},
        {"prompt": "a blue house"},
        {"negative": "blue"},
    ],
)
def test_every_field_changes_the_key(settings: dict[str, Any]) -> None:
    keys = {SHOT.key, with_hires().key, with_hires(**settings).key}
    assert len(keys) == 3


def test_enlarging_to_other_pixels_is_another_picture_though_its_latents_are_as_many() -> None:
    """SDXL is told of the pixels, and pictures are resized to them."""
    square = replace(SHOT, height=512)
    assert with_hires(square, scale=1.3).picture_size == with_hires(square, scale=1.297).picture_size
    assert with_hires(square, scale=1.3).key != with_hires(square, scale=1.298).key


# --------------------------------------------------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"upscaler": " "}, r'hires.upscaler: must be one of Latent, .*, or the name of a model file \(" "\)'),
        ({"scale": 0.5}, r"hires.scale: must be a number from 1.0 to 8.0 \(0.5\)"),
        ({"scale": float("nan")}, r"hires.scale: .* \(nan\)"),
        ({"resize": (32, 0)}, r"hires.resize.width: must be a whole number from 64 to 4096 \(32\)"),
        ({"resize": (0, 1.5)}, r"hires.resize.height: .* \(1.5\)"),
        ({"resize": (512,)}, r"hires.resize: must be a width and a height.*\(\[512\]\)"),
        ({"steps": 151}, r"hires.steps: must be a whole number from 0 to 150 \(151\)"),
        ({"denoise": 1.1}, r"hires.denoise: must be a number from 0.0 to 1.0 \(1.1\)"),
        ({"denoise": 0.001}, r"hires.denoise: must be 0, or 0.01 to 1.0 \(0.001\)"),
        ({"cfg": 0.5}, r"hires.cfg: must be a number from 1.0.*\(0.5\)"),
        ({"sampler": "Eular"}, r'hires.sampler: unknown sampler \("Eular"\); did you mean Euler'),
        ({"sampler": "LMS Karras", "schedule": "Beta"}, r"the sampler's name says Karras already"),
        ({"schedule": "karas"}, r'hires.schedule: unknown schedule.*\("karas"\)'),
    ],
)
def test_a_value_out_of_range_is_refused_with_the_way_out(settings: dict[str, Any], said: str) -> None:
    with pytest.raises(RenderError, match=said):
        Hires(**settings)


def test_all_problems_are_named_at_once() -> None:
    with pytest.raises(RenderError) as caught:
        Hires(upscaler="", scale=9, resize=(1, 1), steps=-1, denoise=2, sampler="fast", cfg=99)
    for name in ("upscaler", "scale", "resize.width", "resize.height", "steps", "denoise", "sampler", "cfg"):
        assert f"  hires.{name}: " in str(caught.value)


@pytest.mark.parametrize(
    ("first", "settings", "said"),
    [
        ({}, {"scale": 8.0}, r"hires: the picture would be 4096x6144: its sides must be 64 to 4096 pixels"),
        ({}, {"sampler": "DDIM", "steps": 2}, r"hires.steps: DDIM needs at least 3 in a second pass \(2\)"),
        ({"sampler": "UniPC", "steps": 3}, {}, r"hires.steps: UniPC needs at least 4 in a second pass \(3\)"),
        ({"sampler": "DDIM"}, {"schedule": "Karras"}, r'hires.schedule: DDIM has noise levels of its own \("Karras"\)'),
        ({"sampler": "DDIM"}, {"denoise": 0.01}, r"hires.denoise: 20 of 2000 planned .* \(0.01\); give at least 0.02"),
        ({}, {"schedule": "Simple", "denoise": 0.01}, r"DPM\+\+ 2M here has at most 1000 \(0.01\); give at least 0.02"),
    ],
)
def test_a_second_pass_that_the_first_does_not_allow_is_refused(
    first: dict[str, Any], settings: dict[str, Any], said: str
) -> None:
    shot = replace(SHOT, **first)
    with pytest.raises(RenderError, match=said):
        with_hires(shot, **settings)


def test_without_denoising_no_steps_are_asked_of_a_sampler() -> None:
    assert with_hires(replace(SHOT, sampler="UniPC", steps=3), denoise=0.0).picture_size == (1024, 1536)


def test_hires_is_frozen_and_knows_what_it_enlarges_with() -> None:
    with pytest.raises(FrozenInstanceError):
        Hires().scale = 3.0  # pyright: ignore[reportAttributeAccessIssue]
    assert [Hires(upscaler=name).model for name in UPSCALERS] == [""] * 9
    assert [Hires(upscaler=name).on_latents for name in ("Latent", "Latent (nearest)", "None", "x")] == [
        True, True, False, False,
    ]  # fmt: skip
    assert Hires(upscaler="R-ESRGAN 4x+").model == "R-ESRGAN 4x+"

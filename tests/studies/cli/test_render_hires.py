"""`recipe-search render` with hires fix: options, pictures that are followed, model files, all on a tiny checkpoint."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.engine import Engine
from engine.recipes.recipe import Recipe, SelfStep
from engine.shots.hires import Hires
from engine.shots.infotext import infotext
from engine.shots.shot import Shot
from studies.drawing.sheets import as_bytes
from studies.errors import StudyError
from studies.pictures.hires_settings import with_hires
from studies.pictures.pictures import parameters_of, save_picture
from tests.engine.models.tiny import write_tiny
from tests.engine.rendering.test_upscale import esrgan
from tests.engine.shots.infotexts import parse_infotext
from tests.studies.cli.test_render import offline, pixels, render

SMALL = ("-p", "a cat", "--width", "64", "--height", "64", "--steps", "1", "--cfg", "1", "--sampler", "Euler")
SHOT = Shot(prompt="a cat", seed=1, width=64, height=64, steps=1, cfg=1.0, sampler="Euler")

__all__ = ["offline"]  # the fixture keeps every test here off the network


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny(tmp_path_factory.mktemp("tiny") / "a.safetensors", 1)


@pytest.fixture
def upscalers(tmp_path: Path) -> Path:
    folder = tmp_path / "up"
    folder.mkdir()
    torch.save(esrgan().state_dict(), folder / "2x-Tiny.pth")
    return folder


def by_the_engine(checkpoint: Path, shot: Shot, upscalers: Path | None = None) -> np.ndarray:
    with Engine.open({"A": checkpoint}, device="cpu", round_to="fp32", upscalers=upscalers) as engine:
        engine.build(Recipe(steps=(SelfStep(factors=()),)))
        return as_bytes(engine.render([shot]))[0]


# -------------------------------------------------------------------------------------------------------- pictures


def test_options_make_hires_fix_and_the_picture_says_so(checkpoint: Path, tmp_path: Path) -> None:
    words = ("--hires-upscaler", "Lanczos", "--hires-resize", "96x80", "--hires-steps", "2", "--denoise", "0.5")
    render(checkpoint, tmp_path / "out", *SMALL, *words, "--hires-cfg", "2", "--hires-prompt", "a dog")
    shot = replace(
        SHOT, hires=Hires(upscaler="Lanczos", resize=(96, 80), steps=2, denoise=0.5, cfg=2.0, prompt="a dog")
    )
    path = tmp_path / "out" / "0001-1.png"
    assert pixels(path).shape == (80, 96, 3)
    assert np.array_equal(pixels(path), by_the_engine(checkpoint, shot))
    assert parse_infotext(parameters_of(path)) == shot


def test_a_model_file_enlarges(checkpoint: Path, upscalers: Path, tmp_path: Path) -> None:
    words = ("--hires-upscaler", "2x-Tiny", "--hires-scale", "1.25", "--denoise", "0", "--upscalers", upscalers)
    render(checkpoint, tmp_path / "out", *SMALL, *words)
    shot = replace(SHOT, hires=Hires(upscaler="2x-Tiny", scale=1.25, denoise=0.0))
    assert np.array_equal(pixels(tmp_path / "out" / "0001-1.png"), by_the_engine(checkpoint, shot, upscalers))


def test_the_hires_fix_of_a_picture_is_followed(checkpoint: Path, tmp_path: Path) -> None:
    hires = Hires(scale=1.5, steps=2, denoise=0.6, sampler="DPM++ 2M", negative="grey")
    text = infotext(replace(SHOT, hires=hires), model="m").replace("Version", "Hires checkpoint: other, Version")
    save_picture(np.zeros((8, 8, 3), np.uint8), tmp_path / "seen.png", parameters=text)
    done = render(checkpoint, tmp_path / "out", "--from", tmp_path / "seen.png", "--denoise", "0.7")
    assert "seen.png says Hires checkpoint: other, which is not followed here" in done.output
    assert done.output.count("not followed") == 1
    found = parse_infotext(parameters_of(tmp_path / "out" / "0001-1.png"))
    assert found == replace(SHOT, hires=replace(hires, denoise=0.7))
    render(checkpoint, tmp_path / "plain", "--from", tmp_path / "seen.png", "--no-hires")
    assert parse_infotext(parameters_of(tmp_path / "plain" / "0001-1.png")) == SHOT


def test_an_upscaler_that_is_not_there_is_said_before_the_models_are_read(
    checkpoint: Path, upscalers: Path, tmp_path: Path
) -> None:
    words = (checkpoint, tmp_path / "out", *SMALL, "--hires-upscaler", "4x")
    done = render(*words, status=1)
    assert '--hires-upscaler: takes a model file ("4x"); name its folder with --upscalers' in done.output
    done = render(*words, "--upscalers", upscalers, status=1)
    assert 'holds no upscaler "4x" (it has 2x-Tiny)' in done.output
    assert "reading the models" not in done.output


def test_odd_words_of_the_second_pass_are_warned_of(checkpoint: Path, tmp_path: Path) -> None:
    words = (
        "--hires-prompt",
        "rust eyes:1.5, x",
        "--hires-negative",
        "a AND b",
        "--denoise",
        "0",
        "--hires-scale",
        "1",
    )
    done = render(checkpoint, tmp_path / "out", *SMALL, *words)
    assert 'warning: prompt: "rust eyes:1.5" has a weight' in done.output
    assert "warning: negative: " in done.output


# --------------------------------------------------------------------------------------------------------- options


TAKEN = Hires(resize=(128, 0), steps=5, denoise=0.4, sampler="Euler", schedule="Karras", prompt="old", negative="bad")


@pytest.mark.parametrize(
    ("given", "prompted", "changes"),
    [
        ({}, False, {}),
        ({"denoise": 0.5, "hires_steps": 0}, False, {"denoise": 0.5, "steps": 0}),
        ({"hires_scale": 1.5}, False, {"scale": 1.5, "resize": (0, 0)}),
        ({"hires_resize": "0x96"}, False, {"resize": (0, 96)}),
        ({"hires_sampler": "LMS"}, False, {"sampler": "LMS", "schedule": ""}),
        ({"hires_sampler": "LMS", "hires_schedule": "Beta"}, False, {"sampler": "LMS", "schedule": "Beta"}),
        ({"sampler": "DDIM"}, False, {}),
        ({"negative": "new"}, True, {"prompt": "", "negative": ""}),
        ({"negative": "new", "hires_negative": "own"}, False, {"negative": "own"}),
    ],
)
def test_options_are_laid_over_what_a_picture_says(
    given: dict[str, Any], prompted: bool, changes: dict[str, Any]
) -> None:
    found = with_hires(given, {"hires": TAKEN}, prompted=prompted)
    assert found.pop("hires") == replace(TAKEN, **changes)
    assert found == {name: value for name, value in given.items() if name in {"sampler", "negative"}}


def test_a_new_sampler_takes_the_schedule_of_a_second_pass_that_shares_it() -> None:
    taken = replace(TAKEN, sampler="")
    assert with_hires({"sampler": "DDIM"}, {"hires": taken})["hires"] == replace(taken, schedule="")


def test_without_any_option_there_is_no_hires_fix() -> None:
    assert with_hires({"cfg": 5.0}, {}) == {"cfg": 5.0}
    assert with_hires({"no_hires": True}, {"hires": TAKEN}) == {"hires": None}
    assert with_hires({"hires_scale": 1.5}, {})["hires"] == Hires(scale=1.5)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"hires_resize": "big"}, r'--hires-resize: must be width and height \("big"\)'),
        ({"no_hires": True, "hires_scale": 2.0, "denoise": 0.5}, "--hires-scale, --denoise is given too"),
    ],
)
def test_options_that_make_no_sense_say_so(given: dict[str, Any], said: str) -> None:
    with pytest.raises(StudyError, match=said):
        with_hires(given, {})

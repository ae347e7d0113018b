"""What a picture costs: counted work."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.architecture.widths import Widths
from engine.shots.hires import Hires
from engine.shots.shot import Shot
from studies.after_recipe.settings.cost import PictureCost
from studies.results.settings import PictureSettings

SHOT = Shot(prompt="a cat", seed=1, steps=20, sampler="DPM++ 2M Karras")
START = PictureSettings.of_shot(SHOT)
COST = PictureCost(shot=SHOT, size=(512, 512), widths=Widths())


def test_the_unit_is_a_guided_call_of_the_denoiser_and_decoding_comes_on_top() -> None:
    decoding = COST.of(START) - 20
    assert 0 < decoding < 3
    assert COST.of(replace(START, steps=30)) == pytest.approx(30 + decoding, abs=0.01)
    assert COST.of(replace(START, sampler="DPM++ SDE")) == pytest.approx(39 + decoding, abs=0.01)
    assert COST.of(replace(START, sampler="DDIM", schedule="Automatic")) == pytest.approx(19 + decoding, abs=0.01)
    assert COST.of(replace(START, cfg=1.0)) == pytest.approx(10 + decoding, abs=0.01)


def test_a_second_pass_counts_by_its_area_and_its_steps() -> None:
    hires = replace(START, hires=Hires(scale=2.0, denoise=0.5, steps=10))
    assert COST.of(hires) > 20 + 10 * 4
    assert COST.of(replace(hires, hires=Hires(scale=1.0, denoise=0.5, steps=10))) < 35
    assert COST.of(hires) < COST.of(replace(hires, hires=Hires(upscaler="Lanczos", scale=2.0, denoise=0.5, steps=10)))


def test_the_same_work_costs_the_same() -> None:
    assert COST.of(replace(START, clip_skip=2, cfg=3.0)) == COST.of(START)

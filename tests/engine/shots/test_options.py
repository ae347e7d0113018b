from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from engine.errors import RenderError
from engine.shots.infotext import infotext, read_fields, shot_settings, unfollowed
from engine.shots.options import USUAL, PictureOptions
from engine.shots.shot import Shot

SHOT = Shot(prompt="a (red:1.2) house", negative="grey", seed=5, sampler="Euler", schedule="Karras")
CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"emphasis": "No norm"}, "Emphasis: No norm"),
    ({"emphasis": "None"}, "Emphasis: None"),
    ({"ngms": 1.5}, "NGMS: 1.5"),
    ({"ngms": 1.5, "ngms_all": True}, "NGMS: 1.5, NGMS all steps: True"),
    ({"skip_early_cfg": 0.1}, "Skip Early CFG: 0.1"),
    ({"s_churn": 5.0}, "Sigma churn: 5"),
    ({"s_churn": 5.0, "s_tmin": 0.05, "s_tmax": 9.0}, "Sigma churn: 5, Sigma tmin: 0.05, Sigma tmax: 9"),
    ({"sigma_min": 0.1, "sigma_max": 10.0}, "Schedule min sigma: 0.1, Schedule max sigma: 10"),
    ({"rho": 5.0}, "Schedule rho: 5"),
    ({"variation_strength": 0.3}, "Variation seed: 0, Variation seed strength: 0.3"),
    ({"variation_seed": 9, "variation_strength": 0.3}, "Variation seed: 9, Variation seed strength: 0.3"),
    ({"seed_resize": (512, 768)}, "Seed resize from: 512x768"),
]


def test_a_shot_without_options_has_the_text_it_had() -> None:
    assert "options" not in json.loads(SHOT.text)
    idle = PictureOptions(ngms_all=True, s_tmin=1.0, s_tmax=2.0, variation_seed=7)
    assert replace(SHOT, options=idle).text == SHOT.text


def test_churn_between_no_levels_is_refused() -> None:
    with pytest.raises(RenderError, match=r"s_tmin: must not be above s_tmax \(5\.0\)"):
        replace(SHOT, options=PictureOptions(s_churn=1.0, s_tmin=5.0, s_tmax=1.0))


@pytest.mark.parametrize(("change", "pairs"), CHANGES)
def test_every_option_is_in_the_text_of_a_picture_and_read_back(change: dict[str, Any], pairs: str) -> None:
    shot = replace(SHOT, options=PictureOptions(**change))
    text = infotext(shot, model="m")
    assert f", {pairs}, " in text
    fields = read_fields(text)
    assert unfollowed(fields) == ()
    assert Shot(**shot_settings(fields)) == shot


@pytest.mark.parametrize("change", [change for change, _ in CHANGES])
def test_every_option_makes_another_picture(change: dict[str, Any]) -> None:
    shot = replace(SHOT, options=PictureOptions(**change))
    assert shot.key != SHOT.key
    assert json.loads(shot.text)["options"]


def test_options_are_those_of_the_second_pass_too() -> None:
    from engine.shots.hires import Hires

    shot = replace(SHOT, options=PictureOptions(emphasis="Ignore"), hires=Hires())
    assert shot.second is not None
    assert shot.second.options == shot.options


def test_no_limit_of_churn_is_how_a_webui_writes_it() -> None:
    fields = read_fields("a\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 1, Sigma churn: 5, Sigma tmax: inf")
    assert shot_settings(fields)["options"] == PictureOptions(s_churn=5.0)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"emphasis": "Loud"}, 'options.emphasis: must be one of Original, No norm, Ignore, None ("Loud")'),
        ({"ngms": -1.0}, "options.ngms: must be a number from 0.0 to 15.0 (-1.0)"),
        ({"skip_early_cfg": 2.0}, "options.skip_early_cfg: must be a number from 0.0 to 1.0 (2.0)"),
        ({"variation_seed": -1}, "options.variation_seed: must be a whole number"),
        ({"variation_strength": 1.5}, "options.variation_strength: must be a number from 0.0 to 1.0"),
        ({"sigma_min": 5.0, "sigma_max": 4.0}, "options.sigma_min: must be less than sigma_max (5.0)"),
        ({"seed_resize": (0, 512)}, "options.seed_resize: must be a width and a height from 8 to 4096"),
    ],
)
def test_what_is_out_of_range_is_named(change: dict[str, Any], problem: str) -> None:
    with pytest.raises(RenderError) as caught:
        replace(SHOT, options=PictureOptions(**change))
    assert problem in str(caught.value)


def test_churn_counts_for_the_samplers_that_take_it() -> None:
    churned = PictureOptions(s_churn=5.0)
    assert replace(SHOT, options=churned, s_noise=0.9, ensd=3).noise_settings == {"s_noise": 0.9, "ensd": 3}
    assert replace(SHOT, options=churned, s_noise=0.9).noise_factor == 0.9
    other = replace(SHOT, options=churned, sampler="DPM++ 2M", s_noise=0.9)
    assert not other.churns
    assert other.noise_settings == {}
    assert replace(SHOT, s_noise=0.9).noise_factor == 1
    assert USUAL.fields == {}

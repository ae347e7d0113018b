"""What old versions of the WebUI did otherwise: their numbers, and what a picture's text asks for by them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.shots.compatibility import Compatibility, VersionNumber, number_of_version
from engine.shots.infotext import infotext, read_fields, unfollowed
from engine.shots.shot import Shot
from tests.engine.shots.infotexts import parse_infotext

EVERY = Compatibility(old_timelines=True, padded_negatives=True, half_levels=True)
LINE = "Steps: 20, CFG scale: 7, Seed: 1, Size: 64x64"


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("v1.6.0", (1, 6, 0, 0, 0)),
        ("1.5.2", (1, 5, 2, 0, 0)),
        ("v1.6.0-2-g4afaaf8a", (1, 6, 0, 0, 2)),
        ("v1.7.0-225-gdeadbee", (1, 7, 0, 0, 225)),
        ("v1.8.0-RC", (1, 8, 0, -1, 0)),
        ("v1.8.0-RC-23-gdeadbee", (1, 8, 0, -1, 0)),
        ("v1.10.1", (1, 10, 1, 0, 0)),
        ("1.9", (1, 9, 0, 0, 0)),
        ("", None),
        ("ComfyUI", None),
        ("f2.0.1v1.10.1-previous-665-gae278f79", None),
        ("neo", None),
        ("8cc5ae9", None),
        ("sd-recipe-search 0.1.0", None),
        ("v1.10.1-amd-2-g395ce8dc", None),
    ],
)
def test_versions_are_numbers_that_can_be_compared(text: str, number: VersionNumber | None) -> None:
    assert number_of_version(text) == number


@pytest.mark.parametrize(
    ("prompt", "sampler", "version", "expected"),
    [
        ("a [b:c:.5]", "Euler", "v1.5.2", Compatibility(old_timelines=True, half_levels=True)),
        ("a", "Euler", "v1.5.2", Compatibility(half_levels=True)),
        ("a", "DDIM", "v1.5.2", Compatibility(padded_negatives=True, half_levels=True)),
        (
            "a [b]",
            "DDIM",
            "v1.6.0-RC-1-gabc1234",
            EVERY,
        ),
        ("a [b]", "DDIM", "v1.6.0", Compatibility(half_levels=True)),
        ("a [b]", "DDIM", "v1.7.0-224-gabc1234", Compatibility(half_levels=True)),
        ("a [b]", "DDIM", "v1.7.0-225-gabc1234", Compatibility()),
        ("a [b]", "DDIM", "v1.8.0-RC", Compatibility()),
        ("a [b]", "DDIM", "v1.10.1", Compatibility()),
        ("a [b]", "DDIM", "", Compatibility()),
        ("a [b]", "DDIM", "f0.0.17v1.8.0rc-latest-276-g29be1da7", Compatibility()),
        ("a [b]", "DDIM", "ComfyUI", Compatibility()),
    ],
)
def test_texts_of_old_versions_mean_what_they_meant(
    prompt: str, sampler: str, version: str, expected: Compatibility
) -> None:
    pairs = f"Sampler: {sampler}" + (f", Version: {version}" if version else "")
    shot = parse_infotext(f"{prompt}\n{LINE}, {pairs}")
    assert shot.compatibility == expected
    again = infotext(shot, model="m")
    assert parse_infotext(again) == shot, "a picture made again says it too"
    assert unfollowed(read_fields(again)) == ()


def test_the_webuis_own_keys_are_read_and_written() -> None:
    keys = "Old prompt editing timelines: True, Pad conds v0: True, Downcast alphas_cumprod: True"
    shot = parse_infotext(f"a\n{LINE}, Sampler: Euler, {keys}, Version: v1.10.1")
    assert shot.compatibility == Compatibility(old_timelines=True, padded_negatives=True, half_levels=True)
    assert f", {keys}, Version: sd-recipe-search" in infotext(shot, model="m")
    assert parse_infotext(f"a\n{LINE}, Sampler: Euler, Pad conds v0: False").compatibility == Compatibility()


def test_the_key_of_a_shot_knows_them() -> None:
    today = Shot(prompt="a", seed=1)
    every = [replace(today, compatibility=Compatibility(**{name: True})) for name in (
        "old_timelines", "padded_negatives", "half_levels",
    )]  # fmt: skip
    assert len({today.key, *(shot.key for shot in every)}) == 4
    assert "old_timelines" not in today.text

"""Which settings are searched, and the values that a person asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from studies.after_recipe.settings.axes import ORDER, AskedValues, asked_values
from studies.errors import StudyError


def names(asked: AskedValues, *, hires: bool) -> list[str]:
    return [kind.name for kind in asked.axes(hires=hires)]


def test_the_order_is_that_of_the_article() -> None:
    article = ["Sampler", "VAE", "Hires upscaler", "CFG Scale", "Denoising", "Steps", "Hires steps", "Clip skip"]
    assert names(AskedValues(), hires=True) == [*article, "Hires upscale"]
    assert names(AskedValues(), hires=False) == ["Sampler", "VAE", "CFG Scale", "Steps", "Clip skip"]
    assert names(AskedValues(size=True), hires=False)[-1] == "Size"


def test_what_a_person_asks_for_is_read_as_a_plot_reads_it() -> None:
    asked = asked_values(["cfg scale = 4-9 (+2)", "Sampler = Euler a, DPM++ 2M Karras"], ["Steps=20,30,20"])
    assert asked.by_axis == {
        "CFG Scale": (4.0, 6.0, 8.0),
        "Sampler": ("Euler a", "DPM++ 2M Karras"),
        "Steps": (20, 30),
    }
    assert asked.hires is None


def test_the_command_line_takes_the_place_of_the_file() -> None:
    asked = asked_values(["Steps = 20", "CFG Scale = 5"], ["Steps = 30"])
    assert asked.by_axis == {"Steps": (30,), "CFG Scale": (5.0,)}


def test_a_setting_that_only_a_person_asks_for_stands_in_its_place() -> None:
    assert "Schedule type" not in names(AskedValues(), hires=True)
    asked = asked_values(["Schedule type = Karras, Exponential", "Size = 512x768"])
    found = names(asked, hires=False)
    assert found.index("Schedule type") == found.index("Sampler") + 1
    assert found[-1] == "Size"


def test_a_value_of_a_second_pass_asks_for_one() -> None:
    assert asked_values(["Denoising = 0.4"]).hires is True
    with pytest.raises(StudyError, match=r"--try: Denoising, Hires steps: settings of a second pass, and --no-hires"):
        asked_values(["Denoising = 0.4", "Hires steps = 5"], hires=False)


def test_vae_files_start_from_the_study_files_folder(tmp_path: Path) -> None:
    asked = asked_values(["VAE = kl-f8.safetensors, merged, None, /other.safetensors"], here=tmp_path)
    assert asked.by_axis["VAE"] == (tmp_path / "kl-f8.safetensors", None, Path("/other.safetensors"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Stepz = 3", r"settings\.try\[1\]: there is no setting 'Stepz'; these can be searched: Steps, Hires steps, "),
        ("Seed = 1-4", r"Seed is not searched; these can be searched: Sampler, Schedule type"),
        ("denoise strength = 0.4", r"there is no setting 'denoise strength'; these can be searched: Denoising, "),
        ("CFG = 4", r"there is no setting 'CFG'; these can be searched: CFG Scale, .*Sampler.*Size$"),
        ("Steps", r"'Steps' has no values; write them behind a ="),
        ("Steps = ", r"settings\.try\[1\]: axis Steps: has no values"),
        ("Steps = many", r"value 'many'"),
        ("Steps = 1-150", r"Steps has 150 values; at most 24 are compared"),
    ],
)
def test_what_cannot_be_searched_is_refused(text: str, message: str) -> None:
    with pytest.raises(StudyError, match=message):
        asked_values([text])


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(StudyError) as caught:
        asked_values(["Steps = 20", "steps = 30", "Seed = 1"], ["CFG Scale = x"])
    text = str(caught.value)
    assert "Steps is given twice; write all its values into one list" in text
    assert "Seed is not searched" in text
    assert "--try: axis CFG Scale: value 'x'" in text


def test_every_setting_is_an_axis_of_plots() -> None:
    assert len({kind.name for kind in AskedValues(size=True).axes(hires=True)} | {*ORDER}) == len(ORDER)

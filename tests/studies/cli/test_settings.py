"""``recipe-search settings`` through the command line."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from studies.cli.main import main
from studies.cli.measures.settings import value_table
from studies.results.settings_file import all_settings
from studies.review.approval import approve_recipe
from studies.studyfile.read import read_study_file
from tests.studies.cards.made_settings import SAMPLERS
from tests.studies.sample_study import write_small_study

FEW = ("--try", "Sampler=Euler a", "--try", "CFG Scale=2", "--try", "Steps=2,3", "--try", "Clip skip=1,99")


def settings(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["settings", *map(str, arguments)])


def test_costs_come_first_then_every_step_then_the_recommendation(copied: Path) -> None:
    done = settings(copied, *FEW, "--pictures", 4)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    places = [
        next(at for at, line in enumerate(lines) if words in line)
        for words in (
            "settings of finalist 1",
            "not tried: Clip skip 99: clip_skip: must be a whole number from 1 to 12",
            "2 settings with 4 values, 12 to 28 pictures; about ",
            "judged on 4 held-out pictures of the proof",
            "Clip skip: nothing was tried (there is no other value to try)",
            "recommended for finalist 1",
            "rendered now",
            "wrote ",
        )
    ]
    assert places == sorted(places)
    (result,) = all_settings(read_study_file(copied).storage.folder)
    assert result.finished
    assert any(f"  Steps: {result.final.steps}" in line for line in lines)
    again = settings(copied, *FEW, "--pictures", 4)
    assert f"{result.pictures} pictures, 0 of them rendered now" in again.output


def test_the_newest_pin_is_searched_where_there_is_one_and_a_file_where_it_is_named(copied: Path) -> None:
    spec = read_study_file(copied)
    options = (
        "--try",
        "Sampler=DPM++ 2M",
        "--try",
        "CFG Scale=2",
        "--try",
        "Steps=2",
        "--try",
        "Clip skip=1",
        "--pictures",
        4,
    )
    approve_recipe(spec.storage, finalist=2, trial=None, note="for the tests", by="tester")
    assert "recommended for pin 1:" in settings(copied, *options).output
    done = settings(copied, spec.merge.models["B"], *options)
    assert "recommended for lamplight.safetensors:" in done.output, done.output
    assert "both given" in settings(copied, spec.merge.models["B"], "--finalist", 1).output


def test_pictures_of_a_calibration_are_not_counted(tmp_path: Path) -> None:
    study = write_small_study(tmp_path)
    options = ("--try", "Sampler=DPM++ 2M", "--try", "CFG Scale=2", "--try", "Steps=2,3", "--try", "Clip skip=1")
    done = settings(study, tmp_path / "lamplight.safetensors", *options, "--pictures", 4)
    assert "8 pictures, 8 of them rendered now" in done.output, done.output


def test_all_settings_at_once(copied: Path) -> None:
    done = settings(copied, *FEW, "--pictures", 8, "--joint")
    assert done.exit_code == 0, done.output
    assert "recommended for finalist 1" in done.output
    (result,) = all_settings(read_study_file(copied).storage.folder)
    assert result.mode == "joint"
    assert "settings at once" in CliRunner().invoke(main, ["show", str(copied)]).output
    by_steps = settings(copied, *FEW, "--pictures", 8)
    assert by_steps.exit_code == 0, by_steps.output
    assert {one.mode for one in all_settings(read_study_file(copied).storage.folder)} == {"steps", "joint"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ("--try", "Stepz=3"),
            "Error: --try: there is no setting 'Stepz'; these can be searched: Steps, Hires steps, ",
        ),
        (("--try", "Seed=3"), "Error: --try: Seed is not searched"),
        (("--no-hires", "--try", "Denoising=0.4"), "--no-hires leaves it out"),
        (("--finalist", "9"), "finalist"),
        (("--pictures", "2"), "2 is not in the range 4<=x<=10000"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_rendered(
    copied: Path, options: tuple[str, ...], message: str
) -> None:
    done = settings(copied, *options)
    assert done.exit_code != 0
    assert message in done.output
    assert not (read_study_file(copied).storage.folder / "settings").exists()


def test_the_study_file_says_what_is_tried(copied: Path) -> None:
    copied.write_text(
        copied.read_text() + '\n[settings]\ntry = ["Steps = 2, 7", "Sampler = DPM++ 2M", "Clip skip = 1"]\n'
    )
    done = settings(copied, "--try", "CFG Scale=2", "--pictures", 4)
    assert "  Steps: 2, 7\n" in done.output
    assert "1 setting with 2 values" in done.output


def test_the_card_lies_beside_the_result(copied: Path) -> None:
    assert settings(copied, *FEW, "--pictures", 4).exit_code == 0
    (folder,) = (read_study_file(copied).storage.folder / "settings").iterdir()
    names = {path.name for path in folder.iterdir()}
    assert {"result.json", "card.md", "card.json", "card.txt"} <= names
    assert any(name.startswith("grid-") for name in names)
    assert json.loads((folder / "card.json").read_text())


@pytest.mark.parametrize("width", [60, 80, 120])
def test_intervals_of_values_stay_whole_on_any_terminal(width: int) -> None:
    def drawn(*, seconds: float | None) -> str:
        out = io.StringIO()
        values = [replace(value, seconds=seconds) for value in SAMPLERS.values]
        Console(file=out, width=width).print(value_table("Sampler", values))
        return out.getvalue()

    assert "-0.42 -0.71 to -0.13  60.0" in drawn(seconds=None)
    assert "seconds" not in drawn(seconds=None), "no column is empty"
    assert "-0.42 -0.71 to -0.13  60.0    1.25       24 " in drawn(seconds=1.25)
    assert "…" not in drawn(seconds=1.25)

"""`recipe-search probe` from the outside."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from studies.cli.main import main
from studies.results.folklore import read_folklore
from studies.results.probe import read_probe
from studies.sample.world import write_world


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["probe", *map(str, arguments)])


def test_a_study_is_probed_told_and_drawn(copied: Path) -> None:
    options = ("--blocks", "IN02,OUT11", "--self", "none", "--adjust", "CONT", "--design", "one", "--prompts", "4")
    done = run(copied, *options)
    assert done.exit_code == 0, done.output
    assert done.output.startswith("3 knobs: 8 recipes one at a time, 4 shots each: 36 pictures, about ")
    assert "CONT moves brightness most: " in done.output
    assert "Of 25 claims" in done.output
    folder = copied.parent / "runs" / "small"
    result = read_probe(folder)
    assert result is not None
    assert result.drawn == 36
    assert [knob.name for knob in result.knobs] == ["IN02", "OUT11", "adjust:CONT"]
    for name in ("matrix-one-at-a-time.png", "strongest.png", *result.strips.values()):
        with Image.open(folder / "probe" / name) as picture:
            assert picture.width > 300
    assert result.strips.keys() == {"IN02", "OUT11", "adjust:CONT"}
    assert read_folklore(folder) is not None
    assert "\n36 pictures rendered; " in done.output
    again = run(copied, *options)
    assert "\n0 pictures rendered; " in again.output
    assert again.output.split("\n\n", 1)[1] == done.output.split("\n\n", 1)[1]
    found = read_probe(folder)
    assert found is not None
    assert found.drawn == 0


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--blocks", "OUT5"), "did you mean OUT05?"),
        (("--self", "OUT05:atn1"), "atn1"),
        (("--adjust", "CONTRAST"), "CONT"),
        (("--base", "GRAD_W"), "GRAD_V"),
        (("--pictures", "10"), "--pictures"),
        (("--blocks", "none", "--self", "none", "--adjust", "none"), "nothing is left to probe"),
    ],
)
def test_what_cannot_be_probed_is_told_before_anything_is_opened(
    copied: Path, options: tuple[str, ...], part: str
) -> None:
    done = run(copied, *options)
    assert done.exit_code == 1
    assert part in done.output
    assert "probing" not in done.output


PAIR = ("-p", "a red cat on the beach", "-p", "a blue house in the city", "--steps", "2", "--cfg", "2")
SMALL = ("--width", "64", "--height", "64", "--blocks", "IN01", "--adjust", "CONT", "--design", "one", "--prompts", "4")


def test_two_checkpoints_need_no_study_and_are_rendered_once(tmp_path: Path) -> None:
    write_world(tmp_path)
    pair = (tmp_path / "closeups.safetensors", tmp_path / "lamplight.safetensors")
    done = run(*pair, *PAIR, *SMALL)
    assert done.exit_code == 0, done.output
    assert "CONT moves brightness most: " in done.output
    assert "style was not measured: that takes a study with references" in done.output
    folder = tmp_path / "closeups-lamplight-probe"
    result = read_probe(folder)
    assert result is not None
    assert [column.name for column in result.columns] == [
        "pixels", "colour", "warmth", "saturation", "contrast", "brightness", "detail", "composition"
    ]  # fmt: skip
    assert {shot.prompt for shot in result.shots} == {"a red cat on the beach", "a blue house in the city"}
    assert (result.drawn, result.study) == (28, "closeups-lamplight")
    assert all(one.value is None for one in result.recipes)
    assert (folder / "probe" / "strongest.png").is_file()
    run(*pair, *PAIR, *SMALL, "--out", folder)
    again = read_probe(folder)
    assert again is not None
    assert (again.drawn, again.effects) == (0, result.effects)


def test_what_two_checkpoints_and_a_study_do_not_take_is_told(copied: Path) -> None:
    a, b = copied.parent / "closeups.safetensors", copied.parent / "lamplight.safetensors"
    for arguments, part in (
        ((a, b), "--prompt"),
        ((a, b, "-p", "a cat", "--width", "65"), "width"),
        ((a, copied, "-p", "a cat"), "study.toml"),
        ((a, b, copied), "not 3 files"),
        ((copied, "-p", "a cat", "--steps", "3"), "--prompt, --steps: a study says that itself"),
        ((a, b, "-p", "a cat", "--base", "pin"), "pin"),
    ):
        done = run(*arguments)
        assert done.exit_code in (1, 2), done.output
        assert part in done.output

"""`recipe-search probe` from the outside."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from studies.cli.main import main
from studies.results.folklore import read_folklore
from studies.results.probe import read_probe


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
    again = run(copied, *options)
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

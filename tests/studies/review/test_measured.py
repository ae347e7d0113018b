"""What `recipe-search show` says of situations, settings and probe."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import Problems
from studies.review.measured import measured_lines
from tests.studies.pages.made_results import (
    KEY,
    made_probe,
    write_made_probe,
    write_made_settings,
    write_made_situations,
    write_results,
)


def lines_of(folder: Path) -> list[str]:
    problems = Problems()
    lines = list(measured_lines(folder, problems))
    assert problems.found == []
    return lines


def test_nothing_measured_is_no_line(tmp_path: Path) -> None:
    assert lines_of(tmp_path) == []


def test_situations_in_a_line_with_their_weak_spots(tmp_path: Path) -> None:
    write_made_situations(tmp_path)
    lines = lines_of(tmp_path)
    assert lines[0] == (
        "situations, finalist 1, suite sample: of 12 situations 2 better than all parents, 1 worse than all, "
        "1 worse than one, 8 cannot be told"
    )
    assert "  over all situations: +0.40 [+0.30, +0.50] vs A" in lines
    assert "  weak spot, light: lamp, worse pictures: worse by lamp" in lines


def test_settings_say_what_is_to_be_changed(tmp_path: Path) -> None:
    write_made_settings(tmp_path)
    head, *steps = lines_of(tmp_path)
    assert head == "recommended settings, pin 1: Sampler DDIM instead of Euler a, Steps 6 instead of 8"
    assert steps[0] == "  Sampler: DDIM is the best, and no cheaper one comes up to it"


def test_probe_names_the_largest_effects_of_each_measure(tmp_path: Path) -> None:
    write_made_probe(tmp_path)
    lines = lines_of(tmp_path)
    assert lines[0] == "probe, one at a time: 57 recipes, 228 pictures; told from noise, in times the noise of seeds:"
    clear = [one for one in made_probe().ranked("style", "one at a time") if one.clear]
    (style,) = [line for line in lines[1:9] if line.startswith("  style: ")]
    assert style.startswith(f"  style: {clear[0].knob} {clear[0].ratio:.2g}, ")
    assert style.endswith(f" and {len(clear) - 3} more")
    assert lines[-1] == "  what people say of blocks: Another pair may answer otherwise."


@pytest.mark.parametrize("broken", [f"situations/{KEY}-sample", f"settings/{KEY}", "probe"])
def test_what_is_damaged_is_a_problem_and_the_rest_is_shown(tmp_path: Path, broken: str) -> None:
    write_results(tmp_path)
    (tmp_path / broken / "result.json").write_text("[]")
    problems = Problems()
    heads = {line.partition(",")[0] for line in measured_lines(tmp_path, problems) if not line.startswith(" ")}
    assert len(heads) == 2
    (problem,) = problems.found
    assert "is damaged" in str(problem)

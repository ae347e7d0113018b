"""What the terminal says of an examination."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from rich.console import Console

from studies.after_recipe.situations.showing.report import report_lines, weak_spots_table
from studies.results.situations import BETTER, LEVEL, WORSE, SituationsResult
from tests.studies.results.test_situations_result import BLUE, RED, RESULT_OF_BOTH


def lines(result: SituationsResult) -> list[str]:
    return [*report_lines(result, Path("run"))]


def test_a_weak_spot_is_not_praised() -> None:
    praised = replace(RESULT_OF_BOTH, situations=(replace(RED, verdict=BETTER), replace(BLUE, verdict=BETTER)))
    assert "better than every parent, and no weak spot: colour: blue" in lines(praised)
    console = Console(record=True, width=120, quiet=False, stderr=True)
    console.print(weak_spots_table(praised))
    assert "`red` is no longer obeyed" in console.export_text()


def test_counts_overall_and_pictures() -> None:
    said = lines(RESULT_OF_BOTH)
    assert said[0] == "2 situations against A and B: 0 better, 1 worse, 0 worse than one, 1 not told apart"
    assert "over all situations: +1.00 [+0.50, +1.50] vs A (95% interval)" in said
    assert "words that pictures show: 25% (A 100%, B 88%)" in said
    assert "a remark" in said
    assert "36 pictures of at most 48; the 4 intervals of single situations hold together with 95%" in said
    assert said[-1] == f"all situations: {Path('run/situations/abababababab-sample-0f1e2d/overview.png')}"
    assert (RED.verdict, BLUE.verdict) == (WORSE, LEVEL)


def test_without_weak_spots_that_is_said_first() -> None:
    sound = replace(RESULT_OF_BOTH, weak_spots=(), sheet="")
    assert lines(sound)[0] == "no weak spot: in no situation is finalist 1 behind every parent beyond the noise"
    assert not any(line.startswith("weak spots: ") for line in lines(sound))

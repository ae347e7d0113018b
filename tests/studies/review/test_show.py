"""What `recipe-search show` says of a study."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner
from optuna.trial import create_trial

from studies.cli.main import main
from studies.review.show import penalty_lines
from studies.store.storage import StudyStore


def test_a_journal_that_lost_its_end_is_said(copied: Path) -> None:
    def shown() -> str:
        done = CliRunner().invoke(main, ["show", str(copied)])
        assert done.exit_code == 0, done.output
        return done.output

    assert "its end is lost" not in shown()
    journal = copied.parent / "runs/small/journal.log"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[: len(lines) // 2]))
    assert "The outcome was made of 13 trials with a value, and the journal holds" in shown()


def test_a_narrow_terminal_gets_fewer_scorers_and_no_number_cut_off(copied: Path) -> None:
    def shown(columns: int) -> str:
        done = CliRunner().invoke(main, ["show", str(copied)], env={"COLUMNS": str(columns)})
        assert done.exit_code == 0, done.output
        assert "…" not in done.output
        return done.output

    best = StudyStore(copied.parent / "runs/small", "small").trials()
    names = list(max(best, key=lambda trial: trial.value or 0).user_attrs["scores"])
    heading = next(line for line in shown(80).splitlines() if line.startswith(" trial stage"))
    assert heading.split() == ["trial", "stage", "score", "±", *names, "recipe"]
    heading = next(line for line in shown(50).splitlines() if line.startswith(" trial stage"))
    assert heading.split() == ["trial", "stage", "score", "±", *names[:2], "recipe"]
    assert f"no room here for {', '.join(names[2:])}; --csv has every score" in shown(50)


def test_penalties_stand_below_the_table_with_their_names() -> None:
    trial = create_trial(
        value=1.5, user_attrs={"stage": "flat", "penalties": {"colourfulness": 0.25, "sharpness": 0.001}}
    )
    trial.number = 44
    assert [*penalty_lines([trial])] == ["penalties, in these scores already: colourfulness 0.25 of trial 44"]
    assert not [*penalty_lines([])]

"""What `recipe-search show` says of a study beside its tables."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner

from studies.cli.main import main


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

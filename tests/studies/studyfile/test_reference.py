from __future__ import annotations

import pytest

from studies.studyfile.reference import BEGIN, END, key_tables, main, readme_with

ROWS = key_tables().splitlines()


@pytest.mark.parametrize(
    "row",
    [
        "| `seed` | whole number, 0 to 2^32 - 1 | `0` |",
        "| `A` | text | required |",
        "| `references` | text, or list of texts | required |",
        "| `eta` | number, 0 to 1 |  |",
        '| `encoder` | text, or table of two texts | `"clip-l"` |',
        '| `shots` | `"auto"`, or whole number from 4 | `"auto"` |',
        "| `adjust` | table of lists of 2 to 3 numbers |  |",
        "| `freeze` | table of numbers, -2 to 3 | `{ BASE = 0.0 }` |",
        "| `step` | number, 0.000001 to 1 | `0.001` |",
    ],
)
def test_a_row_says_what_a_person_writes(row: str) -> None:
    assert any(line.startswith(row) for line in ROWS)


def test_every_table_of_a_study_file_has_a_section() -> None:
    sections = [line.strip("# `") for line in ROWS if line.startswith("#")]
    assert sections == [
        *("[study]", "[models]", "[target]", "[render]", "[render.hires]"),
        *("[render.options]", "[[prompts]]", "[proof]", "[merge]"),
        *("[space]", "[space.blocks]", "[space.second]", "[space.self]", "[space.choices]"),
        *("[search]", "[scorers]", "[situations]", "[settings]", "[device]"),
    ]


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    assert readme_with(f"before\n{BEGIN}old\n{END}after\n", "new\n") == f"before\n{BEGIN}\nnew\n\n{END}after\n"
    with pytest.raises(ValueError, match="a mark is missing"):
        readme_with(f"before\n{BEGIN}old\n", "new\n")


def test_the_command_prints_the_tables(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["reference"])
    main()
    assert capsys.readouterr().out == key_tables()

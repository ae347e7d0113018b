"""Answers to folklore are kept beside the result of the probe."""

from __future__ import annotations

from pathlib import Path

import pytest

from studies.errors import StudyError
from studies.results.folklore import AGREES, Folklore, FolkloreAnswer, folklore_file, read_folklore, write_folklore

SOME = Folklore(
    answers=(FolkloreAnswer(claim="IN02 is about lines", source="ö", address="", answer=AGREES, reason="1. of 26"),),
    remark="Of 1 claim, this pair agrees with 1.",
)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert read_folklore(tmp_path) is None
    assert write_folklore(tmp_path, SOME) == folklore_file(tmp_path)
    assert read_folklore(tmp_path) == SOME


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    write_folklore(tmp_path, SOME).write_text('{"answers": [{"claim": 3}], "remark": ""}')
    with pytest.raises(StudyError, match="recipe-search probe"):
        read_folklore(tmp_path)

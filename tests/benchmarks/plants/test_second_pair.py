"""The second pair is made of a finished training, and says what is missing where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.plants.second_pair import FOLDER, NEEDED, lacking, second_pair, training_folder


def test_a_folder_that_is_not_named_or_not_finished_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER, raising=False)
    assert lacking(training_folder()).startswith(f"set {FOLDER} to the folder")
    monkeypatch.setenv(FOLDER, str(tmp_path))
    (tmp_path / NEEDED[0]).touch()
    assert f"{tmp_path}: lacks {', '.join(NEEDED[1:])}; finish" in lacking(training_folder())
    for name in NEEDED:
        (tmp_path / name).touch()
    assert lacking(tmp_path) == ""


def test_what_was_packed_is_not_trained_again(tmp_path: Path) -> None:
    (tmp_path / "packed_second").mkdir()
    (tmp_path / "packed_second" / "training.json").write_text("{}")
    assert second_pair(tmp_path) == tmp_path / "packed_second"

"""Which studies a server shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from studies.errors import StudyError
from studies.pages.library import Library
from tests.studies.sample_study import write_small_study


def test_studies_of_a_folder_are_found_and_other_files_are_not(tmp_path: Path) -> None:
    for name in ("one", "deep/two"):
        (tmp_path / name).mkdir(parents=True)
        write_small_study(tmp_path / name)
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n[tool.models]\n')
    (tmp_path / "recipe.toml").write_text('[models]\nA = "a.safetensors"\n')
    found = Library([tmp_path]).studies()
    assert [reader.file.parent.name for reader in found.values()] == ["one", "two"]
    assert list(found) == ["small", "small-2"]


def test_a_study_that_comes_later_is_found_too(tmp_path: Path) -> None:
    library = Library([tmp_path])
    assert not library.studies()
    (tmp_path / "late").mkdir()
    write_small_study(tmp_path / "late")
    assert list(library.studies()) == ["small"]


def test_a_study_file_with_mistakes_keeps_its_place(tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    file = write_small_study(tmp_path / "broken")
    file.write_text(file.read_text().replace("[models]", "[models]\nA = 3"))
    assert list(Library([file]).studies()) == ["broken"]


def test_a_place_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match="does not exist"):
        Library([tmp_path / "nowhere"])


def test_a_study_keeps_its_address_while_its_file_has_mistakes(tmp_path: Path) -> None:
    file = write_small_study(tmp_path)
    library = Library([file])
    assert list(library.studies()) == ["small"]
    file.write_text(file.read_text() + "\n[mistake\n")
    assert list(library.studies()) == ["small"]

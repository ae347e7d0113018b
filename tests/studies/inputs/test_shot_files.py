"""What shots name and the study does not: embeddings and upscalers, by what is in their files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from engine.shots.hires import Hires
from engine.shots.shot import Shot
from studies.inputs.shot_files import ShotFiles
from studies.studyfile.read import read_study_file
from studies.studyfile.spec import StudySpec
from tests.studies.night.test_embeddings import write_embeddings
from tests.studies.study_text import STUDY, write_study


@pytest.fixture
def spec(tmp_path: Path) -> StudySpec:
    write_embeddings(tmp_path / "words", 8)
    (tmp_path / "large").mkdir()
    (tmp_path / "large" / "4x-Sharp.pth").write_bytes(b"one")
    folders = '[render]\nembeddings = "words"\nupscalers = "large"\n'
    text = STUDY.replace("[render]\n", folders).replace('negative = "', 'negative = "EasyNegativeV2, ')
    return read_study_file(write_study(tmp_path, text))


def words(spec: StudySpec, **changes: object) -> list[str]:
    """Kind and name of every word; a file's content is its last part."""
    found = ShotFiles(spec.rendering, spec.shots).words([replace(spec.shots.trials[0], **changes)])  # pyright: ignore[reportArgumentType]
    return [word.rpartition(" ")[0] for word in found]


def test_what_the_study_names_has_no_word(spec: StudySpec) -> None:
    assert "EasyNegativeV2" in spec.shots.trials[0].negative
    assert words(spec) == words(spec, seed=99) == words(spec, prompt="another, EasyNegativeV2") == []


def test_embeddings_and_upscalers_of_other_shots_have_one(spec: StudySpec) -> None:
    hires = Hires(upscaler="4x-Sharp", prompt="EasyNegativeV2, negative_hand-neg")
    assert words(spec, prompt="a negative_hand-neg") == ["embedding negative_hand-neg"]
    assert words(spec, negative="negative_hand-neg") == ["embedding negative_hand-neg"]
    assert words(spec, hires=hires) == ["embedding negative_hand-neg", "upscaler 4x-Sharp"]
    assert words(spec, hires=Hires(upscaler="Lanczos")) == []


def test_another_file_of_the_same_name_is_another_word(spec: StudySpec, tmp_path: Path) -> None:
    shots = [Shot(prompt="negative_hand-neg", seed=1, hires=Hires(upscaler="4x-Sharp"))]
    first = ShotFiles(spec.rendering, spec.shots).words(shots)
    write_embeddings(tmp_path / "words", 8, seed=10)
    (tmp_path / "large" / "4x-Sharp.pth").write_bytes(b"other")
    other = ShotFiles(spec.rendering, spec.shots).words(shots)
    assert len(set(first) | set(other)) == 4


def test_a_file_that_cannot_be_read_is_told_where_it_is_used(spec: StudySpec, tmp_path: Path) -> None:
    (tmp_path / "large" / "4x-Sharp.pth").unlink()
    (tmp_path / "words" / "more").mkdir()
    (tmp_path / "words" / "more" / "negative_hand-neg.pt").write_bytes(b"")
    shots = [Shot(prompt="negative_hand-neg", seed=1, hires=Hires(upscaler="4x-Sharp"))]
    assert ShotFiles(spec.rendering, spec.shots).words(shots) == (
        "embedding a file unreadable",
        "upscaler 4x-Sharp unreadable",
    )

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from studies.errors import StudyError
from studies.studyfile import read_study_file
from studies.template import study_template, write_template


def test_the_template_is_a_right_study_file(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    write_template(path, study_template(name="night", a="x/a.safetensors", b='b "2".safetensors'))
    spec = read_study_file(path)
    assert spec.name == "night"
    assert spec.models == {"A": tmp_path / "x/a.safetensors", "B": tmp_path / 'b "2".safetensors'}
    assert len(spec.shots) == 6
    assert len(spec.proof_shots) == 6
    assert spec.encoder == "clip-l"


def test_commented_values_are_the_defaults(tmp_path: Path) -> None:
    """Uncommenting every default changes nothing."""
    text = study_template()
    bare = re.sub(r"(?m)^# ([\w.]+ = )(?!\"people\")", r"\1", text)
    assert bare != text
    assert len(re.findall(r"(?m)^# ", bare)) < len(re.findall(r"(?m)^# ", text)) - 15
    one, other = tmp_path / "one.toml", tmp_path / "other.toml"
    one.write_text(text)
    other.write_text(bare)
    assert replace(read_study_file(other), file=one) == read_study_file(one)


@pytest.mark.parametrize("name", ["C:\\models\\new\\a.safetensors", "モデル.safetensors", "tab\there", "@NAME@"])
def test_any_path_is_quoted_rightly(tmp_path: Path, name: str) -> None:
    path = tmp_path / "study.toml"
    path.write_text(study_template(a=name), encoding="utf-8")
    assert read_study_file(path).models["A"] == tmp_path / name


def test_nothing_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text("mine")
    with pytest.raises(StudyError, match="is there already"):
        write_template(path, "new")
    assert path.read_text() == "mine"
    with pytest.raises(StudyError, match="cannot be written"):
        write_template(path / "below" / "study.toml", "new")

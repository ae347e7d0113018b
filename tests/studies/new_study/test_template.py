from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import save_file

from studies.cli.main import main
from studies.errors import StudyError
from studies.new_study.template import study_template, write_template
from studies.studyfile.read import read_study_file


def test_the_template_is_a_right_study_file(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    write_template(path, study_template(name="night", a="x/a.safetensors", b='b "2".safetensors'))
    spec = read_study_file(path)
    assert spec.storage.name == "night"
    assert spec.merge.models == {"A": tmp_path / "x/a.safetensors", "B": tmp_path / 'b "2".safetensors'}
    assert len(spec.shots.trials) == 16
    assert len(spec.shots.proof) == 24
    assert spec.scoring.encoder == "clip-l"


def test_commented_values_are_the_defaults(tmp_path: Path) -> None:
    """Uncommenting every default changes nothing."""
    text = study_template()
    bare = re.sub(r"(?m)^# ([\w.]+ = )(?!\"people\")", r"\1", text)
    assert bare != text
    assert len(re.findall(r"(?m)^# ", bare)) < len(re.findall(r"(?m)^# ", text)) - 15
    one, other = tmp_path / "one.toml", tmp_path / "other.toml"
    one.write_text(text)
    other.write_text(bare)
    spec = read_study_file(other)
    assert replace(spec, storage=replace(spec.storage, file=one)) == read_study_file(one)


@pytest.mark.parametrize("name", ["C:\\models\\new\\a.safetensors", "モデル.safetensors", "tab\there", "@NAME@"])
def test_any_path_is_quoted_rightly(tmp_path: Path, name: str) -> None:
    path = tmp_path / "study.toml"
    path.write_text(study_template(a=name), encoding="utf-8")
    assert read_study_file(path).merge.models["A"] == tmp_path / name


def test_nothing_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "study.toml"
    path.write_text("mine")
    with pytest.raises(StudyError, match="already exists"):
        write_template(path, "new")
    assert path.read_text() == "mine"
    with pytest.raises(StudyError, match="cannot be written"):
        write_template(path / "below" / "study.toml", "new")


@pytest.mark.parametrize(("mode", "said"), [("", "Add difference"), ("sum Twice", "sum Twice")])
def test_a_third_model_comes_with_a_mode_for_three(tmp_path: Path, mode: str, said: str) -> None:
    path = tmp_path / "study.toml"
    path.write_text(study_template(c="models/base.safetensors", mode=mode))
    spec = read_study_file(path)
    assert spec.search.space.frame.mode == said
    assert spec.merge.models["C"] == tmp_path / "models/base.safetensors"


def test_init_writes_for_sdxl_where_the_models_are(tmp_path: Path) -> None:
    key = "conditioner.embedders.1.model.text_projection"
    for name in "ab":
        save_file(
            {key: torch.zeros(2, 2), "conditioner.embedders.0.x": torch.zeros(1)}, tmp_path / f"{name}.safetensors"
        )
    words = ["init", str(tmp_path / "study.toml"), "-a", "a.safetensors", "-b", "b.safetensors"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.output
    spec = read_study_file(tmp_path / "study.toml")
    assert spec.search.space.frame.family == "sdxl"
    assert {knob.name for knob in spec.search.space.of_kind("self")} == {"self:OUT03:attn1", "self:OUT05:attn1"}
    assert (spec.shots.trials[0].width, spec.shots.trials[0].height) == (1024, 1024)
    bare = re.sub(r"(?m)^# (groups[\w.]+ = )", r"\1", (tmp_path / "study.toml").read_text())
    (tmp_path / "bare.toml").write_text(bare)
    assert read_study_file(tmp_path / "bare.toml").search.space == spec.search.space

"""Options of an export that make no difference to the form are refused, each with the forms that it is for."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from engine.recipes.recipe import Recipe
from studies.cli.main import main
from studies.review.exporting.export_targets import EXPORT_FORMS
from tests.studies.sample_study import write_small_study

FORMS = "checkpoint, diffusers, script"


@pytest.mark.parametrize("command", ["export", "recipe export"])
def test_every_idle_option_is_refused_at_once(command: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        main, [*command.split(), str(tmp_path / "x.toml"), "--to", "mecha", "--prune", "--rank", "3"]
    )
    assert done.exit_code == 2
    assert f"--prune is for --to {FORMS}: no other form has a place for it" in done.output
    assert "--rank is for --to lora:" in done.output


def test_an_option_left_at_its_default_is_never_idle(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["recipe", "export", str(tmp_path / "x.toml"), "--to", "supermerger"])
    assert "no other form" not in done.output


def test_every_option_that_a_form_takes_exists() -> None:
    known = {parameter.opts[0] for parameter in main.commands["export"].params}
    assert {f"--{option}" for form in EXPORT_FORMS.values() for option in form.takes} <= known


@pytest.mark.parametrize("to", [name for name in EXPORT_FORMS if name != "diffusers"])
def test_a_folder_in_the_place_of_a_file_is_refused_by_every_form(to: str, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "mix.toml").write_text(Recipe.flat(0.5).text)
    words = [str(tmp_path / "mix.toml"), "--to", to, "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, ["recipe", "export", *words])
    assert done.exit_code == 1
    assert "out: is a folder; name the new file, such as " in done.output
    assert f"recipe{EXPORT_FORMS[to].suffix}" in done.output
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mix.toml", "out"]


def test_the_export_of_a_study_refuses_a_folder_before_models_are_read(tmp_path: Path) -> None:
    study = write_small_study(tmp_path)
    done = CliRunner().invoke(main, ["export", str(study), "--to", "card", "--out", str(tmp_path)])
    assert done.exit_code == 1
    assert "is a folder; name the new file" in done.output
    assert "reading the models" not in done.output


def test_a_file_that_is_there_is_refused_before_models_are_read(copied: Path, tmp_path: Path) -> None:
    run = CliRunner().invoke
    assert run(main, ["approve", str(copied), "--finalist", "1", "--note", "x"]).exit_code == 0
    (tmp_path / "mine.safetensors").write_text("mine")
    done = run(main, ["export", str(copied), "--out", str(tmp_path / "mine.safetensors")])
    assert done.exit_code == 1
    assert "mine.safetensors: already exists; choose another name, or add --overwrite" in done.output
    assert "reading the models" not in done.output

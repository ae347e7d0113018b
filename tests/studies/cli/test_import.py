"""`recipe-search recipe import`: a recipe of another tool as a recipe file, and as the beginning of a study."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from engine.recipes.file import read_recipe_file
from engine.recipes.recipe import MergeStep
from studies.cli.main import main
from tests.engine.exports.recipes import RISING, SD1
from tests.engine.foreign_recipes.test_model_mixer import SHA, metadata
from tests.studies.study_text import STUDY, write_study

FLAT_ROW = ",".join(["0", *["0.25"] * 25])


@pytest.fixture(autouse=True)
def a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("studies.inputs.hashes.user_memory", lambda: tmp_path / "hashes.json")


def run(*words: object, status: int = 0) -> str:
    found = CliRunner().invoke(main, ["recipe", "import", *map(str, words)])
    if isinstance(found.exception, Exception) and not isinstance(found.exception, SystemExit):
        raise found.exception
    assert found.exit_code == status, found.output
    return found.output


def card(text: str = f"weights: {FLAT_ROW}") -> Path:
    path = Path("README.md")
    path.write_text(f"---\nbase_model: [someone/first, someone/second]\n---\n{text}\n", encoding="utf-8")
    return path


def test_what_was_read_guessed_and_needed_is_said() -> None:
    said = run(card(), "mix.toml")
    assert "read: 1 step, dialect classic, family sd1" in said
    assert "a guess: A is someone/first" in said
    assert "needed: B: someone/second" in said
    assert "the paths under [models] are guesses: put the right ones for A, B" in said
    assert read_recipe_file(Path("mix.toml")).recipe.steps == (MergeStep(alpha=(0.0, *(0.25,) * 25)),)


def test_parents_by_hash_and_by_path() -> None:
    Path("mixed.json").write_text(json.dumps(metadata()), encoding="utf-8")
    said = run("mixed.json", "mix.toml", "--model", "A=first.safetensors")
    assert "model: A: first.safetensors" in said
    assert f"needed: B: second sha256 {SHA['second']}" in said
    assert "put the right ones for B" in said
    assert read_recipe_file(Path("mix.toml")).models["A"].name == "first.safetensors"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("mix.card.json", json.dumps({"sd_recipe_search": {"recipe": SD1["worked"].text, "models": {}}})),
        ("mix.mergekit.yaml", f"# {SD1['worked'].text.replace(chr(10), chr(10) + '# ')}\nmerge_method: linear\n"),
        ("mix.py", f'"""A script.\n\n{SD1["worked"].text}\n"""\nimport torch\n'),
        ("README.md", f"# mix\n\n    {SD1['worked'].text.replace(chr(10), chr(10) + '    ')}\n\nend\n"),
    ],
)
def test_our_own_recipe_comes_back_out_of_any_file(name: str, text: str) -> None:
    Path(name).write_text(text, encoding="utf-8")
    said = run(name, "again.toml")
    assert read_recipe_file(Path("again.toml")).recipe == SD1["worked"]
    assert "note: read from the recipe that this project wrote into the file" in said


def test_a_file_that_is_there_and_another_ending_are_refused() -> None:
    run(card(), "mix.toml")
    assert "already exists" in run(card(), "mix.toml", status=1)
    run(card(), "mix.toml", "--overwrite")
    assert "a recipe file ends in .toml" in run(card(), "mix.txt", status=1)


def test_a_study_begins_with_it_and_keeps_every_other_line() -> None:
    text = STUDY.replace("[search]\n", "[search] # my plan\n# a comment\n")
    study = write_study(Path(), text)
    before = study.read_text(encoding="utf-8")
    said = run(card(), "mix.toml", "--study", study)
    assert 'study.toml begins with it now: begin = ["mix.toml"]' in said
    assert study.read_text(encoding="utf-8").replace('begin = ["mix.toml"]\n', "") == before


def test_a_study_that_begins_with_something_is_left_and_the_line_is_printed() -> None:
    study = write_study(Path(), STUDY.replace("[search]\n", '[search]\nbegin = ["GRAD_V"]\n'))
    before = study.read_bytes()
    said = run(card(), "mix.toml", "--study", Path())
    assert 'write this under [search]:\nbegin = ["GRAD_V", "mix.toml"]' in said
    assert study.read_bytes() == before


@pytest.mark.parametrize("table", ["search = { groups = 2 }\n", 'note = """\n[search]\n"""\n'])
def test_a_search_table_of_another_form_is_left(table: str) -> None:
    body, _, rest = STUDY.partition("[search]")
    study = write_study(Path(), table + body + "[scorers]" + rest.partition("[scorers]")[2])
    before = study.read_bytes()
    said = run(card(), "mix.toml", "--study", study)
    assert "was not changed; write this under [search]" in said
    assert study.read_bytes() == before


@pytest.mark.parametrize("folder", ["", "elsewhere"])
def test_a_recipe_outside_the_search_space_changes_nothing(folder: str) -> None:
    Path(folder).mkdir(exist_ok=True)
    study = write_study(Path(folder))
    before = study.read_bytes()
    said = run(card(f"w: {','.join(['7.5'] * 26)}"), "mix.toml", "--study", study, status=1)
    assert "the study file was not changed, for the study could not begin with it" in said
    assert study.read_bytes() == before
    assert not [path for path in study.parent.iterdir() if path.name.startswith(".")]


def test_a_recipe_of_another_tool_with_block_weights_fits_no_study_that_has_no_such_filter() -> None:
    changes: dict[str, Any] = {"weights_alpha": [list(RISING)]}
    Path("mixed.json").write_text(json.dumps(metadata(**changes)), encoding="utf-8")
    study = write_study(Path())
    before = study.read_bytes()
    run("mixed.json", "mix.toml", "--study", study, status=1)
    assert study.read_bytes() == before

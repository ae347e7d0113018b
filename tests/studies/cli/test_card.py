"""`--to card` on the command line: of a study's pin, and of a recipe alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from studies.cli.main import main
from studies.review.approval import approve_recipe
from studies.studyfile.read import read_study_file

RECIPE = 'format = 1\ndialect = "classic"\nfamily = "sd1"\n\n[[steps]]\nkind = "merge"\nalpha = 0.4\n'


def test_a_pin_becomes_a_card_from_which_the_recipe_is_converted_back(copied: Path, tmp_path: Path) -> None:
    storage = read_study_file(copied).storage
    pin = approve_recipe(storage, finalist=1, trial=None, note="for the tests", by="tester")
    done = CliRunner().invoke(main, ["export", str(copied), "--to", "card", "--licence", "A=CC0"])
    assert done.exit_code == 0, done.output
    stem = storage.folder / "exports" / f"small-1-{pin.recipe_key[:8]}.card"
    assert json.loads(Path(f"{stem}.json").read_text())["card"]["licences"] == {"A": "CC0", "B": "not stated"}
    assert Path(f"{stem}.png").read_bytes()[1:4] == b"PNG"
    back = tmp_path / "back.toml"
    assert CliRunner().invoke(main, ["recipe", "convert", f"{stem}.json", str(back)]).exit_code == 0
    differs = CliRunner().invoke(main, ["recipe", "diff", str(back), f"{stem}.json"])
    assert differs.exit_code == 0, differs.output
    wrong = CliRunner().invoke(main, ["export", str(copied), "--to", "card", "--licence", "D=CC0", "--overwrite"])
    assert "--licence D=CC0: the recipe takes A, B" in wrong.output


def test_a_recipe_alone_becomes_a_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mix.toml").write_text(RECIPE)
    done = CliRunner().invoke(main, ["recipe", "export", "mix.toml", "--to", "card"])
    assert done.exit_code == 0, done.output
    assert {path.name for path in tmp_path.glob("mix.card.*")} == {"mix.card.md", "mix.card.json", "mix.card.png"}
    assert "Not judged" in Path("mix.card.md").read_text()


def test_licences_are_for_cards_alone(copied: Path) -> None:
    done = CliRunner().invoke(main, ["export", str(copied), "--to", "meh", "--licence", "A=CC0"])
    assert done.exit_code == 2
    assert "--licence is for --to card" in done.output

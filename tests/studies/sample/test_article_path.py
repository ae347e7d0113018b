"""The article's path runs as it ships, shortened: four studies, one after another, and one recipe of all of them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from engine.recipes.file import read_recipe_file
from studies.cli.main import main
from studies.sample.examples import article_path
from studies.studyfile.read import read_study_file


@pytest.fixture(scope="module")
def gone(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[list[str]], str]:
    """The folder in which the whole path was gone, the commands, and what they printed."""
    folder = tmp_path_factory.mktemp("article")
    commands, printed = list[list[str]](), list[str]()

    def run(words: Sequence[str], here: Path) -> None:
        before = Path.cwd()
        os.chdir(here)
        try:
            done = CliRunner().invoke(main, list(words))
        finally:
            os.chdir(before)
        assert done.exit_code == 0, f"{words}: {done.output}"
        commands.append(list(words))
        printed.append(done.output)

    article_path.path(folder, run, short=True)
    first = len(commands)
    article_path.path(folder, run, short=True)
    names = [words[0] for words in commands[first:]]
    assert names == ["show", "verify", "export", "export", "situations", "settings"], "what was made stays"
    return folder, commands[:first], "\n".join(printed[:first])


def test_the_commands_are_those_of_the_article_in_its_order(gone: tuple[Path, list[list[str]], str]) -> None:
    _, commands, _ = gone
    stage = ["init", "run", "approve", "export"]
    wanted = ["merge", "plot", *stage * 4, "plot", "show", "verify", "export", "export", "situations", "settings"]
    assert [words[0] for words in commands] == wanted
    assert [words[3] for words in commands if words[0] == "init"][1:] == ["alpha.toml", "alpha2.toml", "beta.toml"]


def test_all_stages_are_one_recipe_of_three_parents(gone: tuple[Path, list[list[str]], str]) -> None:
    folder, _, printed = gone
    whole = read_recipe_file(folder / "models" / "final.chain.toml")
    assert [path.name for path in whole.models.values()] == [
        *("closeups.safetensors", "lamplight.safetensors", "third.safetensors"),
    ]
    assert [step.name for step in whole.recipe.steps if step.name] == ["alpha", "alpha2", "beta"]
    assert "as the recipe makes it: 987 equal" in printed
    assert "the recipe is the whole chain of the file" in printed
    text = (folder / "final-supermerger.txt").read_text()
    assert all(f"which makes {name}" in text for name in ("alpha", "alpha2", "beta"))


def test_each_stage_searches_what_the_article_does(gone: tuple[Path, list[list[str]], str]) -> None:
    folder, _, _ = gone
    spec = {name: read_study_file(folder / f"{name}.toml") for name in ("alpha", "alpha2", "beta", "final")}
    kinds = {name: {knob.kind for knob in one.search.space.free} for name, one in spec.items()}
    assert kinds["beta"] == kinds["final"] == {"self", "adjust"}
    assert "block" in kinds["alpha"]
    assert {name: one.merge.models["A"].name for name, one in spec.items()} == {
        "alpha": "closeups.safetensors",
        "alpha2": "alpha.safetensors",
        "beta": "alpha2.safetensors",
        "final": "beta.safetensors",
    }


def test_pictures_and_card_are_there(gone: tuple[Path, list[list[str]], str]) -> None:
    folder, _, _ = gone
    for name in ("1-flat-line.png", "2-stages.png", "final.card.md", "final.card.png"):
        assert (folder / name).stat().st_size > 1000, name
    for room in ("situations", "settings"):
        assert [*(folder / "runs" / "alpha" / room).rglob("result.json")], room

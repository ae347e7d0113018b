from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from engine.recipes.file import RecipeFile, read_recipe_file
from engine.recipes.presets import PRESETS
from engine.recipes.recipe import MergeStep, Recipe
from studies.cli.main import main
from tests.engine.recipes.recipe_files import write_recipe_file

MODELS = {"A": Path("/a.safetensors"), "B": Path("/b.safetensors")}


def command(*words: str) -> Result:
    return CliRunner().invoke(main, ["recipe", *words])


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "base.toml"
    write_recipe_file(path, RecipeFile(recipe=Recipe(steps=(MergeStep(alpha=PRESETS["FLAT_50"]),)), models=MODELS))
    return str(path)


def test_a_plot_becomes_numbered_recipes(tmp_path: Path, file: str) -> None:
    out = tmp_path / "cells"
    done = command(
        "cells", file, str(out), "-x", r"mbw alpha=FLAT_25\nFLAT_75", "-y", "elemental=\\n\\nOUT05:attn1:0.1"
    )
    assert done.exit_code == 0, done.output
    assert [path.name for path in sorted(out.iterdir())] == ["1.toml", "2.toml", "3.toml", "4.toml"]
    steps = [read_recipe_file(path).recipe.steps[0] for path in sorted(out.iterdir())]
    flats = [PRESETS["FLAT_25"], PRESETS["FLAT_75"]]
    assert steps == [MergeStep(alpha=alpha, elemental=text) for text in ("", "OUT05:attn1:0.1") for alpha in flats]
    refused = command("cells", file, str(out), "-x", "mbw alpha=FLAT_25")
    assert refused.exit_code == 1
    assert "1.toml: already exists" in refused.output


def test_recipes_become_an_axis_and_back(tmp_path: Path, file: str) -> None:
    out = tmp_path / "cells"
    command("cells", file, str(out), "-x", r"mbw alpha=FLAT_25\nFLAT_75\nGRAD_V")
    files = [str(path) for path in sorted(out.iterdir())]
    done = command("axis", *files)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    start = lines.index("X type: mbw alpha")
    values = lines[start + 2 : start + 5]
    assert lines[start + 5] == "Y type: none"
    again = tmp_path / "again"
    command("cells", file, str(again), "-x", "mbw alpha=" + r"\n".join(values))
    assert [path.read_text() for path in sorted(again.iterdir())] == [
        path.read_text() for path in sorted(out.iterdir())
    ]


def test_a_step_of_a_chain_keeps_its_place(tmp_path: Path) -> None:
    chain = Recipe(
        steps=(MergeStep(alpha=0.3, name="first"), MergeStep(models=("first", "B"), alpha=0.5, elemental="M00::1"))
    )
    path = tmp_path / "chain.toml"
    write_recipe_file(path, RecipeFile(recipe=chain, models=MODELS))
    done = command("cells", str(path), str(tmp_path / "cells"), "--run", "2", "-x", "alpha=0.1,0.2")
    assert done.exit_code == 0, done.output
    found = read_recipe_file(tmp_path / "cells" / "2.toml").recipe
    assert found.steps == (chain.steps[0], MergeStep(models=("first", "B"), alpha=0.2, elemental="M00::1"))


@pytest.mark.parametrize("folder", ["base.toml", "base.toml/cells"])
def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, file: str, folder: str) -> None:
    done = command("cells", file, str(tmp_path / folder), "-x", "alpha=0.1,0.2")
    assert done.exit_code == 1
    assert f"{tmp_path / folder}: cannot be written" in done.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("-x", "mbw alpha"), "is not an axis; write kind=values"),
        (("-x", "hue=1"), "there is no axis 'hue'"),
        (("-x", "alpha=a"), "axis alpha, value 1: 'a'"),
        (("-x", "alpha=1", "--run", "4"), "--run 4: the recipe has 1 step; write 1"),
        (("-x", "model_A=X"), "there is no path of the models X"),
    ],
)
def test_what_makes_no_cells_is_said(tmp_path: Path, file: str, words: tuple[str, ...], message: str) -> None:
    done = command("cells", file, str(tmp_path / "cells"), *words)
    assert done.exit_code == 1
    assert message in done.output
    assert not (tmp_path / "cells").exists()

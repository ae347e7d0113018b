from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given

from engine.blocks import BLOCKS, UNET_BLOCKS, Site
from engine.errors import RecipeError
from engine.recipe import AdjustStep, MergeStep, Recipe, SelfStep
from engine.recipe_file import RecipeFile, read_recipe_file, write_recipe_file
from tests.engine.test_recipe import recipes

GOOD = """
format = 1
dialect = "classic"

[models]
A = "a.safetensors"
B = "sub/b.safetensors"

[[steps]]
kind = "merge"
flat = 0.35
base = 0.1
blocks = { OUT05 = 0.15, BASE = 0.2 }

[[steps]]
kind = "self"
factors = { "OUT05:attn1" = 0.88 }

[[steps]]
kind = "adjust"
values = [0, 0, 0, -1, 7, 1, 1, 0]
"""

BAD = """
format = 2
dialct = "classic"

[models]
A = 5

[[steps]]
kind = "merge"
weights = [0, 1]
flat = 0.5
blocks = { OUT55 = 0.15, OUT05 = "much" }

[[steps]]
kind = "self"
factors = { "OUT05:attn1" = nan, "IN00:attn1" = 0.9, "OUT05" = 0.9 }

[[steps]]
kind = "adjust"
values = { CONT = 1, HUE = 2 }

[[steps]]
kind = "blend"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_becomes_a_recipe_and_paths(tmp_path: Path) -> None:
    content = read_recipe_file(written(tmp_path, GOOD))
    ratios = dict.fromkeys(BLOCKS, 0.35) | {"BASE": 0.2, "OUT05": 0.15}
    assert content.models == {"A": tmp_path / "a.safetensors", "B": tmp_path / "sub" / "b.safetensors"}
    assert content.recipe == Recipe(
        steps=(
            MergeStep(ratios=tuple(ratios.values())),
            SelfStep(factors=((Site.parse("OUT05:attn1"), 0.88),)),
            AdjustStep(values=(0, 0, 0, -1, 7, 1, 1, 0)),
        )
    )


def test_weights_and_named_adjust_fields(tmp_path: Path) -> None:
    text = 'format = 1\n[models]\nA = "/a"\nB = "/b"\n[[steps]]\nkind = "merge"\nweights = [0, {}]\n'.format(
        ", ".join(str(n / 100) for n in range(25))
    )
    content = read_recipe_file(written(tmp_path, text + '[[steps]]\nkind = "adjust"\nvalues = { CONT = 5 }\n'))
    assert content.recipe.merge.ratios == (0.0, *(n / 100 for n in range(len(UNET_BLOCKS))))
    assert content.recipe.adjust == AdjustStep(values=(0, 0, 0, 5, 0, 0, 0, 0))
    assert content.models["A"] == Path("/a")


def test_every_mistake_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(RecipeError) as caught:
        read_recipe_file(written(tmp_path, BAD))
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'recipe.toml'}: 12 mistakes in this recipe file:")
    for part in (
        "format: is 2; this program reads format = 1",
        "dialct: is unknown here",
        "models.A: is 5; write the path",
        "steps[1].weights: is 2 numbers; write 26 numbers: BASE, IN00 .. OUT11",
        "steps[1].flat: cannot stand beside weights",
        "steps[1].blocks.OUT55: is no block",
        "steps[1].blocks.OUT05: is 'much'; write a number",
        'steps[2].factors."OUT05:attn1": is nan; write a number',
        'steps[2].factors."IN00:attn1": no tensor',
        "steps[2].factors.\"OUT05\": 'OUT05' is no site; write block:element",
        "steps[3].values.HUE: is unknown here",
        "steps[4].kind: is 'blend'; write merge, self or adjust",
    ):
        assert f"  {part}" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "format: is missing"),
        ("format = ", "is not TOML: Invalid value"),
        (
            'format = 1\n[models]\nA = "a"\nB = "b"\n[[steps]]\nkind = "adjust"\nvalues = [1]\n',
            "write 8 numbers: IN, OUT",
        ),
        (
            'format = 1\n[models]\nA = "a"\n[[steps]]\nkind = "merge"\nflat = 0.5\n',
            r"steps\[1\].models: is \['A', 'B'\]",
        ),
        ('format = 1\n[models]\nA = "a"\nB = "b"\n[[steps]]\nkind = "merge"\n', "needs weights .* or flat"),
        ('format = 1\nsteps = 5\n[models]\nA = "a"\n', "steps: is missing"),
        ('format = 1\nmodels = 5\n[[steps]]\nkind = "merge"\nflat = 0\n', "models: is 5; a table is needed"),
        (GOOD.replace('kind = "merge"', 'kind = "self"', 1), "steps"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        read_recipe_file(written(tmp_path, text))


def test_unreadable_files(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"cannot be read \(No such file"):
        read_recipe_file(tmp_path / "none.toml")
    (tmp_path / "latin.toml").write_bytes(b"format = 1 # caf\xe9\n")
    with pytest.raises(RecipeError, match="is not UTF-8"):
        read_recipe_file(tmp_path / "latin.toml")


@given(recipe=recipes())
def test_a_written_file_reads_back(tmp_path_factory: pytest.TempPathFactory, recipe: Recipe) -> None:
    folder = tmp_path_factory.mktemp("written")
    content = RecipeFile(
        recipe=recipe, models={"A": folder / 'odd "name" ü.safetensors', "B": Path("/elsewhere/b.safetensors")}
    )
    write_recipe_file(folder / "recipe.toml", content)
    assert read_recipe_file(folder / "recipe.toml") == content


def test_models_beside_the_file_are_written_relative(tmp_path: Path) -> None:
    content = RecipeFile(
        recipe=Recipe.flat(0.5), models={"A": tmp_path / "x" / "a.safetensors", "B": Path("/b.safetensors")}
    )
    write_recipe_file(tmp_path / "recipe.toml", content)
    text = (tmp_path / "recipe.toml").read_text()
    assert 'A = "x/a.safetensors"' in text
    assert 'B = "/b.safetensors"' in text


def test_a_file_is_not_written_over(tmp_path: Path) -> None:
    path = written(tmp_path, "mine")
    content = RecipeFile(recipe=Recipe.flat(0.5), models={"A": Path("/a"), "B": Path("/b")})
    with pytest.raises(RecipeError, match="exists already"):
        write_recipe_file(path, content)
    assert path.read_text() == "mine"
    write_recipe_file(path, content, overwrite=True)
    assert read_recipe_file(path) == content


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    content = RecipeFile(recipe=Recipe.flat(0.5), models={"A": Path("/a"), "B": Path("/b")})
    with pytest.raises(RecipeError, match="cannot be written"):
        write_recipe_file(tmp_path / "none" / "recipe.toml", content)

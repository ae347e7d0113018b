"""The recipe that a picture carries."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine.errors import RecipeError
from engine.recipes.recipe import Recipe
from engine.recipes.steps import MergeStep
from studies.cards.write import write_card
from studies.cli.main import main
from studies.errors import StudyError
from studies.pictures.pictures import save_picture
from studies.recipes.in_pictures import RECIPE
from studies.recipes.inputs import InputOptions, read_input
from tests.studies.cards.made import full_card

MIX = Recipe(steps=(MergeStep(alpha=0.25, elemental="OUT05:attn1:0.88"),))


def picture(path: Path, **texts: str) -> Path:
    info = PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    Image.new("RGB", (8, 8)).save(path, pnginfo=info)
    return path


def test_a_rendered_picture_has_the_recipe_of_its_model(tmp_path: Path) -> None:
    path = tmp_path / "one.PNG"
    save_picture(np.zeros((8, 8, 3), np.uint8), path, parameters="a cat\nSteps: 6", recipe=MIX.text)
    found = read_input(str(path), InputOptions())
    assert (found.recipe, found.hashes, found.notes) == (MIX, {}, ())


def test_a_card_has_the_recipe_and_its_parents(tmp_path: Path) -> None:
    card = full_card()
    path = next(path for path in write_card(card, tmp_path / "mix.card.md").files if path.suffix == ".png")
    found = read_input(str(path), InputOptions())
    assert found.recipe == card.recipe
    assert found.hashes == {parent.letter: parent.sha256 for parent in card.parents if parent.sha256}
    shown = CliRunner().invoke(main, ["recipe", "show", str(path)])
    assert shown.exit_code == 0, shown.output
    assert card.recipe.key[:12] in shown.output


def test_a_picture_without_a_recipe_is_told(tmp_path: Path) -> None:
    with pytest.raises(StudyError, match=r"p\.png: this picture carries no recipe of a merge"):
        read_input(str(picture(tmp_path / "p.png", parameters="a cat\nSteps: 6, Model: mix")), InputOptions())
    (tmp_path / "torn.png").write_bytes((tmp_path / "p.png").read_bytes()[:20])
    with pytest.raises(StudyError, match=r"torn\.png: cannot be read as a picture"):
        read_input(str(tmp_path / "torn.png"), InputOptions())
    with pytest.raises(StudyError, match="there is no such file"):
        read_input(str(tmp_path / "gone.png"), InputOptions())


def test_a_recipe_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    path = picture(tmp_path / "p.png", **{RECIPE: MIX.text.replace("alpha = 0.25", 'alpha = "much"')})
    with pytest.raises(RecipeError, match=r"p\.png: merge_recipe\.steps\[1\]\.alpha: "):
        read_input(str(path), InputOptions())

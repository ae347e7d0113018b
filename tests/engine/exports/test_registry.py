"""The registry of targets: every entry has its module, refuses with a way out, and the checkpoint holds everything."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.errors import CheckpointError, RecipeError
from engine.exports.content import ExportContent
from engine.exports.registry import TARGETS, export, target_of
from engine.exports.target import ExportOptions, Refusal, check_no_model, refused, write_files
from engine.recipes.recipe import MergeStep, Recipe
from tests.engine.exports.recipes import NONLINEAR, SD1, SDXL, drawn
from tests.engine.models.tiny import write_tiny


@pytest.mark.parametrize("name", TARGETS)
def test_every_entry_has_its_module(name: str) -> None:
    assert target_of(name).write


def test_another_name_is_answered_with_the_one_that_was_meant() -> None:
    with pytest.raises(RecipeError, match="did you mean mecha"):
        target_of("meca")


def test_what_is_refused_is_named_with_its_keys_and_the_nearest_target() -> None:
    found = refused("kohya", [Refusal(what="it takes one ratio", keys=tuple("abcdef"))], "supermerger")
    assert str(found) == "kohya: it takes one ratio: a, b, c, d and 2 more; export it to supermerger instead"


def test_files_are_written_all_or_none(tmp_path: Path) -> None:
    (tmp_path / "b").write_text("there")
    with pytest.raises(CheckpointError, match="already exists"):
        write_files({tmp_path / "a": "x", tmp_path / "b": b"y"}, overwrite=False)
    assert not (tmp_path / "a").exists()
    write_files({tmp_path / "a": "x\r\n", tmp_path / "b": b"y"}, overwrite=True)
    assert ((tmp_path / "a").read_bytes(), (tmp_path / "b").read_bytes()) == (b"x\r\n", b"y")


def test_a_recipe_without_files_of_its_models_says_how_to_name_them(tmp_path: Path) -> None:
    content = ExportContent(recipe=SD1["worked"], title="mine")
    with pytest.raises(RecipeError, match="that of A, B is not known; name each with --model NAME=PATH"):
        export("checkpoint", content, tmp_path / "x.safetensors", ExportOptions())


@pytest.mark.parametrize("name", ["script", "lora", "mecha", "comfyui", "kohya"])
def test_models_of_another_family_than_the_recipe_are_refused(name: str, tmp_path: Path) -> None:
    models = {letter: write_tiny(tmp_path / f"{letter}.safetensors", seed) for seed, letter in enumerate("AB")}
    recipe = Recipe(steps=(MergeStep(alpha=0.4),), dialect="head", family="sdxl")
    content = ExportContent(recipe=recipe, title="mine", models=models)
    with pytest.raises(CheckpointError, match="a model of the family sd1, and the recipe is for sdxl"):
        export(name, content, tmp_path / f"x{TARGETS[name].suffix}", ExportOptions())
    assert {path.stem for path in tmp_path.iterdir()} == {"A", "B"}


def test_the_recipes_of_the_tests_are_what_they_say() -> None:
    assert all(recipe.family == "sdxl" for recipe in SDXL.values())
    assert len({recipe.key for recipe in (*SD1.values(), *SDXL.values(), *NONLINEAR.values(), *drawn(50))}) == 50 + len(
        SD1
    ) + len(SDXL) + len(NONLINEAR)


def test_no_target_replaces_a_model_of_the_recipe(tmp_path: Path) -> None:
    model = tmp_path / "a.py"
    model.write_bytes(b"x")
    content = ExportContent(recipe=SD1["self"], title="mine", models={"A": model})
    with pytest.raises(CheckpointError, match="is the file of the model A, which is never replaced"):
        check_no_model(tmp_path / "." / "a.py", content)
    check_no_model(tmp_path / "b.py", content)

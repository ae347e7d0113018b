"""Our own recipe in files of other tools."""

from __future__ import annotations

import json
from typing import Any

import pytest

from engine.errors import RecipeError
from engine.foreign_recipes.own import own_in_json, own_in_text
from engine.merging.metadata import METADATA_KEY
from engine.recipes.recipe import Recipe
from tests.engine.exports.recipes import NONLINEAR, SD1, SDXL

EVERY = {**SD1, **SDXL, **NONLINEAR}


def entry(recipe: Recipe) -> dict[str, Any]:
    models = {name: {"name": f"{name} モデル.safetensors", "sha256": name[0].lower() * 64} for name in recipe.models}
    return {"format": 2, "recipe": recipe.text, "recipe_key": recipe.key, "models": models, "dtype": "fp16"}


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("mark", ["# {}", "// {}", "<!-- {} -->"])
def test_a_comment_line_is_the_recipe_again(name: str, mark: str) -> None:
    recipe = EVERY[name]
    line = mark.format(f"{METADATA_KEY}: {json.dumps(entry(recipe), ensure_ascii=False)}")
    found = own_in_text(f"version 0.1.0\n{line}\nmodels: 1")
    assert found is not None
    assert found.recipe == recipe
    assert found.names["A"] == "A モデル.safetensors"
    assert found.models["A"] == "a" * 64
    assert found.facts["dtype"] == "fp16"


def test_json_as_an_entry_as_a_text_and_with_a_list_of_models() -> None:
    recipe = SD1["worked"]
    whole = own_in_json({METADATA_KEY: entry(recipe), "other": 1})
    packed = own_in_json({METADATA_KEY: json.dumps(entry(recipe))})
    models = [{"name": "A", "file": "a.safetensors", "sha256": "a" * 64}, {"model": "B", "name": "b.safetensors"}]
    beside = own_in_json({METADATA_KEY: recipe.text, "models": models})
    assert whole is not None
    assert packed == whole
    assert beside is not None
    assert beside.recipe == recipe
    assert beside.names == {"A": "a.safetensors", "B": "b.safetensors"}
    assert beside.models == {"A": "a" * 64, "B": ""}


def test_what_is_not_ours() -> None:
    assert own_in_text("# sd_recipe: 1\nprint(1)  # a comment") is None
    assert own_in_json({"type": "webui"}) is None
    assert own_in_json([METADATA_KEY]) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (f"# {METADATA_KEY}: {{}}", f"{METADATA_KEY}: there is no recipe in it"),
        (f"# {METADATA_KEY}: {{", f"{METADATA_KEY}: this is not JSON"),
        (f"# {METADATA_KEY}: {{}}\n# {METADATA_KEY}: {{}}", "there are 2 lines # sd_recipe_search:"),
        (
            f"# {METADATA_KEY}: " + "[" * 100_000,
            "there are problems|not JSON|no recipe|not TOML|expected|Invalid|invalid",
        ),
        (f"# {METADATA_KEY}: {json.dumps(entry(SD1['worked']) | {'models': 3})}", "models in sd_recipe_search is 3"),
        (f"# {METADATA_KEY}: {json.dumps(entry(SD1['worked']) | {'models': [{}]})}", "a model has no name"),
        (f"# {METADATA_KEY}: {json.dumps(entry(SD1['worked']) | {'recipe_key': '0'})}", "was changed by hand"),
        (f"# {METADATA_KEY}: {json.dumps(entry(SD1['worked']) | {'recipe': 'x'})}", "x"),
    ],
)
def test_damage_is_told_in_a_sentence(text: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        own_in_text(text)


_MODELS = {
    "#| ": '# model "{}" is "{}", SHA-256 {}',
    "": "{}: {}, SHA-256 {}",
    "    ": "* {}: `{}`, SHA-256 `{}`",
    "# ": "- **{}** `{}`, SHA-256 `{}`",
}
"""How exports name a model, by the mark of the recipe's lines."""


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize("mark", _MODELS)
def test_the_lines_of_a_recipe_are_the_recipe_again(name: str, mark: str) -> None:
    recipe = EVERY[name]
    files = {model: f"dir of {model}/夜 モデル.safetensors" for model in recipe.models}
    heads = [_MODELS[mark].format(model, files[model], model.lower() * 64) for model in recipe.models]
    body = "\n".join(f"{mark}{line}".rstrip() for line in recipe.text.split("\n"))
    found = own_in_text("\n".join(["version 0.1.0", *heads, "The recipe:", body, '"""', "models: 1"]))
    assert found is not None
    assert found.recipe == recipe
    assert found.names == files
    assert found.models == {model: model.lower() * 64 for model in recipe.models}


def test_two_recipes_are_refused_and_one_that_is_there_twice_is_not() -> None:
    one, other = SD1["worked"].text, SD1["blocks"].text
    assert own_in_text(f"{one}\nand\n{one}") == own_in_text(one)
    with pytest.raises(RecipeError, match="there are 2 recipes in it"):
        own_in_text(f"{one}\nand\n{other}")


def test_a_workflow_of_comfyui_carries_it_among_its_extras() -> None:
    found = own_in_json({"nodes": [], "links": [], "extra": {METADATA_KEY: entry(SD1["worked"])}})
    assert found is not None
    assert found.recipe == SD1["worked"]


def test_the_entry_alone_is_read_from_a_model_folder() -> None:
    """As ``recipe.json`` of a folder for diffusers has it."""
    recipe = SD1["worked"]
    models = {name: {"name": f"{name}.safetensors", "sha256": "a" * 64} for name in recipe.models}
    found = own_in_json({"format": 2, "recipe": recipe.text, "recipe_key": recipe.key, "models": models})
    assert found is not None
    assert found.recipe == recipe
    assert found.names == {name: f"{name}.safetensors" for name in recipe.models}


def test_a_pin_of_a_study_is_read_as_the_recipe_that_it_is() -> None:
    """A pin has the recipe, its key and nothing but the hash of each model."""
    recipe = SD1["worked"]
    hashes = dict.fromkeys(recipe.models, "a" * 64)
    found = own_in_json({"number": 1, "recipe": recipe.text, "recipe_key": recipe.key, "models": hashes, "study": "s"})
    assert found is not None
    assert (found.recipe, found.models) == (recipe, hashes)

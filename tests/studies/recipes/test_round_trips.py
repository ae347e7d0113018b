"""An export is read back as the recipe that it was made of, wherever its form carries the whole recipe."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from engine.checkpoints.checkpoint import file_sha256
from engine.exports.content import ExportContent
from engine.exports.registry import TARGETS, export
from engine.exports.target import ExportOptions
from engine.recipes.recipe import Recipe
from studies.recipes.inputs import InputOptions, read_input
from tests.engine.exports.recipes import SD1
from tests.engine.models.tiny import write_tiny

_NAMES = ("comfyui", "mecha", "mergekit", "script")
CARRIERS = [name for name in _NAMES if find_spec(f"engine.exports.{TARGETS[name].module}")]
"""The targets whose first file carries the recipe, of those that this version has."""


@pytest.fixture(scope="module")
def parents(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("parents")
    return {name: write_tiny(folder / f"夜_{name}-x.safetensors", seed) for seed, name in enumerate("ABC")}


def content(recipe: Recipe, parents: dict[str, Path]) -> ExportContent:
    models = {name: parents[name] for name in recipe.models}
    hashes = {name: file_sha256(path) for name, path in models.items()}
    return ExportContent(recipe=recipe, title="mix", models=models, hashes=hashes)


@pytest.mark.parametrize("target", CARRIERS)
@pytest.mark.parametrize("name", ["worked", "chain"])
def test_the_recipe_comes_back_with_its_parents(
    target: str, name: str, parents: dict[str, Path], tmp_path: Path
) -> None:
    whole = content(SD1[name], parents)
    done = export(target, whole, tmp_path / f"mix{TARGETS[target].suffix}", ExportOptions())
    found = read_input(str(done.files[0]), InputOptions())
    assert found.recipe == SD1[name]
    assert found.hashes == whole.hashes
    assert found.names == {model: path.name for model, path in whole.models.items()}


def test_the_folder_for_diffusers_carries_it_in_its_card(parents: dict[str, Path], tmp_path: Path) -> None:
    export("diffusers", content(SD1["worked"], parents), tmp_path / "mix-diffusers", ExportOptions())
    assert read_input(str(tmp_path / "mix-diffusers/README.md"), InputOptions()).recipe == SD1["worked"]


def test_supermergers_history_is_the_last_run_of_the_recipe(parents: dict[str, Path], tmp_path: Path) -> None:
    done = export("supermerger", content(SD1["blocks"], parents), tmp_path / "mix.supermerger.txt", ExportOptions())
    (history,) = [path for path in done.files if path.suffix == ".csv"]
    assert read_input(str(history), InputOptions()).recipe == SD1["blocks"]

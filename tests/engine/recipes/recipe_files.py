"""Recipe files for tests to read."""

from __future__ import annotations

from pathlib import Path

from engine.recipes.file import RecipeFile, recipe_file_text


def write_recipe_file(path: Path | str, content: RecipeFile) -> None:
    """A recipe file that reads back as the same recipe and models."""
    path = Path(path)
    path.write_text(recipe_file_text(content, path.parent), encoding="utf-8")

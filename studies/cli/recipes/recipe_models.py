"""The models of a recipe that a command is given: their paths, their hashes, and the notes on the input."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from studies.recipes.inputs import RecipeInput

MODEL_OPTION = click.option(
    "-m", "--model", "models", multiple=True, metavar="NAME=PATH", help="Where a model is; several times."
)
"""The option that says where models are."""


def with_paths(found: RecipeInput, models: tuple[str, ...]) -> RecipeInput:
    """Return a recipe with the paths that are given for its models.

    Raises:
        StudyError: the recipe has no such model.
    """
    from dataclasses import replace

    from engine.errors import Named
    from engine.files import user_path
    from studies.errors import StudyError

    paths: dict[str, Path] = {}
    for entry in models:
        name, equals, path = entry.partition("=")
        if not equals or name not in found.recipe.models:
            names = ", ".join(found.recipe.models)
            raise StudyError(f"the recipe takes {names}", place=(Named(f"--model {entry}"),), remedy="write NAME=PATH")
        paths[name] = user_path(path, StudyError)
    return replace(
        found,
        models={**found.models, **paths},
        hashes={name: sha for name, sha in found.hashes.items() if name not in paths},
    )


def sha256_of_models(found: RecipeInput, names: Iterable[str]) -> dict[str, str]:
    """Return the SHA-256 of models: as the input says, or of their files."""
    from studies.inputs.hashes import hashes_of, user_memory

    files = {name: found.models[name] for name in names if name in found.models and name not in found.hashes}
    return {**found.hashes, **hashes_of(files, user_memory())}


def show_notes(found: RecipeInput) -> None:
    """Write the notes on the input to standard error, apart from the output."""
    for note in found.notes:
        click.echo(f"note: {note}", err=True)

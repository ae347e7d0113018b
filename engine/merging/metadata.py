"""The metadata of a merged checkpoint: its recipe, its parents, and theirs.

``sd_recipe_search`` has the whole recipe. ``sd_merge_models`` has the shape that AUTOMATIC1111 gives it
(modules/extras.py, ``run_modelmerger``): SHA-256 to name, old short hash and the parent's own recipe, with the parents'
entries for their parents taken over. ``modelspec.merged_from`` is of the Stability model metadata standard 1.0.1.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from engine.checkpoints.header import Header, read_header
from engine.errors import CheckpointError, RecipeError
from engine.files import readable
from engine.recipes.recipe import Recipe

METADATA_KEY = "sd_recipe_search"
"""Header key under which a checkpoint carries its recipe and its parents."""
FORMAT = 2

_LEGACY_PLACE, _LEGACY_LENGTH, _LEGACY_DIGITS = 0x100000, 0x10000, 8
_OF_ORIGIN = ("format", "recipe", "recipe_key", "models")
_DEPTH = 4  # how often a JSON text may be packed into another one: some tools do it twice


@dataclass(frozen=True, slots=True, kw_only=True)
class Parent:
    """A file that a checkpoint was merged from.

    Attributes:
        path: where it is.
        sha256: of the whole file.
    """

    path: Path
    sha256: str

    @property
    def legacy_hash(self) -> str:
        """The WebUI's first short hash: SHA-256 of 64 KiB at 1 MiB, 8 digits; for short files, of less.

        Raises:
            CheckpointError: the file cannot be read.
        """
        try:
            with readable(self.path).open("rb") as file:
                file.seek(_LEGACY_PLACE)
                return hashlib.sha256(file.read(_LEGACY_LENGTH)).hexdigest()[:_LEGACY_DIGITS]
        except OSError as error:
            raise CheckpointError(f"{self.path}: cannot be read ({error.strerror})") from error


def merge_metadata(recipe: Recipe, parents: Mapping[str, Parent], more: Mapping[str, Any]) -> dict[str, str]:
    """The metadata of a merged checkpoint; all values are texts, as the file format wants.

    Args:
        recipe: what was merged.
        parents: by the names the recipe uses.
        more: further facts for our own entry, such as the dtype; anything that JSON can hold.
    """
    used = {name: parents[name] for name in recipe.models}
    models = {name: {"name": parent.path.name, "sha256": parent.sha256} for name, parent in used.items()}
    own = {"format": FORMAT, "recipe": recipe.text, "recipe_key": recipe.key, "models": models, **more}
    return {
        METADATA_KEY: json.dumps(own, ensure_ascii=False),
        "sd_merge_models": json.dumps(_ancestry(used.values()), ensure_ascii=False),
        "modelspec.merged_from": ", ".join(dict.fromkeys(parent.path.stem for parent in used.values())),
    }


def _ancestry(parents: Iterable[Parent]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for parent in parents:
        metadata = read_header(parent.path).metadata
        found[parent.sha256] = {
            "name": parent.path.name,
            "legacy_hash": parent.legacy_hash,
            "sd_merge_recipe": unpacked(metadata.get("sd_merge_recipe")),
        }
        older = unpacked(metadata.get("sd_merge_models"))
        found |= {key: value for key, value in older.items() if key not in found} if isinstance(older, dict) else {}
    return found


def unpacked(text: object) -> Any:
    """A JSON value from a header, however often it was packed; None where there is none, or it is no JSON."""
    for _ in range(_DEPTH):
        if not isinstance(text, str):
            return text
        try:
            text = json.loads(text)
        except (ValueError, RecursionError):
            return None
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a merged checkpoint came from, as its own entry says.

    Attributes:
        recipe: what was merged.
        models: SHA-256 by name.
        names: file names by name.
        facts: what else the entry says, such as the dtype.
    """

    recipe: Recipe
    models: dict[str, str]
    names: dict[str, str]
    facts: dict[str, Any] = field(default_factory=dict[str, Any])


def origin_of(header: Header) -> Origin | None:
    """The recipe that a checkpoint of this project carries in its header; None where it carries none.

    Raises:
        RecipeError: its recipe cannot be read.
    """
    return origin_in(unpacked(header.metadata.get(METADATA_KEY)))


def origin_in(entry: object) -> Origin | None:
    """The recipe of our own entry, wherever it was written; None where it is none.

    Raises:
        RecipeError: its recipe cannot be read.
    """
    if not isinstance(entry, dict) or "recipe" not in entry:
        return None
    content = cast("dict[str, Any]", entry)
    models = _own_models(content.get("models", {}))
    return Origin(
        recipe=Recipe.parse(str(content["recipe"])),
        models={name: str(model.get("sha256", "")) for name, model in models.items()},
        names={name: str(model.get("name", "")) for name, model in models.items()},
        facts={name: value for name, value in content.items() if name not in _OF_ORIGIN},
    )


def _own_models(found: object) -> dict[str, dict[str, Any]]:
    if isinstance(found, dict):
        models = cast("dict[str, Any]", found)
        if all(isinstance(model, dict) for model in models.values()):
            return models
    raise RecipeError(f"models in {METADATA_KEY} is {found!r:.60}; the header was changed by another program")

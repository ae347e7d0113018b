"""This project's own recipe, carried by files of other tools: in JSON under a key, in texts in comments.

A text has the lines of the recipe, each behind the same mark (``#| ``, four spaces, nothing), and a line for each model
with its file and SHA-256; or one line ``# sd_recipe_search: {...}`` with the entry that merged checkpoints have in
their header.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from engine.errors import Named, RecipeError
from engine.foreign_recipes.values import as_object, parsed_json
from engine.merging.metadata import METADATA_KEY, Origin, origin_in
from engine.recipes.recipe import Recipe

COMMENT = f"# {METADATA_KEY}:"
"""How the line of a text begins that carries the recipe."""

_LINE = re.compile(rf"^[ \t]*(?:#|//|<!--)[ \t]*{METADATA_KEY}:[ \t]*(?P<json>.+?)[ \t]*(?:-->)?[ \t]*$", re.MULTILINE)
_FIRST = re.compile(r"^(?P<mark>[ \t]*(?:#\|?|//)?[ \t]*)format = \d+[ \t]*$", re.MULTILINE)
_OF_RECIPE = re.compile(r"\[\[steps\]\]|[a-z_]+ = .*|")
_MARKS = r"[^\w\n]{0,8}"
_MODEL = (
    rf"^{_MARKS}(?:model )?{_MARKS}%s{_MARKS}(?:is)?{_MARKS}"
    r"(?P<file>[^\s\"'`=:*,][^\n\"`]{0,400}?)[\"'`]?,?[ \t]{1,8}[Ss][Hh][Aa]-?256 `?(?P<sha>[0-9a-f]{64})\b"
)
CARRIED = "read from the recipe that this project wrote into the file; recipe-search verify compares it with the rest"
"""The note on such a recipe: what the other tool would do was not looked at."""


def own_in_text(text: str) -> Origin | None:
    """Return the recipe in a comment line; None where there is no such line.

    Raises:
        RecipeError: there are several lines, or one cannot be read.
    """
    found = [match["json"] for match in _LINE.finditer(text)]
    if len(found) > 1:
        raise RecipeError(f"there are {len(found)} lines {COMMENT}", remedy="keep the one that belongs to this file")
    return own_in_json({METADATA_KEY: found[0]}) if found else _own_in_lines(text)


def _own_in_lines(text: str) -> Origin | None:
    """The recipe whose lines stand in a text, with the models that it names."""
    blocks = {block for match in _FIRST.finditer(text) if "[[steps]]" in (block := _block(text, match))}
    if len(blocks) > 1:
        raise RecipeError(f"there are {len(blocks)} recipes in it", remedy="keep the one that belongs to this file")
    if not blocks:
        return None
    recipe = Recipe.parse(blocks.pop())
    lines = {name: re.search(_MODEL % re.escape(name), text, re.MULTILINE) for name in recipe.models}
    found = {name: match for name, match in lines.items() if match}
    return Origin(
        recipe=recipe,
        models={name: match["sha"] for name, match in found.items()},
        names={name: match["file"] for name, match in found.items()},
    )


def _block(text: str, first: re.Match[str]) -> str:
    """The lines behind the same mark, as long as they can be a recipe's."""
    mark, found = first["mark"], list[str]()
    for line in text[first.start() :].split("\n"):
        blank = line.strip() in {"", mark.strip()}
        if not blank and not line.startswith(mark):
            break
        content = "" if blank else line[len(mark) :].rstrip()
        if not _OF_RECIPE.fullmatch(content):
            break
        found.append(content)
    return "\n".join(found).strip()


def own_in_json(content: object) -> Origin | None:
    """Return the recipe that a JSON object carries under our key; None where it has none.

    Its value is the entry of a checkpoint's header, or the recipe's text with ``models`` beside it.

    Raises:
        RecipeError: it cannot be read.
    """
    if not isinstance(content, dict):
        return None
    whole = cast("dict[str, Any]", content)
    if METADATA_KEY not in whole:
        inner = _inside(whole)
        return None if inner is None else own_in_json(inner)
    value = whole[METADATA_KEY]
    if isinstance(value, str) and not value.lstrip().startswith(("{", '"')):
        value = {"recipe": value}
    given = as_object(parsed_json(value, METADATA_KEY) if isinstance(value, str) else value, METADATA_KEY)
    entry = {"models": whole.get("models", {}), **given}
    entry["models"] = _by_name(entry["models"])
    if not isinstance(entry.get("recipe"), str):
        raise RecipeError("there is no recipe in it", place=(Named(METADATA_KEY),), remedy="export the recipe again")
    found = origin_in(entry)
    if found is None or entry.get("recipe_key", found.recipe.key) != found.recipe.key:
        raise RecipeError(
            "the recipe was changed by hand: its key is another one",
            place=(Named(METADATA_KEY),),
            remedy="take the recipe out into a file of its own and change it there",
        )
    return found


def _inside(whole: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What carries our key in a page of ComfyUI, or is the entry itself: recipe.json of diffusers' folder, or a pin."""
    if isinstance(whole.get("recipe_key"), str) and "models" in whole:
        return {METADATA_KEY: whole}
    if isinstance(whole.get("extra"), dict) and "nodes" in whole:
        return cast("Mapping[str, Any]", whole["extra"])
    return None


def _by_name(models: object) -> Mapping[str, Any]:
    """Models by name; where they are a list, every entry says its name under ``model``, ``letter`` or ``name``.

    A study's pin has nothing but the hash of each.
    """
    if isinstance(models, dict):
        named = cast("dict[str, Any]", models)
        return {name: {"sha256": one} if isinstance(one, str) else one for name, one in named.items()}
    if not isinstance(models, list):
        return cast("Mapping[str, Any]", models)
    entries = [as_object(one, "models") for one in cast("list[Any]", models)]
    found: dict[str, Any] = {}
    for one in entries:
        key = next((name for name in ("model", "letter", "name") if name in one), None)
        if key is None:
            raise RecipeError("a model has no name", place=(Named("models"),), remedy="write it under name")
        file = next((one[name] for name in ("file", "name", "path") if name in one and name != key), "")
        found[str(one[key])] = {"name": file, "sha256": one.get("sha256") or ""}
    return found

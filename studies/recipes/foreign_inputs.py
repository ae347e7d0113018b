"""Inputs of other tools: node graphs, mergekit's YAML, model cards, .mecha; and our own recipe in any of them."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from engine.architecture.widths import FamilyName
from engine.errors import RecipeError
from engine.files import read_text
from engine.foreign_recipes.cards import card_recipe, civitai_card, hugging_face_card, is_civitai
from engine.foreign_recipes.comfyui import comfyui_recipe, is_graph
from engine.foreign_recipes.mergekit import mergekit_recipe
from engine.foreign_recipes.own import own_in_json, own_in_text
from engine.foreign_recipes.values import as_object, parsed_json
from engine.merging.metadata import Origin
from engine.supermerger.fields import Reading
from studies.errors import StudyError

KINDS = ("mecha", "comfyui", "mergekit", "card")
"""The kinds of text that are read here."""
BY_SUFFIX = {".mecha": "mecha", ".yaml": "mergekit", ".yml": "mergekit", ".md": "card"}
"""The kind of a file by its ending; of JSON, what is in it says the kind."""
CARRIERS = (".yaml", ".yml", ".md", ".py", ".txt", ".tsv", ".csv", ".html")
"""Files that may carry our own recipe in a comment line."""
PICTURE = ".png"
"""Pictures that may carry it as a text: recipe cards, and what was rendered here."""

_MECHA = "engine.exports.mecha"
_STALE = "the recipe in its comments is not what its instructions do; the instructions were read"


def carried(path: Path) -> Origin | None:
    """Return our own recipe in a file that may be of another tool; None where it carries none.

    Raises:
        StudyError: it cannot be read, or it is a picture without a recipe.
        RecipeError: it carries one that cannot be read.
    """
    suffix = path.suffix.lower()
    if suffix == PICTURE:
        from studies.recipes.in_pictures import recipe_in_picture

        return recipe_in_picture(path)
    return own_in_text(read_text(path, StudyError)) if suffix in CARRIERS else None


def read_foreign(kind: str, text: str, family: FamilyName | None) -> Reading | Origin:
    """Read a text of another tool.

    Args:
        kind: one of ``KINDS``.
        text: the whole text.
        family: of the models, where it is known.

    Raises:
        RecipeError: it is no text of that kind, or says what recipes have no words for.
    """
    match kind:
        case "mecha":
            return _of_mecha(text)
        case "mergekit":
            return mergekit_recipe(text, family)
        case "comfyui":
            return comfyui_recipe(as_object(parsed_json(text, "the graph"), "the graph"), family)
        case _:
            if text.lstrip()[:1] == "{" and (found := read_json(text, family)):
                return found
            return card_recipe(hugging_face_card(text), family)


def read_json(text: str, family: FamilyName | None) -> Reading | Origin | None:
    """Read JSON that says by its keys what it is: ours, a node graph, a Civitai model; None where it is none of them.

    Raises:
        RecipeError: it is one of these and cannot be read.
    """
    content = parsed_json(text, "the JSON text")
    if (own := own_in_json(content)) is not None:
        return own
    if is_graph(content):
        return comfyui_recipe(as_object(content, "the graph"), family)
    if is_civitai(content):
        return card_recipe(civitai_card(as_object(content, "the card")), family)
    if isinstance(content, dict) and {"nodes", "links"} <= content.keys():
        raise RecipeError(
            "this is ComfyUI's file for its window, which is not read",
            remedy="save the workflow in API format (Workflow > Export (API)) and give that file",
        )
    return None


def _of_mecha(text: str) -> Reading | Origin:
    """The recipe of a .mecha text, by its instructions; with the parents' hashes, where its comments say the same."""
    recipe, files = mecha_module("reader").recipe_of_mecha(text)
    own = own_in_text(text)
    if own is not None and own.recipe == recipe:
        return own
    notes = (_STALE,) if own is not None else ()
    sources = {name: file.replace("\\", "/").rpartition("/")[2] for name, file in files.items()}
    return Reading(recipe=recipe, sources=sources, notes=notes)


def mecha_module(name: str) -> Any:
    """Return a module that reads .mecha texts.

    Raises:
        RecipeError: this version has none.
    """
    if find_spec(_MECHA) is None:
        raise RecipeError("texts of sd-mecha are not read", remedy="give the recipe file that it was made from")
    return import_module(f"{_MECHA}.{name}")

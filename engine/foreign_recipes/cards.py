"""Model cards: README.md of Hugging Face, and the JSON of Civitai's API, where they name parents and weights.

Sure is a mergekit configuration in the text. A guess, and said so, is a formula such as ``A * 0.4 + B * 0.6``, and a
row of block weights beside two parents.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from engine.architecture.widths import FamilyName
from engine.errors import Named, RecipeError
from engine.foreign_recipes.formulas import formula_in
from engine.foreign_recipes.mergekit import (
    MODEL_NAMES,
    parsed_yaml,
    recipe_of_configuration,
    text_of,
    weighted_recipe,
)
from engine.foreign_recipes.values import Object
from engine.recipes.blocks import BLOCKS, XL_BLOCKS
from engine.recipes.recipe import MergeStep, Recipe
from engine.supermerger.fields import Reading
from engine.supermerger.notes import family_note

_LONGEST = 400_000  # letters of a card that are read
_FRONT = re.compile(r"\A---[ \t]*\n(?P<yaml>.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_BLOCK = re.compile(r"^```[ \t]*\w*[ \t]*\n(?P<text>.*?)^```", re.DOTALL | re.MULTILINE)
_NUMBER = r"-?(?:\d{1,8}(?:\.\d{0,20})?|\.\d{1,20})"
_ROW = re.compile(rf"(?<![\d.,])({_NUMBER}(?:[ \t]*,[ \t]*{_NUMBER}){{18,25}})(?![\d,])")
_TAG = re.compile(r"<[^<>]{0,2000}>")
_BREAK = re.compile(r"<(?:br|/p|/li|/div|/h\d)[^<>]{0,200}>", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a card says.

    Attributes:
        text: its words, without front matter and tags.
        parents: the models that it names as those it was merged from, in their order.
    """

    text: str
    parents: tuple[str, ...] = ()


def hugging_face_card(text: str) -> Card:
    """Return what a README.md with YAML front matter says.

    Raises:
        RecipeError: the front matter is no YAML.
    """
    text = text[:_LONGEST]
    front = _FRONT.match(text)
    if front is None:
        return Card(text=text)
    content = parsed_yaml(front["yaml"], "the front matter")
    listed = cast("dict[str, Any]", content).get("base_model") if isinstance(content, dict) else None
    entries = cast("list[Any]", listed) if isinstance(listed, list) else [listed]
    return Card(text=text[front.end() :], parents=tuple(name for one in entries if (name := text_of(one))))


def is_civitai(content: object) -> bool:
    """Return whether a JSON value is a model or a version of Civitai's API."""
    if not isinstance(content, dict):
        return False
    keys = cast("dict[str, Any]", content).keys()
    return "modelVersions" in keys or {"description", "modelId"} <= keys or {"description", "trainedWords"} <= keys


def civitai_card(content: Object) -> Card:
    """Return what a model or a version of Civitai's API says: the newest version's words, then the model's."""
    versions = content.get("modelVersions")
    newest = cast("list[Any]", versions)[:1] if isinstance(versions, list) else []
    objects = [cast("dict[str, Any]", one) for one in [*newest, content] if isinstance(one, dict)]
    words = [text_of(one.get("description")) for one in objects]
    return Card(text=_plain("\n".join(words)[:_LONGEST]))


def _plain(text: str) -> str:
    """HTML as plain lines."""
    return html.unescape(_TAG.sub("", _BREAK.sub("\n", text)))


def card_recipe(card: Card, family: FamilyName | None) -> Reading:
    """Return the recipe that a card names.

    Args:
        card: what it says.
        family: of the models; None: SDXL by the number of weights, else SD1, with a note.

    Raises:
        RecipeError: it names no weights, or several recipes.
    """
    if found := _configuration(card.text):
        reading = recipe_of_configuration(found, family)
        return replace(reading, notes=("read from the mergekit configuration in the card", *reading.notes))
    if formula := formula_in(card.text):
        return _of_formula(formula.models, formula.weights, formula.line, family)
    rows = {tuple(map(float, row.split(","))) for row in _ROW.findall(card.text)}
    rows = {row for row in rows if len(row) in {len(BLOCKS), len(BLOCKS) - 1, len(XL_BLOCKS), len(XL_BLOCKS) - 1}}
    if len(rows) > 1:
        raise RecipeError(
            f"the card has {len(rows)} rows of block weights",
            place=(Named("the card"),),
            remedy="give the right one as a text, with --from weights",
        )
    if rows:
        return _of_row(next(iter(rows)), card.parents, family)
    parents = f"names its parents ({', '.join(card.parents)[:200]}) but" if card.parents else "names"
    raise RecipeError(
        f"it {parents} no weights that could be read",
        place=(Named("the card"),),
        remedy="read are a mergekit configuration, a formula such as A * 0.4 + B * 0.6, and a row of block weights",
    )


def _configuration(text: str) -> Object | None:
    """The mergekit configuration in a block of code; None where there is none."""
    for block in _BLOCK.finditer(text):
        if "merge_method" not in block["text"]:
            continue
        content = parsed_yaml(block["text"], "the block of code with merge_method")
        if isinstance(content, dict):
            return cast("dict[str, Any]", content)
    return None


def _of_formula(models: Sequence[str], weights: Sequence[float], line: str, family: FamilyName | None) -> Reading:
    chosen: FamilyName = family or "sd1"
    recipe = weighted_recipe(weights, chosen)
    sources = dict(zip(MODEL_NAMES, models, strict=False))
    notes = [f"a guess: read from the line {line!r:.100}; it says nothing of blocks, text encoder and VAE"]
    notes += [family_note(chosen, "the card does")] if family is None else []
    return Reading(recipe=recipe, sources={name: sources[name] for name in recipe.models}, notes=tuple(notes))


def _of_row(row: tuple[float, ...], parents: Sequence[str], family: FamilyName | None) -> Reading:
    chosen: FamilyName = family or ("sdxl" if len(row) <= len(XL_BLOCKS) else "sd1")
    if len(parents) not in {0, 2}:
        raise RecipeError(
            f"it has a row of block weights and names {len(parents)} parents",
            place=(Named("the card"),),
            remedy="a row is of two models; give it as a text, with --from weights",
        )
    blocks = XL_BLOCKS if chosen == "sdxl" else BLOCKS
    whole = row if len(row) in {len(BLOCKS), len(XL_BLOCKS)} else (0.0, *row)
    if len(whole) != len(blocks):
        raise RecipeError(f"its row has {len(row)} weights", place=(Named("the card"),), remedy=f"{chosen} has others")
    dialect = "head" if chosen == "sdxl" else "classic"
    recipe = Recipe(steps=(MergeStep(alpha=whole),), dialect=dialect, family=chosen)
    named = dict(zip(MODEL_NAMES, parents, strict=False))
    notes = ["a guess: the row of block weights in the card is read as SuperMerger's Weight sum, the weights B's"]
    if whole is not row:
        notes.append("a guess: the row has no BASE, which is read as 0")
    if parents:
        notes.append(f"a guess: A is {parents[0]}, the first of the card's base_model, and B the second")
    notes += [family_note(chosen, "the card does")] if family is None else []
    sources = {name: named.get(name, "unknown") for name in recipe.models}
    return Reading(recipe=recipe, sources=sources, notes=tuple(notes))

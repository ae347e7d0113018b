"""A card as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from engine.merging.metadata import METADATA_KEY
from engine.recipes.steps import number
from studies.cards import words
from studies.cards.card import CardParent, RecipeCard
from studies.cards.markup import fenced, link_address, markdown_escaped
from studies.cards.recommended_markdown import settings_section
from studies.cards.record import entry_text
from studies.recipes.recipe_words import RecipeWords, WeightRow, recipe_words

_GREATER = r"\u003e"
"""How JSON may write the character that ends a comment."""


def markdown_text(card: RecipeCard, stem: str) -> str:
    """Return a card as Markdown.

    Args:
        card: what it says.
        stem: what the card's files are called, without their endings.
    """
    parts = (
        _head(card, f"{stem}.png"),
        _result(card),
        _weights(card),
        _recommended(card),
        _settings(card),
        _parents(card),
        _checkpoint(card),
        _rebuild(card, stem),
    )
    return "\n\n".join("\n".join(lines) for part in parts if (lines := list(part))) + "\n"


def _head(card: RecipeCard, picture: str) -> Iterator[str]:
    yield f"# {markdown_escaped(card.title)}"
    yield ""
    yield f"![{markdown_escaped(card.title)}](<{link_address(picture)}>)"
    yield ""
    yield f"A merge of {markdown_escaped(_named(card.parents))}. {markdown_escaped(words.about_recipe(card))}."
    yield f"Recipe `{card.recipe.key}`."
    if card.source:
        yield ""
        what = f"Approved in the study {card.study}, {card.approved[:10]}: {card.source}."
        yield markdown_escaped(what)
    if card.note:
        yield ""
        yield f"> {markdown_escaped(card.note)}"


def _named(parents: Iterable[CardParent]) -> str:
    return ", ".join(f"{parent.letter} ({parent.file})" if parent.file else parent.letter for parent in parents)


def _result(card: RecipeCard) -> Iterator[str]:
    yield f"## {markdown_escaped(words.headline(card))}"
    yield ""
    yield from (f"* {markdown_escaped(line)}" for line in words.result_lines(card))
    yield from (f"* **Warning:** {markdown_escaped(line)}" for line in words.warnings(card))
    if card.proof is not None:
        yield from ("", words.UNITS)
    if card.pictures is not None:
        yield from ("", words.picture_note(card.pictures))


def _weights(card: RecipeCard) -> Iterator[str]:
    recipe = recipe_words(card.recipe)
    yield "## Weights"
    for place, row in enumerate(recipe.rows, start=1):
        yield ""
        yield markdown_escaped(f"Step {place}, {row.mode}, of {', '.join(row.models)}:")
        yield from ("", *_table(row))
    yield from _others(recipe)


def _table(row: WeightRow) -> Iterator[str]:
    beta = dict(row.beta)
    yield "| block | alpha |" + (" beta |" if beta else "")
    yield "|---|---|" + ("---|" if beta else "")
    for block, ratio in row.alpha:
        yield f"| {block} | {number(round(ratio, 4))} |" + (f" {number(round(beta[block], 4))} |" if beta else "")


def _others(recipe: RecipeWords) -> Iterator[str]:
    if recipe.factors:
        yield from (
            "",
            "Self: " + ", ".join(f"{site} \N{MULTIPLICATION SIGN} {number(f)}" for site, f in recipe.factors),
        )
    if recipe.adjust:
        yield from ("", "Adjust: " + ", ".join(f"{field} {number(value)}" for field, value in recipe.adjust))


def _recommended(card: RecipeCard) -> Iterator[str]:
    if card.recommended is not None:
        yield from settings_section(card.recommended, words.example(card))


def _settings(card: RecipeCard) -> Iterator[str]:
    if not card.shots:
        return
    yield "## Settings that it was judged with"
    yield ""
    yield from (f"* {name}: {markdown_escaped(text)}" for name, text in words.settings(card))
    if card.embeddings:
        yield from ("", "Trigger words of textual-inversion embeddings that the prompts use:", "")
        yield from (f"* {markdown_escaped(name)}, SHA-256 `{sha256}`" for name, sha256 in card.embeddings.items())
    if card.recommended is None:
        yield from ("", "One of the pictures, for the WebUI:", "", *fenced(words.example(card)))


def _parents(card: RecipeCard) -> Iterator[str]:
    yield "## Parents"
    yield ""
    yield "| model | file | AutoV2 | SHA-256 | licence |"
    yield "|---|---|---|---|---|"
    for parent in card.parents:
        cells = (
            parent.letter,
            markdown_escaped(parent.file) or "not known",
            f"`{parent.autov2}`" if parent.sha256 else "not known",
            f"`{parent.sha256}`" if parent.sha256 else "not known",
            markdown_escaped(parent.licence) or words.NOT_STATED,
        )
        yield f"| {' | '.join(cells)} |"


def _checkpoint(card: RecipeCard) -> Iterator[str]:
    if card.checkpoint is None:
        return
    yield "## Checkpoint"
    yield ""
    yield f"* File: {markdown_escaped(card.checkpoint.file)}"
    yield f"* AutoV2 `{card.checkpoint.autov2}`, AutoV3 `{card.checkpoint.autov3}`"
    yield f"* SHA-256 `{card.checkpoint.sha256}`"


def _rebuild(card: RecipeCard, stem: str) -> Iterator[str]:
    yield "## How to build it again"
    yield ""
    yield "With sd-recipe-search; the first command writes a recipe file, in which the paths of the parents go under"
    yield "`[models]`:"
    yield ""
    yield from fenced("\n".join(words.rebuild_lines(card, stem)))
    yield ""
    yield "With the tool that the recipe is written for:"
    yield ""
    yield from fenced(words.supermerger_text(card))
    yield ""
    # A comment ends at its first "-->", which a name of a file might hold.
    yield f"<!-- {METADATA_KEY}: {entry_text(card).replace('>', _GREATER)} -->"

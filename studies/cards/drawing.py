"""A card as a picture."""

from __future__ import annotations

import io

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine.merging.metadata import METADATA_KEY
from engine.recipes.steps import MergeStep, number
from studies.cards import words
from studies.cards.bars import draw_bars
from studies.cards.canvas import ACCENT, BODY, INNER, MARGIN, PALE, SMALL, TITLE, WARNING, Canvas
from studies.cards.card import CardPictures, RecipeCard
from studies.cards.recommended_drawing import draw_recommended
from studies.cards.record import entry_text
from studies.drawing.paragraphs import ELLIPSIS, cut
from studies.drawing.sheets import RgbPicture
from studies.recipes.recipe_words import WeightRow, recipe_words

PARAMETERS = "parameters"
"""The key of the text in a picture that the WebUI's "PNG Info" reads."""
GAP = 8
LONGEST_NAME = 40
"""Characters of a file's name in the head of a card; the whole name stands further down."""
STEPS = 4
"""The most steps whose weights are drawn."""


def drawn_card(card: RecipeCard, stem: str) -> bytes:
    """Return a card as a PNG file, which carries the recipe as a text too, and settings that the WebUI reads.

    Args:
        card: what it says.
        stem: what the card's files are called, without their endings.
    """
    canvas = Canvas()
    _draw_head(canvas, card)
    if card.pictures is not None:
        _draw_pictures(canvas, card.pictures)
    _draw_result(canvas, card)
    _draw_weights(canvas, card)
    if card.recommended is not None:
        draw_recommended(canvas, card.recommended)
    _draw_settings(canvas, card)
    _draw_parents(canvas, card)
    _draw_foot(canvas, card, f"{stem}.md")
    info, content = PngInfo(), io.BytesIO()
    info.add_itxt(METADATA_KEY, entry_text(card))
    if example := words.example(card):
        info.add_itxt(PARAMETERS, example)
    canvas.finished().save(content, "PNG", pnginfo=info)
    return content.getvalue()


def _draw_head(canvas: Canvas, card: RecipeCard) -> None:
    canvas.text(card.title, TITLE, most=3)
    canvas.y += 6
    names = [parent.file or parent.letter for parent in card.parents]
    shown = [name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + ELLIPSIS for name in names]
    canvas.text(f"A merge of {', '.join(shown)}", most=4)
    canvas.text(words.about_recipe(card), SMALL, PALE)
    canvas.y += 16


def _draw_pictures(canvas: Canvas, pictures: CardPictures) -> None:
    columns = len(pictures.columns)
    wide = (INNER - (columns - 1) * GAP) // columns
    shape = next(picture.shape for picture in pictures.rows[0].pictures if picture is not None)
    high = round(wide * shape[0] / shape[1])
    for place, label in enumerate(pictures.columns):
        text, left = label or "this recipe", MARGIN + place * (wide + GAP)
        font = canvas.font(BODY, text)
        canvas.pen.text((left, canvas.y), cut(text, font, wide), fill=PALE if label else ACCENT, font=font)
    canvas.y += 44
    for row in pictures.rows:
        for place, picture in enumerate(row.pictures):
            left = MARGIN + place * (wide + GAP)
            if picture is not None:
                canvas.sheet.paste(_scaled(picture, wide, high), (left, canvas.y))
            else:
                canvas.pen.text((left, canvas.y), "not kept", fill=PALE, font=canvas.font(SMALL, "not kept"))
            if not place:
                canvas.pen.rectangle(
                    (left - 4, canvas.y - 4, left + wide + 3, canvas.y + high + 3), outline=ACCENT, width=4
                )
        canvas.y += high + 6
        canvas.text(f"{row.prompt} (seed {row.seed})", SMALL, PALE, most=2)
        canvas.y += 8
    canvas.text(words.picture_note(pictures), SMALL, PALE)


def _scaled(picture: RgbPicture, wide: int, high: int) -> Image.Image:
    """The picture within a cell, whole, on white."""
    image = Image.fromarray(picture)
    factor = min(wide / image.width, high / image.height)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    sheet = Image.new("RGB", (wide, high), (255, 255, 255))
    sheet.paste(image.resize(size, Image.Resampling.LANCZOS), ((wide - size[0]) // 2, (high - size[1]) // 2))
    return sheet


def _draw_result(canvas: Canvas, card: RecipeCard) -> None:
    text = words.headline(card)
    canvas.heading(text, ACCENT if text.startswith("Proved") else WARNING)
    for line in words.result_lines(card):
        canvas.text(line, most=5)
        canvas.y += 6
    for line in words.warnings(card):
        canvas.text(f"Warning: {line}", ink=WARNING, most=6)
        canvas.y += 6
    if card.proof is not None:
        canvas.text(words.UNITS, SMALL, PALE)


def _draw_weights(canvas: Canvas, card: RecipeCard) -> None:
    recipe = recipe_words(card.recipe)
    canvas.heading("Weights by block")
    for place, row in enumerate(recipe.rows[:STEPS], start=1):
        step = f"Step {place}: " if len(recipe.rows) > 1 else ""
        draw_bars(canvas, row.alpha, step + _row_title(row))
        if row.beta:
            draw_bars(canvas, row.beta, f"{step}beta, the second ratio")
    if len(recipe.rows) > STEPS:
        canvas.text(f"and {len(recipe.rows) - STEPS} more steps", SMALL, PALE)
    if recipe.factors:
        texts = (f"{site} \N{MULTIPLICATION SIGN} {number(factor)}" for site, factor in recipe.factors)
        canvas.pair("Self", ", ".join(texts), left=130)
    if recipe.adjust:
        canvas.pair("Adjust", ", ".join(f"{field} {number(value)}" for field, value in recipe.adjust), left=130)
    for step in card.recipe.steps:
        if isinstance(step, MergeStep) and step.elemental:
            canvas.pair("Elements", step.elemental, left=130, most=3)


def _row_title(row: WeightRow) -> str:
    if row.mode == "Weight sum":
        return f"share of {row.models[1]}: 0 is {row.models[0]}, 1 is {row.models[1]}"
    return f"alpha of {row.mode}, of {', '.join(row.models)}"


def _draw_settings(canvas: Canvas, card: RecipeCard) -> None:
    if not card.shots:
        return
    canvas.heading("Settings that it was judged with")
    for name, text in words.settings(card):
        canvas.pair(name, text, left=220)
    if card.embeddings:
        canvas.pair("Trigger words", ", ".join(card.embeddings), left=220)


def _draw_parents(canvas: Canvas, card: RecipeCard) -> None:
    canvas.heading("Parents")
    for parent in card.parents:
        canvas.pair(parent.letter, parent.file or "not known", left=40)
        hashed = f"AutoV2 {parent.autov2}" if parent.sha256 else "hash not known"
        canvas.text(
            f"{hashed}; licence: {parent.licence or words.NOT_STATED}", SMALL, PALE, most=4, left=40, width=INNER - 40
        )
        canvas.y += 8


def _draw_foot(canvas: Canvas, card: RecipeCard, more: str) -> None:
    canvas.heading("Build it again")
    if card.checkpoint is not None:
        canvas.pair("Checkpoint", card.checkpoint.file, left=170)
        canvas.pair("", f"AutoV2 {card.checkpoint.autov2}, AutoV3 {card.checkpoint.autov3}", left=170)
    canvas.pair("Recipe", card.recipe.key[:16], left=170)
    canvas.text(f"The recipe is in this picture too. Commands and SuperMerger's lines: {more}", SMALL, PALE, most=3)

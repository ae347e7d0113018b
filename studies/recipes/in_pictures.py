"""The recipe that a picture carries: a recipe card as PNG, or a PNG that was rendered here."""

from __future__ import annotations

from pathlib import Path

from engine.errors import RecipeError
from engine.foreign_recipes.own import own_in_json
from engine.merging.metadata import METADATA_KEY, Origin
from engine.recipes.recipe import Recipe
from scorers.picture_files import MOST_READ, opened_picture
from studies.errors import StudyError

RECIPE = "merge_recipe"
"""Name of the text, in a PNG that was rendered here, with the canonical text of the recipe of its model."""
_LOST = "take the file as it was saved, since most websites and programs drop the text; a WebUI's picture has none"


def recipe_in_picture(path: Path) -> Origin:
    """Return the recipe in a PNG; a card names the parents too.

    Raises:
        StudyError: it is not a picture, or carries no recipe.
        RecipeError: its recipe cannot be read.
    """
    with opened_picture(path, StudyError) as image:
        if not image.info.keys() & {METADATA_KEY, RECIPE} and image.width * image.height <= MOST_READ:
            image.load()  # a text may stand behind the pixels
        texts = {name: str(image.info[name]) for name in (METADATA_KEY, RECIPE) if name in image.info}
    if METADATA_KEY in texts and (origin := own_in_json({METADATA_KEY: texts[METADATA_KEY]})) is not None:
        return origin
    if RECIPE not in texts:
        raise StudyError("this picture carries no recipe of a merge", place=(path,), remedy=_LOST)
    try:
        return Origin(recipe=Recipe.parse(texts[RECIPE]), models={}, names={})
    except RecipeError as error:
        raise error.under(RECIPE) from error

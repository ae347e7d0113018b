"""Pictures as PNG files that say what they show: the WebUI's text, and beside it the recipe of their model.

AUTOMATIC1111's WebUI and its relatives read the text chunk ``parameters``. The recipe has a chunk of its own,
``merge_recipe``, which they pass over.
"""

from __future__ import annotations

from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from studies.errors import StudyError
from studies.files import replaced
from studies.sheets import Picture

PARAMETERS = "parameters"
RECIPE = "merge_recipe"


def is_black(picture: Picture) -> bool:
    """Whether a picture ``(height, width, 3)`` uint8 is black all over: what a NaN looks like in many tools.

    The limit is the one beyond which a study takes a picture for broken.
    """
    from scorers.guards import Limits

    return int(picture.max()) < 255 * Limits().black


def save_picture(picture: Picture, path: Path, *, parameters: str, recipe: str = "") -> None:
    """Write a picture, whole or not at all.

    Args:
        picture: ``(height, width, 3)`` uint8 RGB.
        path: a name that ends in ``.png``; what is there is replaced.
        parameters: the text of ``engine.infotext``.
        recipe: canonical text of the recipe; empty: no such chunk.

    Raises:
        StudyError: the file cannot be written.
    """
    chunks = PngInfo()
    chunks.add_text(PARAMETERS, parameters)
    if recipe:
        chunks.add_text(RECIPE, recipe)
    try:
        with replaced(path) as temporary:
            Image.fromarray(picture).save(temporary, pnginfo=chunks)
    except OSError as error:
        raise StudyError(f"{path}: cannot be written ({error.strerror}); check the folder and the disk") from error


def parameters_of(path: Path) -> str:
    """The WebUI's text in a picture.

    Raises:
        StudyError: it is no picture, or it has no such text.
    """
    try:
        with Image.open(path) as image:
            image.load()  # a text may stand behind the pixels
            text = image.info.get(PARAMETERS)
    except (OSError, SyntaxError, ValueError) as error:
        raise StudyError(f"{path}: cannot be read as a picture ({error}); check the path") from error
    if not isinstance(text, str):
        raise StudyError(
            f'{path}: has no text "{PARAMETERS}", in which a WebUI says how it made a picture; take the PNG as it was '
            "saved, since most websites and programs drop the text"
        )
    return text

"""Pictures as files that say what they show: the WebUI's text, and beside it the recipe of their model.

AUTOMATIC1111's WebUI and its relatives read the text chunk ``parameters`` of a PNG, and the EXIF UserComment of a JPEG
or a WebP (as piexif writes it: ``UNICODE``, a zero byte, UTF-16 with the high byte first). In a PNG the recipe has a
chunk of its own, ``merge_recipe``, which they pass over.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from engine.files import file_kind, replaced
from scorers.picture_files import MOST_READ, opened_picture
from studies.drawing.sheets import RgbPicture
from studies.errors import StudyError
from studies.recipes.in_pictures import RECIPE

PARAMETERS = "parameters"
SIDES = {".png": 2**31 - 1, ".jpg": 65500, ".jpeg": 65500, ".webp": 16383}
"""The most pixels to a side that a format can hold, by the ending of the file name."""
QUALITY = 90
"""Quality of JPEG and WebP files, 0 to 100."""

_PROGRAMS = {
    "workflow": "ComfyUI",
    "prompt": "ComfyUI",
    "invokeai_metadata": "InvokeAI",
    "invokeai_graph": "InvokeAI",
    "sd-metadata": "InvokeAI",
    "fooocus_scheme": "Fooocus",
}
"""Keys of the texts that other programs keep in their pictures, and whose they are."""
_BLACK = "try another VAE (--vae), --precision fp32, or numbers of the recipe closer to neutral"
_EXIF, _USER_COMMENT = 0x8769, 0x9286
_UNICODE = b"UNICODE\x00"
_LONGEST_EXIF = 65533 - 1024
"""The most bytes of text in a JPEG, which keeps all EXIF in one segment."""


def is_black(picture: RgbPicture) -> bool:
    """Whether a picture ``(height, width, 3)`` uint8 is black all over: what a NaN looks like in many tools.

    The limit is the one beyond which a study takes a picture for broken.
    """
    from scorers.extraction.guards import Limits

    return int(picture.max()) < 255 * Limits().min_brightest


def save_picture(picture: RgbPicture, path: Path, *, parameters: str, recipe: str = "") -> None:
    """Write a picture, whole or not at all.

    Args:
        picture: ``(height, width, 3)`` uint8 RGB.
        path: a name that ends as in ``SIDES``; what is there is replaced.
        parameters: the text of ``engine.shots.infotext``.
        recipe: canonical text of the recipe, for a PNG; empty: no such chunk.

    Raises:
        StudyError: the file cannot be written, or the format cannot hold it.
    """
    height, width = picture.shape[:2]
    refuse_unfit(path, (width, height), parameters)
    try:
        with replaced(path) as temporary:
            Image.fromarray(picture).save(temporary, **_save_options(path, parameters, recipe))
    except OSError as error:
        raise StudyError(
            f"cannot be written ({error.strerror})", place=(path,), remedy="check the folder and the disk"
        ) from error


def refuse_unfit(path: Path, size: tuple[int, int], parameters: str) -> None:
    """Check that the format of a file name can hold a picture.

    Args:
        path: the name.
        size: width and height in pixels.
        parameters: its text.

    Raises:
        StudyError: it cannot, or the format is not known here.
    """
    suffix = path.suffix.lower()
    most = SIDES.get(suffix)
    if most is None:
        raise StudyError("its format is not known", place=(path,), remedy=f"the name must end in {', '.join(SIDES)}")
    if max(size) > most:
        raise StudyError(
            f"would have {size[0]}x{size[1]} pixels, and {suffix} files have at most {most} to a side",
            place=(path,),
            remedy="choose a name that ends in .png",
        )
    if suffix != ".png" and len(_exif_comment(parameters)) > _LONGEST_EXIF:
        raise StudyError(
            f"the text of the picture is too long for {suffix}", place=(path,), remedy="choose a name that ends in .png"
        )


def _save_options(path: Path, parameters: str, recipe: str) -> dict[str, Any]:
    if path.suffix.lower() == ".png":
        chunks = PngInfo()
        chunks.add_text(PARAMETERS, parameters)
        if recipe:
            chunks.add_text(RECIPE, recipe)
        return {"pnginfo": chunks}
    exif = Image.Exif()
    exif.get_ifd(_EXIF)[_USER_COMMENT] = _exif_comment(parameters)
    return {"exif": exif, "quality": QUALITY}


def _exif_comment(text: str) -> bytes:
    return _UNICODE + text.encode("utf-16-be", "surrogatepass")


def parameters_of(path: Path) -> str:
    """The WebUI's text in a picture.

    Raises:
        StudyError: it is not a picture, or has no such text.
    """
    with opened_picture(path, StudyError) as image:
        text = image.info.get(PARAMETERS)
        if text is None and image.width * image.height <= MOST_READ:
            image.load()  # a text may stand behind the pixels
            text = image.info.get(PARAMETERS)
        text = text or _from_comment(image.getexif().get_ifd(_EXIF).get(_USER_COMMENT))
        program = next((name for key, name in _PROGRAMS.items() if key in image.info), "")
    if not isinstance(text, str) and program:
        raise StudyError(
            f'was made by {program}, which keeps its settings in another form than the text "{PARAMETERS}" of a WebUI',
            place=(path,),
            remedy="give the settings as options",
        )
    if not isinstance(text, str):
        raise StudyError(
            f'has no text "{PARAMETERS}", in which a WebUI says how it made a picture',
            place=(path,),
            remedy="take the file as it was saved, since most websites and programs drop the text",
        )
    return text


def _from_comment(comment: object) -> str | None:
    if isinstance(comment, bytes) and comment.startswith(_UNICODE):
        return comment.removeprefix(_UNICODE).decode("utf-16-be", "replace")
    return None


def black_warning(picture: RgbPicture, where: str) -> str:
    """A warning that names the place of a picture that is black all over; "" for any other."""
    return f"{where}: is black all over; {_BLACK}" if is_black(picture) else ""


def refuse_existing(paths: Sequence[Path], *, overwrite: bool) -> None:
    """Make the folder of the paths, and check that none of them exists.

    Raises:
        StudyError: one exists and may not be overwritten, or the folder cannot be made.
    """
    folder = paths[0].parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StudyError(
            f"the folder cannot be made ({error.strerror})", place=(folder,), remedy="choose another"
        ) from error
    there = [path.name for path in paths if file_kind(path)]
    if there and not overwrite:
        more = f" and {len(there) - 1} more" if len(there) > 1 else ""
        raise StudyError(
            f"already holds {there[0]}{more}", place=(folder,), remedy="choose another folder, or add --overwrite"
        )

"""Picture files: which there are, and opening any of them upright, within a limit of memory, without waiting for ever.

Whatever Pillow reads by its content is a picture, whatever its name. A picture of more than ``MOST_KEPT`` pixels is
made smaller while it is read, JPEG files by their own decoder; what takes too much memory even so is refused.
"""

from __future__ import annotations

import math
import struct
import warnings
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from engine.errors import ProblemError, first_line
from engine.files import readable

MOST_KEPT = 1 << 25
"""The most pixels that a picture keeps, 5792 x 5792: beyond that it is made smaller."""
MOST_READ = 178_956_970
"""The most pixels of a file that is read whole, which takes four bytes each; Pillow's own limit."""
MOST_DRAFTED = 1 << 30
"""The most pixels of a JPEG file, which can be read at an eighth of its size; it takes a few seconds."""
LONGEST = 64
"""How many times longer than broad a picture may be: scorers bring the short side of all to one length."""
NO_PICTURE = "cannot be read as a picture (it is not a picture, or of a kind that Pillow does not know)"
"""What is wrong with a file that is none."""

_BY_CONTENT = (
    "AVIF", "BMP", "DDS", "GIF", "ICNS", "ICO", "JPEG", "JPEG2000", "PNG", "PPM", "PSD", "QOI", "SGI", "TIFF", "WEBP",
)  # fmt: skip
"""Formats whose files say what they are."""
_NOT_HERE = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}
"""Formats that Pillow only knows by name, or reads by another program."""
_SHOWN = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr", "HSV"}
"""Pillow's modes of eight bits that have a colour for every pixel."""
_TURNS = dict(
    enumerate(
        (
            Image.Transpose.FLIP_LEFT_RIGHT,
            Image.Transpose.ROTATE_180,
            Image.Transpose.FLIP_TOP_BOTTOM,
            Image.Transpose.TRANSPOSE,
            Image.Transpose.ROTATE_270,
            Image.Transpose.TRANSVERSE,
            Image.Transpose.ROTATE_90,
        ),
        start=2,
    )
)
"""What makes a picture upright, by EXIF's number of its orientation."""
_DAMAGED = (
    ArithmeticError,
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)
"""What Pillow raises for damaged files, beside ``OSError``."""


def is_picture(path: Path) -> bool:
    """Whether a file is a picture by its content; it may still be damaged, or too large."""
    try:
        with _quiet(), _opened(path):
            return True
    except (OSError, Image.DecompressionBombError, *_DAMAGED):
        return False


@contextmanager
def opened_picture(path: Path, kind: type[ProblemError]) -> Generator[Image.Image]:
    """Open a picture file: nothing but its header and its texts are read until its pixels are asked for.

    Args:
        path: the file.
        kind: the error to raise, also for what goes wrong in the block with the picture.

    Raises:
        ProblemError: of that kind: no such file, it is not a picture, it is damaged, or it is too large to read.
    """
    try:
        with _quiet(), _opened(path) as image:
            yield image
    except FileNotFoundError:
        raise kind("cannot be read as a picture (no such file)", place=(path,)) from None
    except UnidentifiedImageError:
        raise kind(NO_PICTURE, place=(path,)) from None
    except Image.DecompressionBombError:
        raise kind("has too many pixels to be read", place=(path,), remedy="make it smaller") from None
    except (OSError, *_DAMAGED) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or first_line(error)
        raise kind(f"cannot be read as a picture ({reason})", place=(path,)) from error


def read_image(path: Path, kind: type[ProblemError]) -> Image.Image:
    """Read a picture file: upright by its EXIF, transparency on white, first frame only, ``MOST_KEPT`` pixels at most.

    Returns:
        In mode RGB, or in a mode that begins with I: grey of 16 bits.

    Raises:
        ProblemError: of that kind: as ``opened_picture``; or it is far longer than broad, or its colours are not known.
    """
    with opened_picture(path, kind) as image:
        _refuse_shape(image.size, path, kind)
        _draft(image)
        if math.prod(image.size) > MOST_READ:
            width, height = image.size
            what = f"has {width} x {height} pixels, and files of this kind are read up to {MOST_READ // 10**6} million"
            raise kind(what, place=(path,), remedy="make it smaller, or save it as JPEG (not progressive)")
        if not image.mode.startswith("I") and image.mode not in _SHOWN:
            what = f"its pixels are of the kind {image.mode}, whose colours are not known here"
            raise kind(what, place=(path,), remedy="save it as PNG")
        turn, shown = _turn(image), _on_white(_reduced(image))
        shown.load()  # while the file is open
        return shown if turn is None else shown.transpose(turn)


def read_pixels(path: Path, kind: type[ProblemError]) -> npt.NDArray[np.uint8]:
    """Read a picture file as ``read_image`` does, as ``(height, width, 3)`` uint8 RGB."""
    image = read_image(path, kind)
    return np.asarray(image if image.mode == "RGB" else _eight_bits(image).convert("RGB"))


def kept_size(path: Path, kind: type[ProblemError]) -> tuple[int, int]:
    """Width and height of what ``read_image`` gives, or the other way round; read from the file's header alone."""
    with opened_picture(path, kind) as image:
        _draft(image)
        factor = _factor(image.size)
        return math.ceil(image.width / factor), math.ceil(image.height / factor)


def _opened(path: Path) -> Image.Image:
    """Pillow's picture of a file; of JPEG files of any size, since they can be read smaller than they are."""
    known = Image.registered_extensions().get(path.suffix.lower())
    others = [name for name in Image.OPEN if name not in {*_BY_CONTENT, *_NOT_HERE}] if known else []
    try:
        return Image.open(readable(path), formats=[*_BY_CONTENT, *others])
    except Image.DecompressionBombError:
        with readable(path).open("rb") as file:
            if file.read(3) != b"\xff\xd8\xff":
                raise
        image = JpegImageFile(readable(path))
        if math.prod(image.size) > MOST_DRAFTED:
            image.close()
            raise
        return image


@contextmanager
def _quiet() -> Generator[None]:
    """Without Pillow's warnings of large pictures, and of faults that it passes over."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
        yield


def _refuse_shape(size: tuple[int, int], path: Path, kind: type[ProblemError]) -> None:
    short, long = sorted(size)
    if long > LONGEST * short:
        what = f"has {size[0]} x {size[1]} pixels: it is more than {LONGEST} times longer than broad"
        raise kind(what, place=(path,), remedy="cut the part out that shows something")


def _draft(image: Image.Image) -> None:
    """Have a large JPEG file read at 1/2, 1/4 or 1/8; a progressive one is held in memory as a whole even so."""
    if isinstance(image, JpegImageFile) and math.prod(image.size) > MOST_KEPT:
        if image.info.get("progressive") and math.prod(image.size) > MOST_READ:
            return
        scale = next((n for n in (2, 4) if math.prod(image.size) <= MOST_KEPT * n * n), 8)
        image.draft(None, (image.width // scale, image.height // scale))


def _turn(image: Image.Image) -> Image.Transpose | None:
    """What makes a picture upright, by its EXIF; an EXIF that cannot be read turns nothing."""
    try:
        return _TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except (OSError, *_DAMAGED):
        return None


def _factor(size: tuple[int, int]) -> int:
    """How many pixels to a side become one."""
    return math.ceil(math.sqrt(math.prod(size) / MOST_KEPT))


def _reduced(image: Image.Image) -> Image.Image:
    """A picture of at most ``MOST_KEPT`` pixels; a smaller one stays as it is."""
    if (factor := _factor(image.size)) == 1:
        return image
    if image.mode.startswith("I"):
        return _eight_bits(image).reduce(factor)
    if image.mode in {"1", "P", "PA"}:  # numbers of colours have no mean
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    return image.reduce(factor)


def _eight_bits(image: Image.Image) -> Image.Image:
    """Grey of 16 bits in eight."""
    values = np.asarray(image)
    if values.itemsize > 2:
        values = values.clip(0, 65535)
    return Image.fromarray((values // 257).astype(np.uint8))


def _on_white(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        return image
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    return image.convert("RGB")

"""Contact sheets: a trial's pictures in a grid, and the finalists beside the parents and the references.

Pictures are ``(height, width, 3)`` uint8 RGB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from PIL.ImageFont import FreeTypeFont

from engine.files import replaced
from scorers.picture_files import read_pixels
from studies.drawing.lettering import Lettering
from studies.errors import StudyError

RgbPicture = npt.NDArray[np.uint8]

CELL_WIDTH = 192
"""Width in pixels at which a picture is shown on the finalists' sheet."""
GAP = 8
INK, PALE, PAPER, ACCENT = (24, 24, 28), (110, 110, 118), (255, 255, 255), (20, 110, 60)
WARNING = (170, 50, 20)
LEAST_EFFORT = 0
"""How hard WebP's encoder tries to make the file of a contact sheet small, of 0 to 6."""
TITLE_LINES = 2
"""The most lines of a column's title."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetColumn:
    """One recipe, or the references, on the finalists' sheet."""

    title: str
    pictures: Sequence[RgbPicture]
    lines: Sequence[str] = ()
    """Scores, written under the pictures."""
    warning: str = ""
    """A few words under them, in another colour."""
    has_prompts: bool = True
    """Whether the pictures show the prompts of the rows; those of references do not."""
    marked: bool = False
    """Drawn in the accent colour: the recommended recipe."""


def read_picture(path: Path) -> RgbPicture:
    """A picture file as ``(height, width, 3)`` uint8 RGB.

    Raises:
        StudyError: it cannot be read as a picture.
    """
    return read_pixels(path, StudyError)


def _columns(count: int, height: int, width: int) -> int:
    """Number of columns of a near-square grid."""
    return math.ceil(math.sqrt(count * height / width))


def grid(pictures: Sequence[RgbPicture], path: Path) -> None:
    """Write a trial's pictures, unscaled, in a near-square grid; a WebP file with little effort.

    Four pictures of 512 x 768 take a third of the processor time that Pillow's usual effort takes (36 to 72 ms for 137
    to 199), at the same quality (PSNR 0.1 to 0.2 dB higher) in a file that is 10 to 30 % larger.
    """
    height, width = pictures[0].shape[:2]
    columns = _columns(len(pictures), height, width)
    sheet = Image.new("RGB", grid_size(len(pictures), height, width), PAPER)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        sheet.paste(Image.fromarray(picture), (2 + column * (width + 2), 2 + row * (height + 2)))
    with replaced(path) as temporary:
        sheet.save(temporary, method=LEAST_EFFORT)


def grid_size(count: int, height: int, width: int) -> tuple[int, int]:
    """Width and height of what ``grid`` writes of ``count`` pictures."""
    columns = _columns(count, height, width)
    return columns * (width + 2) + 2, math.ceil(count / columns) * (height + 2) + 2


def thumbnails(pictures: Sequence[RgbPicture], path: Path, side: int) -> None:
    """Write pictures of any sizes in a near-square grid, each fitted into a square of so many pixels."""
    columns = _columns(len(pictures), side, side)
    rows = math.ceil(len(pictures) / columns)
    sheet = Image.new("RGB", (columns * (side + GAP) + GAP, rows * (side + GAP) + GAP), PAPER)
    for index, picture in enumerate(pictures):
        row, column = divmod(index, columns)
        sheet.paste(_scaled(picture, (side, side)), (GAP + column * (side + GAP), GAP + row * (side + GAP)))
    with replaced(path) as temporary:
        sheet.save(temporary)


def cell(sheet: RgbPicture, index: int, count: int, height: int, width: int) -> RgbPicture:
    """One picture out of what ``grid`` wrote of ``count`` of them, as far as the file's compression kept it."""
    row, column = divmod(index, _columns(count, height, width))
    top, left = 2 + row * (height + 2), 2 + column * (width + 2)
    return sheet[top : top + height, left : left + width]


def pair(left: RgbPicture, right: RgbPicture, path: Path) -> None:
    """Write two pictures side by side and nothing else: nobody who sees them can know which is which."""
    height, width = left.shape[:2]
    sheet = Image.new("RGB", (2 * width + 3 * GAP, height + 2 * GAP), PAPER)
    for place, picture in enumerate((left, right)):
        sheet.paste(Image.fromarray(picture), (GAP + place * (width + GAP), GAP))
    with replaced(path) as temporary:
        sheet.save(temporary)


def finalists(
    columns: Sequence[SheetColumn],
    rows: Sequence[str],
    path: Path,
    *,
    title: str,
    notes: Sequence[str] = (),
    warnings: Sequence[str] = (),
) -> None:
    """Write the finalists' sheet.

    Args:
        columns: left to right; each has one picture a row (a shorter column ends early).
        rows: the prompts, written over each row where the columns that show them begin.
        path: where to, replaced as a whole.
        title: the sheet's head line.
        notes: sentences under the title, each broken into lines.
        warnings: more of them, in another colour.
    """
    font = Lettering().font
    cell = _cell_size(columns)
    width = GAP + len(columns) * (cell[0] + GAP)
    said = list(_said(notes, warnings, font, width - 2 * GAP))
    titles = [_wrapped(column.title, font(17, column.title), cell[0])[:TITLE_LINES] for column in columns]
    text_lines = max(len(column.lines) + bool(column.warning) for column in columns)
    head, label, foot = 52 + 20 * len(said), 24, 24 + 20 * text_lines
    first = head + 8 + 22 * max(map(len, titles))
    height = first + len(rows) * (cell[1] + label) + foot
    sheet = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(sheet)
    pen.text((GAP, 12), title, fill=INK, font=font(24, title))
    for number, (line, colour) in enumerate(said):
        pen.text((GAP, 48 + 20 * number), line, fill=colour, font=font(15, line))
    begin = GAP + (cell[0] + GAP) * next((c for c, column in enumerate(columns) if column.has_prompts), 0)
    for r, prompt in enumerate(rows):
        pen.text((begin, first + r * (cell[1] + label) + 1), prompt, fill=PALE, font=font(15, prompt))
    for c, column in enumerate(columns):
        left, top = GAP + c * (cell[0] + GAP), first + label
        colour = ACCENT if column.marked else INK
        for number, line in enumerate(titles[c]):
            large = font(17, line)
            pen.text((left, head + 4 + 22 * number), _fitted(line, large, cell[0]), fill=colour, font=large)
        for r, picture in enumerate(column.pictures[: len(rows)]):
            sheet.paste(_scaled(picture, cell), (left, top + r * (cell[1] + label)))
        end = top + len(rows) * (cell[1] + label) - label
        if column.marked:
            pen.rectangle((left - 4, head, left + cell[0] + 3, height - 4), outline=ACCENT, width=3)
        below = [(line, colour) for line in column.lines] + [(column.warning, WARNING)] * bool(column.warning)
        for i, (line, ink) in enumerate(below):
            small = font(13, line)
            pen.text((left, end + 8 + 20 * i), _fitted(line, small, cell[0]), fill=ink, font=small)
    with replaced(path) as temporary:
        sheet.save(temporary)


def _said(
    notes: Sequence[str], warnings: Sequence[str], font: Callable[[int, str], FreeTypeFont], width: int
) -> Iterator[tuple[str, tuple[int, int, int]]]:
    """The lines under the title, with their colours."""
    sentences = [(text, PALE) for text in notes] + [(f"Warning: {text}", WARNING) for text in warnings]
    for text, colour in sentences:
        yield from ((line, colour) for line in _wrapped(text, font(15, text), width))


def _wrapped(text: str, font: FreeTypeFont, width: int) -> list[str]:
    """The text in lines of at most this width, broken between words."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def _cell_size(columns: Sequence[SheetColumn]) -> tuple[int, int]:
    """Size of a cell: the renders' shape at ``CELL_WIDTH``; references of another shape are fitted into it."""
    height, width = columns[-1].pictures[0].shape[:2]
    return CELL_WIDTH, round(CELL_WIDTH * height / width)


def _scaled(picture: RgbPicture, cell: tuple[int, int]) -> Image.Image:
    image = Image.fromarray(picture)
    factor = min(cell[0] / image.width, cell[1] / image.height)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _fitted(text: str, font: FreeTypeFont, width: int) -> str:
    """The text, cut with an ellipsis where it would run into the next column."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"


def as_bytes(images: torch.Tensor) -> list[RgbPicture]:
    """``[n, 3, h, w]`` float 0..1 to ``(h, w, 3)`` uint8 pictures."""
    whole = (images.clamp(0, 1) * 255).round().byte().permute(0, 2, 3, 1).contiguous()
    return list(whole.cpu().numpy())

"""A sheet of pictures with labels that can be read on a phone: recipes in columns, situations in rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw
from PIL.ImageFont import FreeTypeFont

from engine.files import replaced
from studies.drawing.lettering import Lettering
from studies.drawing.paragraphs import lines_of
from studies.drawing.sheets import INK, PALE, PAPER, WARNING, RgbPicture

WIDTH = 900
"""Width of a sheet in pixels: on a phone of 390 points, letters of `TEXT` pixels are 12 points high."""
TITLE, TEXT = 34, 28
"""Sizes of letters in pixels."""
LINE = 1.3
"""Height of a line in sizes of its letters."""
GAP = 12
"""Pixels between things."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureRow:
    """One picture of every recipe, with words over them."""

    title: str
    """"": as the row before."""
    prompt: str
    pictures: Sequence[RgbPicture | None]
    """None where a picture is not kept any more."""
    note: str = ""
    """A sentence under the title."""


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    size: int
    colour: tuple[int, int, int]
    font: FreeTypeFont


def draw_sheet(path: Path, columns: Sequence[str], rows: Sequence[PictureRow]) -> None:
    """Write a sheet.

    Args:
        path: a PNG file, replaced as a whole.
        columns: labels of the recipes; files without their endings.
        rows: each with a picture a column.
    """
    lettering = Lettering()
    side = (WIDTH - GAP * (len(columns) + 1)) // len(columns)
    texts = [_lines(row, lettering) for row in rows]
    heads = [lines_of(without_ending(label), lettering.font(TEXT, label), side, 2) for label in columns]
    head = GAP + max(map(len, heads)) * round(LINE * TEXT)
    heights = [side * _ratio(row) for row in rows]
    tall = [_height(lines) + round(height) + 2 * GAP for lines, height in zip(texts, heights, strict=True)]
    sheet = Image.new("RGB", (WIDTH, head + sum(tall) + GAP), PAPER)
    pen = ImageDraw.Draw(sheet)
    for column, lines in enumerate(heads):
        _write(pen, (GAP + column * (side + GAP), GAP // 2), [_line(line, TEXT, INK, lettering) for line in lines])
    top = head
    for row, lines, height, whole in zip(rows, texts, heights, tall, strict=True):
        below = _write(pen, (GAP, top + GAP // 2), lines)
        for column, picture in enumerate(row.pictures):
            corner = (GAP + column * (side + GAP), below + GAP // 2)
            if picture is None:
                pen.rectangle((*corner, corner[0] + side - 1, corner[1] + round(height) - 1), outline=PALE)
            else:
                sheet.paste(Image.fromarray(picture).resize((side, round(height)), Image.Resampling.LANCZOS), corner)
        top += whole
    with replaced(path) as temporary:
        sheet.save(temporary, format="PNG")


def without_ending(label: str) -> str:
    """Return a recipe's label as pictures show it: a file's name without its ending."""
    return label.removesuffix(".safetensors").removesuffix(".toml")


def _ratio(row: PictureRow) -> float:
    """Height over width of a row's pictures."""
    known = next((picture for picture in row.pictures if picture is not None), None)
    return 1.0 if known is None else known.shape[0] / known.shape[1]


def _lines(row: PictureRow, lettering: Lettering) -> list[_Line]:
    parts = [(row.title, TITLE, INK), (row.note, TEXT, WARNING), (row.prompt, TEXT, PALE)]
    return [
        _line(line, size, colour, lettering)
        for text, size, colour in parts
        if text
        for line in lines_of(text, lettering.font(size, text), WIDTH - 2 * GAP, 4)
    ]


def _line(text: str, size: int, colour: tuple[int, int, int], lettering: Lettering) -> _Line:
    return _Line(text, size, colour, lettering.font(size, text))


def _height(lines: Sequence[_Line]) -> int:
    return sum(round(LINE * line.size) for line in lines)


def _write(pen: ImageDraw.ImageDraw, corner: tuple[int, int], lines: Sequence[_Line]) -> int:
    """Write lines from a corner down; where they end."""
    left, top = corner
    for line in lines:
        pen.text((left, top), line.text, fill=line.colour, font=line.font)
        top += round(LINE * line.size)
    return top

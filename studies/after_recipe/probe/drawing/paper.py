"""Paper that the drawings of a probe are made on: text in lines, rectangles, dots over what is not told from noise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from PIL import Image, ImageDraw
from PIL.ImageFont import FreeTypeFont

from studies.drawing.lettering import Lettering
from studies.drawing.paragraphs import lines_of

Rgb = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""
Rectangle = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels; the last two are just outside."""
INK: Rgb = (24, 24, 28)
FAINT: Rgb = (104, 104, 114)
WHITE: Rgb = (255, 255, 255)
RULE: Rgb = (206, 206, 214)
DOTS: Rgb = (200, 200, 208)
DOT_STEP = 6
"""Pixels from one dot to the next."""


@dataclass(kw_only=True)
class Paper:
    """A white sheet of a width, as tall as it is told to be.

    Attributes:
        size: width and height in pixels.
        lettering: fonts.
    """

    size: tuple[int, int]
    lettering: Lettering = field(default_factory=Lettering)

    def __post_init__(self) -> None:
        self.sheet = Image.new("RGB", self.size, WHITE)
        self.pen = ImageDraw.Draw(self.sheet)

    def font(self, size: int, text: str) -> FreeTypeFont:
        """Return a font that has every character of a text."""
        return self.lettering.font(size, text)

    def paragraph(self, text: str, place: tuple[int, int], letter: int, width: int, ink: Rgb = INK) -> int:
        """Write a text in lines; returns the height that they take, in pixels."""
        step = line_height(letter)
        lines = lines_of(text, self.font(letter, text), width)
        for number, line in enumerate(lines):
            self.pen.text((place[0], place[1] + number * step), line, fill=ink, font=self.font(letter, line))
        return len(lines) * step

    def word(self, text: str, place: tuple[float, float], letter: int, ink: Rgb, *, anchor: str = "mm") -> None:
        """Write one line; ``anchor`` is Pillow's: where ``place`` lies in it."""
        self.pen.text(place, text, fill=ink, font=self.font(letter, text), anchor=anchor)

    def upright(self, text: str, place: tuple[int, int], letter: int, ink: Rgb = INK) -> None:
        """Write one line from the bottom upwards, its end at the top; ``place`` is the middle of its bottom."""
        font = self.font(letter, text)
        length, height = round(font.getlength(text)) + 2, line_height(letter)
        strip = Image.new("RGB", (length, height), WHITE)
        ImageDraw.Draw(strip).text((0, height // 2), text, fill=ink, font=font, anchor="lm")
        turned = strip.transpose(Image.Transpose.ROTATE_90)
        self.sheet.paste(turned, (place[0] - turned.width // 2, place[1] - turned.height))

    def dots(self, area: Rectangle) -> None:
        """Cover a rectangle with dots, which say: not told from noise."""
        left, top, right, bottom = area
        for row, y in enumerate(range(top + DOT_STEP // 2, bottom - 1, DOT_STEP)):
            for x in range(left + DOT_STEP // 2 + row % 2 * DOT_STEP // 2, right - 1, DOT_STEP):
                self.pen.rectangle((x, y, x + 1, y + 1), fill=DOTS)


def line_height(letter: int) -> int:
    """Return the height of a line of letters of a size, in pixels."""
    return letter * 4 // 3


def height_of(text: str, letter: int, width: int, lettering: Lettering | None = None) -> int:
    """Return the height in pixels that ``Paper.paragraph`` takes for a text."""
    lettering = lettering or Lettering()
    return len(lines_of(text, lettering.font(letter, text), width)) * line_height(letter)


def ink_on(colour: Rgb) -> Literal["dark", "light"]:
    """Return which ink is read best on a colour, by its luma."""
    red, green, blue = colour
    return "dark" if 0.299 * red + 0.587 * green + 0.114 * blue > 140 else "light"

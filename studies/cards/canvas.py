"""A tall sheet of paper that is written on from the top down, and cut off where the writing ends.

It is 800 pixels wide, so that its letters can still be read on a phone, where it is shown at half that.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from PIL import Image, ImageDraw
from PIL.ImageFont import FreeTypeFont

from studies.drawing.lettering import Lettering
from studies.drawing.paragraphs import lines_of

WIDTH, MARGIN = 800, 36
INNER = WIDTH - 2 * MARGIN
"""Width of what is written on."""
TALLEST = 12_000
"""Pixels; what would lie below is cut off."""
TITLE, HEADING, BODY, SMALL = 46, 30, 26, 22
"""Sizes of letters."""
RGB = tuple[int, int, int]
INK: RGB = (24, 24, 28)
PALE: RGB = (92, 92, 102)
PAPER: RGB = (255, 255, 255)
LINE: RGB = (214, 214, 222)
ACCENT: RGB = (20, 96, 58)
WARNING: RGB = (160, 40, 20)


@dataclass
class Canvas:
    """The sheet, and how far it is written on."""

    sheet: Image.Image = field(default_factory=lambda: Image.new("RGB", (WIDTH, TALLEST), PAPER))
    y: int = MARGIN
    """Where the next thing goes, from the top."""
    lettering: Lettering = field(default_factory=Lettering)

    @property
    def pen(self) -> ImageDraw.ImageDraw:
        """What draws on it."""
        return ImageDraw.Draw(self.sheet)

    def font(self, size: int, text: str) -> FreeTypeFont:
        """Return a font that has every character of a text."""
        return self.lettering.font(size, text)

    def text(
        self, text: str, size: int = BODY, ink: RGB = INK, *, most: int = 0, left: int = 0, width: int = INNER
    ) -> None:
        """Write a paragraph.

        Args:
            text: it is broken into lines.
            size: of the letters.
            ink: colour.
            most: the most lines; 0: all.
            left: from the margin, in pixels.
            width: of the lines.
        """
        font, pen, step = self.font(size, text), self.pen, size * 4 // 3
        for line in lines_of(text, font, width, most):
            pen.text((MARGIN + left, self.y), line, fill=ink, font=font)
            self.y += step

    def heading(self, text: str, ink: RGB = INK) -> None:
        """Begin a part, with a rule above it."""
        self.y += 26
        self.pen.line((MARGIN, self.y, WIDTH - MARGIN, self.y), fill=LINE, width=2)
        self.y += 16
        self.text(text, HEADING, ink)
        self.y += 8

    def pair(self, name: str, text: str, *, left: int = 200, most: int = 4) -> None:
        """Write a name, and beside it what it stands for."""
        top = self.y
        self.pen.text((MARGIN, top), name, fill=PALE, font=self.font(BODY, name))
        self.text(text, left=left, width=INNER - left, most=most)
        self.y += 4

    def finished(self) -> Image.Image:
        """Return what is written on, with a margin below."""
        return self.sheet.crop((0, 0, WIDTH, min(self.y + MARGIN, TALLEST)))

"""Grids of pictures with labels, drawn as AUTOMATIC1111's WebUI 1.10 draws its X/Y/Z plots.

The geometry is that of ``draw_grid_annotations`` (its modules/images.py) and ``draw_xyz_grid`` (scripts/xyz_grid.py
there), re-implemented from the facts: a letter is ``(width + height) // 25`` of a cell, the gap between lines half of
that; labels of rows have three quarters of a cell's width; a line that is too wide is set smaller. All in pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from PIL import Image, ImageDraw

from studies.drawing.lettering import Lettering
from studies.drawing.sheets import RgbPicture

INK, PALE, PAPER = (0, 0, 0), (153, 153, 153), (255, 255, 255)
STRIKE = 4
"""Width in pixels of the line through an inactive label."""
SMALLEST_CAPTION = 12
"""Font size in pixels below which captions are not set."""

PixelSize = tuple[int, int]
"""Width and height."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GridLabel:
    """The label of a column, a row or a part of a grid."""

    text: str = ""
    active: bool = True
    """False: grey and struck through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelLine:
    """One line of a label: its text and the size of its ink, before it is set smaller."""

    text: str
    size: PixelSize
    active: bool


@dataclass(frozen=True, kw_only=True)
class LabelledCells:
    """Cells in columns and rows, labels above and to the left of them.

    Attributes:
        cell: size of each.
        columns: a label each; without any text they take no room.
        rows: a label each; without any text they take no room.
        margin: between cells.
        lettering: fonts.
    """

    cell: PixelSize
    columns: Sequence[GridLabel]
    rows: Sequence[GridLabel] = (GridLabel(),)
    margin: int = 0
    lettering: Lettering = field(default_factory=Lettering)

    @property
    def letter(self) -> int:
        """Font size of labels."""
        return max(1, sum(self.cell) // 25)

    @property
    def gap(self) -> int:
        """Pixels between two lines of a label."""
        return self.letter // 2

    @cached_property
    def left(self) -> int:
        """Room for the labels of rows."""
        return self.cell[0] * 3 // 4 if any(label.text for label in self.rows) else 0

    @cached_property
    def top(self) -> int:
        """Room for the labels of columns: the tallest, and a gap above and below."""
        tallest = max(self._height(lines) for lines in self._column_lines)
        return tallest + 2 * self.gap if any(label.text for label in self.columns) else 0

    @property
    def size(self) -> PixelSize:
        """Width and height of the whole, labels included."""
        across, down = len(self.columns), len(self.rows)
        width = self.left + across * self.cell[0] + (across - 1) * self.margin
        return width, self.top + down * self.cell[1] + (down - 1) * self.margin

    def corner(self, column: int, row: int) -> PixelSize:
        """Left and top of a cell."""
        step_x, step_y = self.cell[0] + self.margin, self.cell[1] + self.margin
        return self.left + column * step_x, self.top + row * step_y

    def letter_labels(self, pen: ImageDraw.ImageDraw, corner: PixelSize = (0, 0)) -> None:
        """Draw the labels of a frame whose left and top are at ``corner``."""
        x, y = corner
        for column, lines in enumerate(self._column_lines):
            middle = x + self.corner(column, 0)[0] + self.cell[0] / 2
            self._draw(pen, lines, middle, y + self.top / 2 - self._height(lines) / 2, self.cell[0])
        for row, lines in enumerate(self._row_lines):
            middle = y + self.corner(0, row)[1] + self.cell[1] / 2
            ink = sum(line.size[1] for line in lines)  # without gaps, as the WebUI has it
            self._draw(pen, lines, x + self.left / 2, middle - ink / 2, self.left)

    @cached_property
    def _column_lines(self) -> list[list[LabelLine]]:
        return [self._lines(label, self.cell[0]) for label in self.columns]

    @cached_property
    def _row_lines(self) -> list[list[LabelLine]]:
        return [self._lines(label, self.left) for label in self.rows]

    def _lines(self, label: GridLabel, allowed: int) -> list[LabelLine]:
        font = self.lettering.font(self.letter, label.text)
        found: list[LabelLine] = []
        for text in wrapped(label.text, allowed, self.letter, self.lettering):
            left, top, right, bottom = map(int, font.getbbox(text))
            found.append(LabelLine(text=text, size=(right - left, bottom - top), active=label.active))
        return found

    def _height(self, lines: Sequence[LabelLine]) -> int:
        return sum(line.size[1] for line in lines) + (len(lines) - 1) * self.gap

    def _draw(self, pen: ImageDraw.ImageDraw, lines: Sequence[LabelLine], x: float, y: float, allowed: int) -> None:
        for line in lines:
            width, height = line.size
            font = self.lettering.font(fitting(line.text, allowed, self.letter, self.lettering), line.text)
            pen.text((x, y + height / 2), line.text, font=font, fill=INK if line.active else PALE, anchor="mm")
            if not line.active:
                level = y + height // 2
                pen.line((x - width // 2, level, x + width // 2, level), fill=PALE, width=STRIKE)
            y += height + self.gap


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Where every picture of a plot goes, and what is written around them.

    Attributes:
        cell: room for a picture; smaller ones stand in its middle.
        columns: labels of X.
        rows: labels of Y.
        parts: labels of Z, above sub-grids side by side.
        margin: between the cells of a sub-grid.
        caption: paragraphs under it all.
        lettering: fonts.
    """

    cell: PixelSize
    columns: Sequence[GridLabel] = (GridLabel(),)
    rows: Sequence[GridLabel] = (GridLabel(),)
    parts: Sequence[GridLabel] = (GridLabel(),)
    margin: int = 0
    caption: Sequence[str] = ()
    lettering: Lettering = field(default_factory=Lettering)

    @cached_property
    def inner(self) -> LabelledCells:
        """A sub-grid."""
        return LabelledCells(
            cell=self.cell, columns=self.columns, rows=self.rows, margin=self.margin, lettering=self.lettering
        )

    @cached_property
    def outer(self) -> LabelledCells:
        """The sub-grids, titles above them."""
        return LabelledCells(cell=self.inner.size, columns=self.parts, lettering=self.lettering)

    @property
    def small(self) -> int:
        """Font size of the caption: half of the labels', but legible."""
        return max(SMALLEST_CAPTION, self.inner.letter // 2)

    @property
    def size(self) -> PixelSize:
        """Width and height of the whole picture."""
        width, height = self.outer.size
        lines = len(self._caption_lines)
        return width, height + (lines * self._advance + self.small if lines else 0)

    def corner(self, x: int, y: int, z: int) -> PixelSize:
        """Left and top of a cell in the whole picture."""
        parts, cells = self.outer.corner(z, 0), self.inner.corner(x, y)
        return parts[0] + cells[0], parts[1] + cells[1]

    def blank(self) -> Image.Image:
        """The grid with all its text and no picture yet."""
        sheet = Image.new("RGB", self.size, PAPER)
        pen = ImageDraw.Draw(sheet)
        self.outer.letter_labels(pen)
        for part in range(len(self.parts)):
            self.inner.letter_labels(pen, self.outer.corner(part, 0))
        level = self.outer.size[1] + self.small // 2
        for line in self._caption_lines:
            size = fitting(line, self._caption_width, self.small, self.lettering)
            pen.text((self.small // 2, level), line, font=self.lettering.font(size, line), fill=INK)
            level += self._advance
        return sheet

    def lacking(self) -> str:
        """Characters that no font has, each once."""
        labels = (label.text for label in (*self.columns, *self.rows, *self.parts))
        return self.lettering.lacking([*labels, *self.caption])

    def put(self, sheet: Image.Image, place: tuple[int, int, int], picture: RgbPicture) -> None:
        """Put a picture into its cell; ``place`` counts columns, rows and parts from 0."""
        left, top = self.corner(*place)
        image = Image.fromarray(picture)
        sheet.paste(image, (left + (self.cell[0] - image.width) // 2, top + (self.cell[1] - image.height) // 2))

    @property
    def _advance(self) -> int:
        return self.small * 3 // 2

    @property
    def _caption_width(self) -> int:
        return self.outer.size[0] - self.small

    @cached_property
    def _caption_lines(self) -> list[str]:
        return [
            line for text in self.caption for line in wrapped(text, self._caption_width, self.small, self.lettering)
        ]


def wrapped(text: str, allowed: int, letter: int, lettering: Lettering) -> list[str]:
    """The text in lines of whole words no wider than ``allowed``, where words let it.

    A first word that is too wide leaves an empty line before it, as in the WebUI.
    """
    font = lettering.font(letter, text)
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= allowed:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def fitting(text: str, allowed: int, letter: int, lettering: Lettering) -> int:
    """The largest font size up to ``letter`` at which a line is no wider than ``allowed``; at least 1."""
    size = letter
    while size > 1:
        left, _, right, _ = lettering.font(size, text).getbbox(text)
        if right - left <= allowed:
            break
        size -= 1
    return size

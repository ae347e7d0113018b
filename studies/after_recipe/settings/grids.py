"""A picture for each step of the search for settings: values across, prompts down, at equal seeds.

Nothing is rendered for it. It is as wide as a recipe's card, so that its letters can be read on a phone: of more values
than fit beside each other, the others stand below.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from engine.shots.shot import Shot
from studies.cards import recommended
from studies.cards.canvas import ACCENT, BODY, INK, INNER, MARGIN, PALE, RGB, SMALL, WARNING, Canvas
from studies.drawing.paragraphs import cut, lines_of
from studies.drawing.sheets import RgbPicture
from studies.pictures.pictures import save_picture
from studies.results.settings import PictureSettings, SettingsStep, TriedValue

ACROSS = 4
"""The most values beside each other."""
MOST_ROWS, FEWEST_ROWS = 4, 2
"""How many prompts a grid shows: of many values fewer."""
GAP = 8
"""Pixels between pictures."""
FRAME = 6
"""Width in pixels of the frame of the chosen value; others have a third of it."""
TALLEST_CELL = 320
"""Pixels; larger pictures are made smaller, and narrower."""

LABEL_LINES, LINE_STEP = 6, 32
"""The most lines of a value's name, and how far they are apart in pixels."""

KeptPicture = Callable[[PictureSettings, int], RgbPicture | None]
"""Finds a picture with some settings by its number among the judged shots, ``(height, width, 3)`` uint8; None where
none is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsGrid:
    """What a grid shows.

    Attributes:
        title: the setting.
        step: its values.
        shots: the judged shots, from the first one on; of some of them there is a row.
        picture: what finds the pictures.
    """

    title: str
    step: SettingsStep
    shots: Sequence[Shot]
    picture: KeptPicture

    def drawn(self) -> Image.Image:
        """Return it as a picture."""
        canvas = Canvas()
        canvas.text(self.title, 40)
        result = self.step.sentence.removeprefix(f"{self.step.axis}: ")
        canvas.text(f"{result[0].upper()}{result[1:]}.", SMALL, most=4)
        canvas.y += 12
        values = self.step.tried
        across = min(ACROSS, max(2, len(values)))
        for first in range(0, len(values), across):
            self._draw_band(canvas, values[first : first + across], across)
        self._draw_legend(canvas)
        return canvas.finished()

    def _draw_band(self, canvas: Canvas, values: Sequence[TriedValue], across: int) -> None:
        """Draw some values beside each other, their names above them."""
        wide = (INNER - (across - 1) * GAP) // across
        _draw_names(canvas, values, wide)
        for number in rows_shown(self.shots, len(self.step.tried)):
            shot = self.shots[number]
            pictures = [self.picture(value.settings, number) if value.settings else None for value in values]
            canvas.text(f"{shot.prompt} (seed {shot.seed})", SMALL, PALE, most=1)
            canvas.y += 4
            _draw_row(canvas, values, pictures, wide)
            canvas.y += 6
        canvas.y += 14

    def _draw_legend(self, canvas: Canvas) -> None:
        start = self.step.start
        if start is not None:
            canvas.text(f"The step began with {start.label}.", SMALL, PALE, most=2)
        canvas.text(_LEGEND, SMALL, PALE)
        for value in self.step.values:
            if value.state == "skipped":
                canvas.text(f"Not tried: {value.label} ({value.reason})", SMALL, PALE, most=2)


_LEGEND = (
    "Below each value: the difference of its score from the best value's, or from the best one then where it was given "
    "up early; all pictures of a row have the same prompt and seed. Green frame: chosen. Red: told worse, or broken."
)


def rows_shown(shots: Sequence[Shot], values: int) -> list[int]:
    """Return the numbers of the shots that a grid shows, a row each: of different prompts as far as there are any.

    Args:
        shots: those that every value has.
        values: how many the grid shows; of many it has fewer rows.
    """
    rows = MOST_ROWS if values <= ACROSS else FEWEST_ROWS if values > 2 * ACROSS else 3
    prompts = [shot.prompt for shot in shots]
    first = [number for number, prompt in enumerate(prompts) if prompts.index(prompt) == number]
    return sorted([*first, *(number for number in range(len(shots)) if number not in first)][:rows])


def write_grid(grid: SettingsGrid, path: Path, *, parameters: str) -> Path:
    """Write a grid as a PNG; "PNG Info" reads the settings of the chosen value from it.

    Args:
        grid: what it shows.
        path: the file, whose ending is ``.png``; what is there is replaced.
        parameters: the WebUI's text of a picture with the chosen value.

    Raises:
        StudyError: the file cannot be written.
    """
    import numpy as np

    save_picture(np.asarray(grid.drawn()), path, parameters=parameters)
    return path


def _draw_names(canvas: Canvas, values: Sequence[TriedValue], wide: int) -> None:
    """Write the labels of values, and below them what is known of each; long labels have several lines."""
    labels = [lines_of(value.label, canvas.font(BODY, value.label), wide, LABEL_LINES) for value in values]
    high = max(map(len, labels)) * LINE_STEP
    for place, (value, lines) in enumerate(zip(values, labels, strict=True)):
        left, known = MARGIN + place * (wide + GAP), _known(value)
        for number, line in enumerate(lines):
            top = canvas.y + high - (len(lines) - number) * LINE_STEP
            canvas.pen.text((left, top), line, fill=_ink(value), font=canvas.font(BODY, line))
        font, below = canvas.font(SMALL, known), (left, canvas.y + high)
        canvas.pen.text(below, cut(known, font, wide), fill=_ink(value, plain=PALE), font=font)
    canvas.y += high + LINE_STEP + 6


def _known(value: TriedValue) -> str:
    """What is known of a value, in at most some fourteen letters."""
    if value.state in {"best", "broken"}:
        words = value.state
    else:
        difference = value.against_best
        words = recommended.signed(difference.mean) if difference else value.state
        words += " worse" if value.state == "worse" else ""
    return f"{words}, chosen" if value.chosen and value.state == "best" else words


def _ink(value: TriedValue, plain: RGB = INK) -> RGB:
    if value.chosen:
        return ACCENT
    return WARNING if value.is_lost else plain


def _draw_row(canvas: Canvas, values: Sequence[TriedValue], pictures: Sequence[RgbPicture | None], wide: int) -> None:
    """Draw a row of pictures, each in its frame, and go on below it."""
    shape = next((picture.shape for picture in pictures if picture is not None), (wide, wide, 3))
    high = min(TALLEST_CELL, round(wide * shape[0] / shape[1]))
    for place, (value, picture) in enumerate(zip(values, pictures, strict=True)):
        left, top = MARGIN + place * (wide + GAP), canvas.y
        if picture is None:
            canvas.pen.text((left, top), "not kept", fill=PALE, font=canvas.font(SMALL, "not kept"))
            continue
        image = _within(picture, wide, high)
        canvas.sheet.paste(image, (left, top))
        width = FRAME if value.chosen else FRAME // 3 if value.is_lost else 0
        if width:
            box = (left, top, left + image.width - 1, top + image.height - 1)
            canvas.pen.rectangle(box, outline=_ink(value), width=width)
    canvas.y += high + 4


def _within(picture: RgbPicture, wide: int, high: int) -> Image.Image:
    """A picture as large as a cell lets it be."""
    image = Image.fromarray(picture)
    factor = min(wide / image.width, high / image.height)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image.resize(size, Image.Resampling.LANCZOS)

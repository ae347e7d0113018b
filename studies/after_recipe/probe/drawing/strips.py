"""Strips of pictures: what a knob does to the same prompts and seeds at its low, its base and its high value.

One picture for every knob, and one sheet of the strongest. All are at most 800 pixels wide and can be read on a phone,
which shows them at half that width.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from engine.files import replaced
from studies.after_recipe.probe.drawing.matrix import names_of, number_text
from studies.after_recipe.probe.drawing.paper import FAINT, INK, Paper, height_of, line_height
from studies.drawing.sheets import RgbPicture
from studies.results.probe import ONE, TIMES_NOISE, KnobEffect, ProbedKnob, ProbeMethod, ProbeResult

WIDTH, MARGIN, GAP = 800, 16, 8
"""Width of a drawing, what is left free around it, and between pictures; pixels."""
TITLE, HEADING, SMALL = 34, 30, 25
"""Sizes of letters, pixels."""
CELL = (WIDTH - 2 * MARGIN - 2 * GAP) // 3
"""Width of a picture in a drawing, pixels."""
ROWS, SHEET_ROWS = 3, 1
"""Prompts in the strip of one knob, and for each knob on the sheet."""
STRONGEST = 8
"""Knobs on the sheet."""
NAMED = 3
"""Effects that are told beside a knob's name."""
SHEET = "strongest.png"
"""File of the sheet of the strongest knobs."""

Level = str
"""`low`, `base` or `high`."""
LEVELS: tuple[Level, ...] = ("low", "base", "high")
"""The values of a knob that a strip shows, from left to right."""
PicturesOf = Callable[[ProbedKnob, Level], Sequence[RgbPicture] | None]
"""Gives the pictures of a knob at a level, one for each shot of the result; None where there are none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnobStrip:
    """What one knob does, ready to be drawn.

    Attributes:
        knob: what is moved.
        told: its largest effects, in words.
        prompts: what is written over each row.
        rows: of each prompt the pictures at ``LEVELS``.
    """

    knob: ProbedKnob
    told: str
    prompts: tuple[str, ...]
    rows: tuple[tuple[RgbPicture, ...], ...]


def write_strips(
    result: ProbeResult, pictures: PicturesOf, folder: Path, *, method: ProbeMethod = ONE, strongest: int = STRONGEST
) -> dict[str, str]:
    """Draw the strip of every knob, and the sheet of the strongest, into a folder.

    Args:
        result: of the probe.
        pictures: gives the kept pictures; a knob without them has no strip.
        folder: made if need be.
        method: whose effects are told and order the sheet.
        strongest: how many knobs are on the sheet.

    Returns:
        The file's name by knob; the sheet is ``SHEET`` and not among them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    strips: dict[str, KnobStrip] = {}
    for knob in result.knobs:
        if strip := strip_of(result, knob, pictures, method):
            strips[knob.name] = strip
    for strip in strips.values():
        _write(strip_picture([strip], strip.knob.label, ROWS), folder / file_name(strip.knob))
    chosen = [strips[name] for name in strongest_knobs(result, method) if name in strips][:strongest]
    if chosen:
        title = f"What does most to {' and '.join(names_of(result))}"
        _write(strip_picture(chosen, title, SHEET_ROWS, headings=True), folder / SHEET)
    return {name: file_name(strip.knob) for name, strip in strips.items()}


def strip_of(
    result: ProbeResult, knob: ProbedKnob, pictures: PicturesOf, method: ProbeMethod = ONE
) -> KnobStrip | None:
    """Return the strip of a knob; None where some of its pictures are lacking."""
    found = [pictures(knob, level) for level in LEVELS]
    columns = [one for one in found if one]
    if len(columns) < len(LEVELS):
        return None
    rows = tuple(zip(*columns, strict=True))
    prompts = tuple(f"{shot.prompt}, seed {shot.seed}" for shot in result.shots)
    return KnobStrip(knob=knob, told=largest_effects(result, knob, method), prompts=prompts, rows=rows)


def strongest_knobs(result: ProbeResult, method: ProbeMethod = ONE) -> tuple[str, ...]:
    """Return the names of the knobs by how much they change the pixels, or else the first measure; the most first."""
    names = [column.name for column in result.columns]
    column = "pixels" if "pixels" in names else names[0] if names else ""
    return tuple(effect.knob for effect in result.ranked(column, method))


def largest_effects(result: ProbeResult, knob: ProbedKnob, method: ProbeMethod = ONE) -> str:
    """Return the largest effects of a knob that are told from noise, in words."""
    signed = {column.name: column.signed for column in result.columns}
    clear = [one for one in result.effects if (one.knob, one.method) == (knob.name, method) and one.clear]
    clear = sorted((one for one in clear if one.ratio), key=_size, reverse=True)[:NAMED]
    if not clear:
        return "nothing that is told from noise"
    named = ", ".join(f"{one.column} {number_text(one, signed=signed[one.column])}" for one in clear)
    return f"{named} {TIMES_NOISE}"


def strip_picture(strips: Sequence[KnobStrip], title: str, rows: int, *, headings: bool = False) -> Image.Image:
    """Draw strips below one another.

    Args:
        strips: at least one.
        title: head line.
        rows: the most prompts of each.
        headings: write each knob's name over its strip; without it the title says it.
    """
    inner = WIDTH - 2 * MARGIN
    paper = Paper(size=(WIDTH, _height(strips, title, rows, headings=headings)))
    y = MARGIN + paper.paragraph(title, (MARGIN, MARGIN), TITLE, inner) + GAP
    for strip in strips:
        for text, letter, ink in _texts(strip, headings=headings):
            y += paper.paragraph(text, (MARGIN, y), letter, inner, ink)
        for level, text in enumerate(_values(strip.knob)):
            paper.word(text, (_left(level) + CELL / 2, y + line_height(SMALL) / 2), SMALL, INK)
        y += line_height(SMALL) + GAP
        for prompt, pictures in zip(strip.prompts[:rows], strip.rows, strict=False):
            for level, picture in enumerate(pictures):
                paper.sheet.paste(_fitted(picture), (_left(level), y))
            y += _fitted(pictures[0]).height
            y += paper.paragraph(prompt, (MARGIN, y), SMALL, inner, FAINT) + GAP
        y += 2 * GAP
    return paper.sheet


def file_name(knob: ProbedKnob) -> str:
    """Return the name of the file with a knob's strip."""
    return f"strip-{knob.name.replace(':', '-')}.png"


def _height(strips: Sequence[KnobStrip], title: str, rows: int, *, headings: bool) -> int:
    inner = WIDTH - 2 * MARGIN

    def heights() -> Iterator[int]:
        yield 2 * MARGIN + height_of(title, TITLE, inner) + GAP
        for strip in strips:
            yield from (height_of(text, letter, inner) for text, letter, _ in _texts(strip, headings=headings))
            yield line_height(SMALL) + 3 * GAP
            for prompt, pictures in zip(strip.prompts[:rows], strip.rows, strict=False):
                yield _fitted(pictures[0]).height + height_of(prompt, SMALL, inner) + GAP

    return sum(heights())


def _texts(strip: KnobStrip, *, headings: bool) -> Iterator[tuple[str, int, tuple[int, int, int]]]:
    if headings:
        yield strip.knob.label, HEADING, INK
    yield strip.told, SMALL, FAINT


def _values(knob: ProbedKnob) -> tuple[str, ...]:
    return tuple(f"{value:g}" for value in (knob.low, knob.base, knob.high))


def _left(level: int) -> int:
    return MARGIN + level * (CELL + GAP)


def _fitted(picture: RgbPicture) -> Image.Image:
    image = Image.fromarray(picture)
    return image.resize((CELL, max(1, round(CELL * image.height / image.width))), Image.Resampling.LANCZOS)


def _size(effect: KnobEffect) -> float:
    return abs(effect.ratio or 0.0)


def _write(image: Image.Image, path: Path) -> None:
    with replaced(path) as temporary:
        image.save(temporary, "PNG")

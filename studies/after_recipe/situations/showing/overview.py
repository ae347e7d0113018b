"""The overview of an examination: a row for each situation, the difference from every parent with its interval.

Green: better than all parents; red: worse than all; orange: worse than one; grey: not told apart. Under the name of a
weak spot stands, in red, what kind it is: its pictures may be better than the parents' and still not show the word.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from PIL import Image, ImageDraw

from engine.files import replaced
from studies.after_recipe.situations.showing.sheet import without_ending
from studies.drawing.lettering import Lettering
from studies.drawing.paragraphs import cut
from studies.drawing.sheets import INK, PALE, PAPER
from studies.results.situations import BETTER, LEVEL, WORSE, WORSE_THAN_ONE, SituationResult, SituationsResult

WIDTH = 900
"""Width in pixels; see the sheet of weak spots."""
TEXT, SMALL = 28, 24
"""Sizes of letters in pixels."""
NAMES = 340
"""Width of the words of situations."""
ROW, GAP = 64, 12
"""Height of a row, and pixels between things."""
COLOURS = {BETTER: (20, 110, 60), WORSE: (190, 40, 20), WORSE_THAN_ONE: (200, 130, 20), LEVEL: (120, 120, 128)}
"""By verdict."""
WIDEST = 4.0
"""Half-width of the scale at most, in medians of the intervals' farther ends: one wild interval is cut."""
MARK = 6
"""Half the side of the mark of a mean, in pixels."""


def draw_overview(path: Path, result: SituationsResult) -> None:
    """Write the overview of a result.

    Args:
        path: a PNG file, replaced as a whole.
        result: of an examination.
    """
    lines = [*_lines(result)]
    head = GAP + 4 * round(1.4 * TEXT)
    sheet = Image.new("RGB", (WIDTH, head + len(lines) * ROW + GAP), PAPER)
    pen, lettering = ImageDraw.Draw(sheet), Lettering()
    _write_head(pen, result, lettering)
    reach = _reach(result)
    kinds = {(one.aspect, one.word): one.kind for one in result.weak_spots}
    for number, line in enumerate(lines):
        top = head + number * ROW
        if isinstance(line, str):
            font = lettering.font(TEXT, line)
            pen.text((GAP, top + ROW - 46), cut(line, font, WIDTH - 2 * GAP), fill=INK, font=font)
            pen.line((GAP, top + ROW - 4, WIDTH - GAP, top + ROW - 4), fill=PALE)
        else:
            _write_name(pen, line, top, kinds.get((line.aspect, line.word), ""), lettering)
            _draw_situation(pen, line, top, reach, result.parents, lettering)
    with replaced(path) as temporary:
        sheet.save(temporary, format="PNG")


def _lines(result: SituationsResult) -> Iterator[str | SituationResult]:
    """Aspects, each followed by its situations."""
    aspect = None
    for one in result.situations:
        if one.aspect != aspect:
            aspect = one.aspect
            yield aspect
        yield one


def _write_head(pen: ImageDraw.ImageDraw, result: SituationsResult, lettering: Lettering) -> None:
    counts = [(verdict, sum(one.verdict == verdict for one in result.situations)) for verdict in COLOURS]
    words = [
        (f"{without_ending(result.subject.label)} against {' and '.join(result.parents)}", INK),
        (f"{len(result.situations)} situations; to the right is better", PALE),
    ]
    for number, (text, colour) in enumerate(words):
        font = lettering.font(TEXT, text)
        pen.text((GAP, GAP + number * round(1.4 * TEXT)), cut(text, font, WIDTH - 2 * GAP), fill=colour, font=font)
    left, top = GAP, GAP + 2 * round(1.4 * TEXT)
    for verdict, count in counts:
        text = f"{count} {verdict}"
        font = lettering.font(SMALL, text)
        if left + font.getlength(text) > WIDTH:
            left, top = GAP, top + round(1.4 * SMALL)
        pen.text((left, top), text, fill=COLOURS[verdict], font=font)
        left += round(font.getlength(text)) + 3 * GAP


def _reach(result: SituationsResult) -> float:
    """Half the width of the scale, in objective units."""
    ends = sorted(
        max(-d.low, d.high) for one in result.situations for d in one.differences if d.rival in result.parents
    )
    if not ends:
        return 1.0
    return max(1e-9, min(ends[-1], WIDEST * ends[len(ends) // 2]))


def _write_name(pen: ImageDraw.ImageDraw, one: SituationResult, top: int, kind: str, lettering: Lettering) -> None:
    """Write a situation's word, and under it the kind of weak spot that it is, if it is one."""
    lines = [(one.word, COLOURS[WORSE] if kind else COLOURS[one.verdict]), *([(kind, COLOURS[WORSE])] if kind else [])]
    height = round(1.15 * SMALL)
    begin = top + (ROW - height * len(lines)) // 2 - 4
    for number, (text, colour) in enumerate(lines):
        font = lettering.font(SMALL, text)
        pen.text((GAP, begin + number * height), cut(text, font, NAMES - 3 * GAP), fill=colour, font=font)


def _draw_situation(
    pen: ImageDraw.ImageDraw,
    one: SituationResult,
    top: int,
    reach: float,
    parents: Sequence[str],
    lettering: Lettering,
) -> None:
    colour = COLOURS[one.verdict]
    begin, end = NAMES, WIDTH - GAP
    middle, scale = (begin + end) / 2, (end - begin) / 2 / reach
    pen.line((middle, top, middle, top + ROW - 1), fill=PALE)
    known = [found for parent in parents if (found := one.against(parent)) is not None]
    for number, found in enumerate(known):
        y = top + round(ROW * (number + 1) / (len(known) + 1))
        low, mean, high = (
            min(max(middle + scale * value, begin), end) for value in (found.low, found.mean, found.high)
        )
        pen.line((low, y, high, y), fill=colour, width=3)
        pen.rectangle((mean - MARK, y - MARK, mean + MARK, y + MARK), fill=colour)
        letter = lettering.font(22, found.rival)
        pen.text((begin - 28, y - 16), cut(found.rival, letter, 26), fill=PALE, font=letter)

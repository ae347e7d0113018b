"""The recommended settings on a card's picture: beside the study's, with a bar for the work of a picture."""

from __future__ import annotations

from studies.cards import recommended
from studies.cards.bars import GROUND
from studies.cards.canvas import ACCENT, BODY, INK, INNER, LINE, MARGIN, PALE, RGB, SMALL, WARNING, Canvas
from studies.drawing.paragraphs import cut
from studies.results.settings import SettingsResult

VALUE_LEFT, BEFORE_LEFT = 250, 500
"""Where the two columns of values begin, in pixels from the margin."""
BAR = 26
"""Height of a bar, in pixels."""
LONGEST_BAR = INNER - 360
"""Width of the longer bar, in pixels."""


def draw_recommended(canvas: Canvas, result: SettingsResult) -> None:
    """Draw a table of the settings, those that differ from the study's in colour, and the work of a picture."""
    canvas.heading(recommended.HEADING, ACCENT)
    if not result.finished:
        canvas.text(recommended.UNFINISHED, SMALL, WARNING)
    _row(canvas, ("", "recommended", "the study's"), PALE, SMALL)
    canvas.y += 4
    for row in recommended.setting_rows(result):
        ink = ACCENT if row.is_changed else INK
        _row(canvas, (row.name, row.value or "none", row.before or "none"), ink, BODY)
        if row.known and row.known != recommended.NOT_TRIED:
            canvas.text(row.known, SMALL, PALE, left=VALUE_LEFT, width=INNER - VALUE_LEFT, most=1)
        canvas.y += 6
        canvas.pen.line((MARGIN, canvas.y, MARGIN + INNER, canvas.y), fill=LINE, width=1)
        canvas.y += 6
    if not result.joint:
        canvas.text("What has no remark was not tried.", SMALL, PALE)
    _draw_work(canvas, result)


def _row(canvas: Canvas, cells: tuple[str, str, str], ink: RGB, size: int) -> None:
    """Write a name, the recommended value and the study's, each cut off where the next one begins."""
    columns = ((0, VALUE_LEFT, PALE), (VALUE_LEFT, BEFORE_LEFT, ink), (BEFORE_LEFT, INNER, PALE))
    for text, (left, right, own_ink) in zip(cells, columns, strict=True):
        font = canvas.font(size, text)
        canvas.pen.text((MARGIN + left, canvas.y), cut(text, font, right - left - 12), fill=own_ink, font=font)
    canvas.y += size * 4 // 3


def _draw_work(canvas: Canvas, result: SettingsResult) -> None:
    share = recommended.work_share(result)
    if share is None:
        return
    canvas.y += 10
    canvas.text("Work of a picture, counted in calls of the model", SMALL, PALE)
    most = max(1.0, share)
    for name, part, ink in (("recommended", share, ACCENT), ("the study's", 1.0, PALE)):
        left = MARGIN + VALUE_LEFT
        top, end = canvas.y + 4, left + round(LONGEST_BAR * part / most)
        font = canvas.font(BODY, name)
        canvas.pen.text((MARGIN, canvas.y), name, fill=ink, font=font)
        canvas.pen.rectangle((left, top, left + LONGEST_BAR, top + BAR), fill=GROUND)
        canvas.pen.rectangle((left, top, end, top + BAR), fill=ink)
        canvas.pen.text((left + LONGEST_BAR + 12, canvas.y), f"{part:.0%}", fill=ink, font=font)
        canvas.y += BAR + 14

"""Block weights as bars along the UNet: BASE, the way in, the middle, the way out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from studies.cards.canvas import ACCENT, BODY, INK, INNER, LINE, MARGIN, PALE, RGB, SMALL, Canvas

HIGH = 150
"""Height of a ratio of 1, in pixels."""
LEFT = 34
"""Room for the numbers of the axis."""
MOST = 26
"""More bars than these would be too thin to be told apart."""
GROUND: RGB = (238, 238, 243)

Ratios = Sequence[tuple[str, float]]
"""Ratio by block, BASE first."""


def draw_bars(canvas: Canvas, ratios: Ratios, title: str) -> None:
    """Draw the ratios of one step; a row of more blocks than can be told apart is told in words.

    Ratios outside of 0 to 1 make the axis longer, up to 2 on each side; beyond that, bars end there.
    """
    canvas.text(title, BODY)
    if len(ratios) > MOST:
        low, high = min(ratio for _, ratio in ratios), max(ratio for _, ratio in ratios)
        canvas.text(f"{len(ratios)} blocks, from {low:g} to {high:g}; the Markdown file lists them", SMALL, PALE)
        return
    low = max(min(0.0, *(ratio for _, ratio in ratios)), -2.0)
    high = min(max(1.0, *(ratio for _, ratio in ratios)), 2.0)
    top = canvas.y + 12
    zero = top + round(high * HIGH)
    foot = zero - round(low * HIGH)
    step = (INNER - LEFT) / len(ratios)
    _axis(canvas, zero, low, high)
    for place, (_, ratio) in enumerate(ratios):
        left = MARGIN + LEFT + place * step
        tip = zero - round(min(max(ratio, low), high) * HIGH)
        canvas.pen.rectangle((left + 2, top, left + step - 3, foot), fill=GROUND)
        canvas.pen.rectangle((left + 2, min(tip, zero) - 1, left + step - 3, max(tip, zero)), fill=ACCENT)
    middle = zero - HIGH // 2
    canvas.pen.line((MARGIN + LEFT, middle, MARGIN + INNER, middle), fill=LINE, width=1)
    _names(canvas, [name for name, _ in ratios], foot + 4, step)


def _axis(canvas: Canvas, zero: int, low: float, high: float) -> None:
    for value in (-2, -1, 0, 1, 2):
        if low <= value <= high:
            font = canvas.font(SMALL, str(value))
            y = zero - value * HIGH
            canvas.pen.text((MARGIN + LEFT - 8, y), str(value), fill=PALE, font=font, anchor="rm")


def _names(canvas: Canvas, names: Sequence[str], top: int, step: float) -> None:
    """The number of each block, and below them the kind of the blocks: IN, M, OUT."""
    font = canvas.font(18, "0")
    place = 0
    for kind, group in groupby(names, key=lambda name: name.rstrip("0123456789")):
        members = list(group)
        left, right = MARGIN + LEFT + place * step, MARGIN + LEFT + (place + len(members)) * step
        for number, name in enumerate(members):
            digits = name.removeprefix(kind)
            canvas.pen.text((left + (number + 0.5) * step, top), digits, fill=PALE, font=font, anchor="mt")
        large = canvas.font(SMALL, kind)
        canvas.pen.line((left + 3, top + 24, right - 4, top + 24), fill=PALE, width=2)
        # A long name of a few bars begins where they begin: what comes next has its name in its middle.
        is_long = large.getlength(kind) > right - left
        x, anchor = (left + 3, "lt") if is_long else ((left + right) / 2, "mt")
        canvas.pen.text((x, top + 30), kind, fill=INK, font=large, anchor=anchor)
        place += len(members)
    canvas.y = top + 66

"""Block weights as bars over the UNet."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from studies.recipes.recipe_words import WeightRow

BAR, HEIGHT, FOOT, LEFT = 22, 96, 46, 14
"""Width of a block's place, height of a ratio of 1, room for the names below and left, in units of the drawing."""


def weights_chart(row: WeightRow, beside: WeightRow | None = None) -> Markup:
    """Return an SVG of a row of weights, with another one as marks beside it.

    Ratios outside 0 to 1 are drawn at the edge; their numbers are always in the text.
    """
    others = dict(beside.alpha) if beside else {}
    width = BAR * len(row.alpha)
    text = "; ".join(f"{block} {ratio:g}" for block, ratio in row.alpha)
    bars = Markup("").join(
        _bar(place, block, ratio, others.get(block)) for place, (block, ratio) in enumerate(row.alpha)
    )
    half = HEIGHT / 2
    return Markup(
        '<svg class="weights" viewBox="-{left} 0 {w} {h}" role="img" aria-label="{text}">'
        '<line class="half" x1="0" x2="{w}" y1="{half}" y2="{half}"/>{bars}</svg>'
    ).format(left=LEFT, w=width + LEFT, h=HEIGHT + FOOT, half=half, text=text, bars=bars)


def _bar(place: int, block: str, ratio: float, other: float | None) -> Markup:
    shown = min(max(ratio, 0.0), 1.0)
    left, top = place * BAR + 3, HEIGHT * (1 - shown)
    mark = Markup("")
    if other is not None:
        y = HEIGHT * (1 - min(max(other, 0.0), 1.0))
        mark = Markup('<line class="beside" x1="{a}" x2="{b}" y1="{y:.1f}" y2="{y:.1f}"/>').format(
            a=left - 3, b=left + BAR - 3, y=y
        )
    side = "base" if block == "BASE" else block.rstrip("0123456789").lower()
    return Markup(
        '<g class="{side}"><title>{block} {ratio:g}</title>'
        '<rect class="room" x="{left}" y="0" width="{wide}" height="{full}"/>'
        '<rect class="bar" x="{left}" y="{top:.1f}" width="{wide}" height="{high:.1f}"/>{mark}'
        '<text x="{middle}" y="{foot}" transform="rotate(-60 {middle} {foot})">{block}</text></g>'
    ).format(
        side=escape(side),
        block=block,
        ratio=ratio,
        left=left,
        top=top,
        wide=BAR - 6,
        full=HEIGHT,
        high=max(HEIGHT - top, 1.5),
        mark=mark,
        middle=left + BAR - 10,
        foot=HEIGHT + 12,
    )


def has_chart(rows: Sequence[WeightRow]) -> bool:
    """Return whether a recipe has a row that can be drawn legibly."""
    return bool(rows) and len(rows[0].alpha) <= 26

"""Draw a content in a layout and a look, with Pillow and numpy.

``side`` is the picture's side in pixels; drawing happens at twice that, ``(2 * side, 2 * side, 3)`` float32 in 0..1.
At 128 pixels outlines are about three pixels wide and details at least six, so that a latent pixel, eight by eight of
the picture's, holds one edge.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from studies.sample.scenery.contents import COLOURS, Content, Layout, random_layout
from studies.sample.scenery.looks import Look
from studies.sample.scenery.parts import Part, placed
from studies.sample.scenery.places import PLACE_PARTS, SKIES
from studies.sample.scenery.subjects import SUBJECT_PARTS

SUPERSAMPLE = 2
"""Pixels drawn per pixel of the picture, along a side."""

Array = npt.NDArray[np.floating[Any]]

INK_LINE: Array = np.array([0.09, 0.07, 0.14], dtype=np.float32)
"""The outlines' colour."""
PAPER: Array = np.array([1.0, 0.985, 0.95], dtype=np.float32)
"""What shines through in daylight."""
DAYLIGHT = 0.22
"""How much of the paper shines through in daylight."""
DARK: Array = np.array([0.25, 0.25, 0.46], dtype=np.float32)
"""What is left of each colour in the dark."""
LAMP: Array = np.array([1.14, 1.03, 0.86], dtype=np.float32)
"""What a colour is multiplied by under the lamp."""
LAMP_PLACE, LAMP_REACH = (0.5, 0.54), 0.42
"""Where the lamp shines, from the left and from the top, and how far, in fractions of the side."""
CHALK_LINE: Array = np.array([0.98, 0.96, 0.88], dtype=np.float32)
"""The outlines' colour in chalk."""
MIST: Array = np.array([0.9, 0.91, 0.94], dtype=np.float32)
"""The mist's colour."""
MIST_HIDES = 0.75
"""How much of the place the thickest mist hides."""
MARGIN = 0.12
"""Width of the broadest card's margin, in fractions of the side."""


def draw(content: Content, look: Look, side: int, seed: int) -> npt.NDArray[np.uint8]:
    """Draw a picture.

    Args:
        content: what to draw.
        look: how to draw it.
        side: the picture's side in pixels.
        seed: of the layout, within what the look's composition allows, and of the details.

    Returns:
        ``(side, side, 3)`` uint8 RGB.
    """
    rng = np.random.default_rng(seed)
    layout = random_layout(rng, look.composition)
    parts = PLACE_PARTS[content.place](layout, rng)
    subject = placed(layout, SUBJECT_PARTS[content.subject](COLOURS[content.colour]))
    work = SUPERSAMPLE * side
    canvas = np.empty((work, work, 3), np.float32)
    canvas[:] = np.asarray(SKIES[content.place], np.float32) / 255
    glow = np.zeros((work, work), np.float32)
    felt = _felt(work, rng)
    ink = INK_LINE + look.chalk * (CHALK_LINE - INK_LINE)
    for part in parts:
        _lay(canvas, glow, part, look.line, felt, ink)
    canvas += MIST_HIDES * look.mist * (MIST - canvas)
    _cast_shadow(canvas, layout, look.line)
    for part in subject:
        _lay(canvas, glow, part, look.line, felt, ink)
    lit = _on_card(_lit(canvas, glow, look.light), look.card)
    small = Image.fromarray((np.clip(lit, 0, 1) * 255 + 0.5).astype(np.uint8))
    return np.asarray(small.resize((side, side), Image.Resampling.BOX))


def _lay(canvas: Array, glow: Array, part: Part, line: float, felt: Array, ink: Array) -> None:
    """Paint one part: its outline in ``ink`` by what ``line`` leaves of it, its fill, and its modelling by ``line``."""
    work = len(canvas)
    width = 2 * round(work / 52) + 1
    window = _window(part, work, width + work // 40)
    if window is None:
        return
    mask = _mask(part, work, window)
    if part.outline and line < 1:
        _paint(canvas[window], (1 - line) * _as_array(mask.filter(ImageFilter.MaxFilter(width))), ink)
    soft = _as_array(mask.filter(ImageFilter.GaussianBlur(line * work / 160)) if line > 0 else mask)
    colour = np.asarray(part.colour, np.float32) / 255 * np.ones((*soft.shape, 1), np.float32)
    if line > 0 and not part.glow:
        colour *= 1 + line * (0.16 * felt[window] + (_relief(mask, work) if part.outline else 0))[..., None]
    _paint(canvas[window], soft, colour)
    glow[window] += soft * (float(part.glow) - glow[window])


def _relief(mask: Image.Image, work: int) -> Array:
    """How much brighter a soft body is than its colour, lit from the upper left; about -0.6 to 0.4."""
    down, right = (
        np.asarray(slope) for slope in np.gradient(_as_array(mask.filter(ImageFilter.GaussianBlur(work / 18))))
    )
    light = np.clip(work / 11 * (down + right), -0.5, 0.45)
    return light - 0.08


def _felt(work: int, rng: np.random.Generator) -> Array:
    """Mottling about -1..1, its grains an eighth to a tenth of the side."""
    grid = Image.fromarray(rng.uniform(-1, 1, (11, 11)).astype(np.float32))
    return np.asarray(grid.resize((work, work), Image.Resampling.BICUBIC), np.float32)


def _cast_shadow(canvas: Array, layout: Layout, line: float) -> None:
    """Darken the ground under the subject, by ``line``."""
    work, reach = len(canvas), 0.5 * layout.scale
    corners = ((layout.x - reach, layout.base - 0.05), (layout.x + 1.2 * reach, layout.base + 0.05))
    shadow = Part("ellipse", corners, (0, 0, 0))
    window = _window(shadow, work, work // 12)
    if line > 0 and window is not None:
        soft = _as_array(_mask(shadow, work, window).filter(ImageFilter.GaussianBlur(work / 40)))
        _paint(canvas[window], 0.4 * line * soft, np.zeros(3, np.float32))


def _lit(canvas: Array, glow: Array, light: float) -> Array:
    """The canvas in daylight, under the lamp, or between: whatever glows is as bright in the dark as under the lamp."""
    near = np.maximum(_lamp(len(canvas)), glow)[..., None]
    by_lamp = canvas * (DARK + near * (LAMP - DARK))
    by_day = canvas + DAYLIGHT * (PAPER - canvas)
    return by_day + light * (by_lamp - by_day)


def _on_card(lit: Array, card: float) -> Array:
    """The picture on a card, whose margin hides its edges by ``card``."""
    margin = round(card * MARGIN * len(lit))
    if margin == 0:
        return lit
    out = np.empty_like(lit)
    out[:] = PAPER
    out[margin:-margin, margin:-margin] = lit[margin:-margin, margin:-margin]
    return out


@lru_cache
def _lamp(work: int) -> Array:
    """How much of the lamp's light falls on each pixel, ``(work, work)`` in 0..1."""
    across, down = ((np.arange(work, dtype=np.float32) + 0.5) / work - place for place in LAMP_PLACE)
    return np.exp(-(((np.hypot(across[None], down[:, None]) / LAMP_REACH) ** 2) ** 1.5))


def _window(part: Part, work: int, margin: int) -> tuple[slice, slice] | None:
    """Where the part lies, grown by ``margin`` pixels and cut to the canvas; None: nowhere."""
    spans: list[slice] = []
    for axis in (1, 0):
        places = [point[axis] * work for point in part.points]
        low, high = max(0, int(min(places)) - margin), min(work, int(max(places)) + margin + 2)
        if low >= high:
            return None
        spans.append(slice(low, high))
    return spans[0], spans[1]


def _mask(part: Part, work: int, window: tuple[slice, slice]) -> Image.Image:
    rows, columns = window
    image = Image.new("L", (columns.stop - columns.start, rows.stop - rows.start), 0)
    points = [(x * work - columns.start, y * work - rows.start) for x, y in part.points]
    pen = ImageDraw.Draw(image)
    if part.kind == "ellipse":
        pen.ellipse([points[0], points[1]], fill=255)
    else:
        pen.polygon(points, fill=255)
    return image


def _as_array(mask: Image.Image) -> Array:
    return np.asarray(mask, dtype=np.float32) / 255


def _paint(area: Array, mask: Array, colour: Array) -> None:
    """Lay a colour, ``(3,)`` or ``(h, w, 3)``, over ``area`` where ``mask`` says so, in place."""
    area += mask[..., None] * (colour - area)

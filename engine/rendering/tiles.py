"""A picture enlarged tile by tile, so that memory does not grow with it; the tiles are joined as in the WebUI.

Tiles of 192 pixels overlap by at least 8 and are spread evenly; each fades in over its first 8 pixels, times the
enlargement, on top of what is there. The facts are those of AUTOMATIC1111's WebUI 1.10 (``split_grid`` and
``combine_grid`` in modules/images.py, ``upscale_with_model`` in modules/upscaler_utils.py, the defaults of
``ESRGAN_tile``). A picture smaller than a tile gets black to its left and above it, as there.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image

TILE = 192
"""The side of a tile in pixels."""
OVERLAP = 8
"""How many pixels neighbouring tiles share at least."""


def tiled(
    picture: Image.Image, once: Callable[[Image.Image], Image.Image], *, tile: int = TILE, overlap: int = OVERLAP
) -> Image.Image:
    """A picture enlarged by a function that enlarges any picture a whole number of times.

    Args:
        picture: RGB.
        once: Enlarges one tile; is called for every tile.
        tile: Side of a tile in pixels, more than ``overlap``.
        overlap: Pixels that neighbouring tiles share at least.
    """
    strips: list[tuple[int, Image.Image]] = []
    factor = 1
    for top in _starts(picture.height, tile, overlap):
        row: list[tuple[int, Image.Image]] = []
        for left in _starts(picture.width, tile, overlap):
            large = once(picture.crop((left, top, left + tile, top + tile)))
            factor = large.width // tile
            row.append((left * factor, large))
        size = (picture.width * factor, row[0][1].height)
        strips.append((top * factor, _laid(row, size, overlap * factor, down=False)))
    return _laid(strips, (picture.width * factor, picture.height * factor), overlap * factor, down=True)


def _starts(side: int, tile: int, overlap: int) -> list[int]:
    """Where tiles begin along a side; negative where the picture is smaller than a tile."""
    count = max(1, math.ceil((side - overlap) / (tile - overlap)))
    step = (side - tile) / (count - 1) if count > 1 else 0
    return [min(int(number * step), side - tile) for number in range(count)]


def _laid(parts: list[tuple[int, Image.Image]], size: tuple[int, int], fade: int, *, down: bool) -> Image.Image:
    """Parts pasted over each other along one direction; each fades in, but for one at the very start."""
    whole = Image.new("RGB", size)
    for start, part in parts:
        whole.paste(part, (0, start) if down else (start, 0), _fading(part.size, fade, down=down) if start else None)
    return whole


def _fading(size: tuple[int, int], fade: int, *, down: bool) -> Image.Image:
    """The opacity of a part: from 0 up to 1 over ``fade`` pixels, then 1."""
    width, height = size
    ramp = np.minimum(np.arange(height if down else width) * 255 // fade, 255).astype(np.uint8)
    return Image.fromarray(np.broadcast_to(ramp[:, None] if down else ramp, (height, width)).copy())

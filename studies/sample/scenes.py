"""The sample world's scene generator: one coloured subject in one place, drawn with Pillow.

Every scene has a geometry (subject, colour, place, subject size, position, horizon) and two independent amounts of
photographic look, one for the subject and one for the background: 0 is flat, outlined, saturated illustration; 1 is
shaded, textured, grainy, slightly blurred and less saturated; values between are blends. The sample checkpoints, the
tiny CLIP and the tests all draw their pictures here, so a scene with a known amount of a style is always at hand.

Notation: ``size`` pixels on a side; pictures are ``(size, size, 3)`` uint8 RGB; masks are ``(s, s)`` float32 in 0..1
at the working size ``s = SUPERSAMPLE * size``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from studies.sample.shapes import BACKGROUNDS, SKIES, SUBJECT_PARTS, Colour, Part, Scene, random_scene

SUPERSAMPLE = 2

Array = npt.NDArray[np.floating[Any]]

OUTLINE: Array = np.array([0.08, 0.06, 0.1], dtype=np.float32)
LUMA: Array = np.array([0.299, 0.587, 0.114], dtype=np.float32)
WARMTH: Array = np.array([0.03, 0.0, -0.06], dtype=np.float32)


def draw(scene: Scene, size: int, *, subject_photo: float, background_photo: float) -> npt.NDArray[np.uint8]:
    """Draw a scene.

    Args:
        scene: what to draw.
        size: side of the picture in pixels.
        subject_photo: amount of photographic look of the subject, 0..1.
        background_photo: the same of the background.

    Returns:
        ``(size, size, 3)`` uint8 RGB.
    """
    work = SUPERSAMPLE * size
    rng = np.random.default_rng(scene.seed)
    background = BACKGROUNDS[scene.place](scene, rng)
    subject = SUBJECT_PARTS[scene.subject](scene)
    sky = SKIES[scene.place]
    picture = _blend(
        lambda: _flat(_canvas(work, sky, shaded=False), background),
        lambda: _photographic(_canvas(work, sky, shaded=True), background, rng, shadow=None),
        background_photo,
    )
    base = scene.horizon + 0.5 * (1 - scene.horizon)
    picture = _blend(
        lambda: _flat(picture, subject),
        lambda: _photographic(picture, subject, rng, shadow=(scene.x, base, scene.scale)),
        subject_photo,
    )
    amount = 0.5 * (subject_photo + background_photo)
    small = Image.fromarray(_to_bytes(picture)).resize((size, size), Image.Resampling.BOX)
    return _lens(np.asarray(small, dtype=np.float32) / 255, amount, rng)


def _blend(flat: Callable[[], Array], photo: Callable[[], Array], amount: float) -> Array:
    if amount <= 0:
        return flat()
    if amount >= 1:
        return photo()
    return ((1 - amount) * flat() + amount * photo()).astype(np.float32)


def _to_bytes(picture: Array) -> npt.NDArray[np.uint8]:
    return (np.clip(picture, 0, 1) * 255 + 0.5).astype(np.uint8)


def _canvas(work: int, sky: tuple[Colour, Colour], *, shaded: bool) -> Array:
    """The sky: one flat colour, or a vertical gradient towards a pale horizon."""
    top, low = (np.asarray(c, dtype=np.float32) / 255 for c in sky)
    rows = np.linspace(0, 1, work, dtype=np.float32)[:, None, None] if shaded else np.zeros((work, 1, 1), np.float32)
    return np.broadcast_to(top * (1 - rows) + low * rows, (work, work, 3)).copy()


def _extent(part: Part, work: int, margin: int) -> tuple[int, int, int, int] | None:
    """The part's bounding box in pixels, grown by ``margin`` and cut to the picture; None when it lies outside."""
    xs, ys = ([point[axis] * work for point in part.points] for axis in (0, 1))
    left, top = max(0, int(min(xs)) - margin), max(0, int(min(ys)) - margin)
    right, bottom = min(work, int(max(xs)) + margin + 2), min(work, int(max(ys)) + margin + 2)
    return (left, top, right, bottom) if left < right and top < bottom else None


def _mask(part: Part, work: int, box: tuple[int, int, int, int]) -> Image.Image:
    left, top, right, bottom = box
    image = Image.new("L", (right - left, bottom - top), 0)
    points = [(px * work - left, py * work - top) for px, py in part.points]
    pen = ImageDraw.Draw(image)
    if part.kind == "ellipse":
        pen.ellipse([points[0], points[1]], fill=255)
    else:
        pen.polygon(points, fill=255)
    return image


def _as_array(mask: Image.Image) -> Array:
    return np.asarray(mask, dtype=np.float32) / 255


def _window(box: tuple[int, int, int, int]) -> tuple[slice, slice]:
    left, top, right, bottom = box
    return slice(top, bottom), slice(left, right)


def _flat(picture: Array, parts: Sequence[Part]) -> Array:
    """Flat fills with dark outlines."""
    work = picture.shape[0]
    line = 2 * max(1, round(work / 72)) + 1
    out = picture.copy()
    for part in parts:
        box = _extent(part, work, line)
        if box is None:
            continue
        mask, window = _mask(part, work, box), _window(box)
        if part.outline:
            _paint(out[window], _as_array(mask.filter(ImageFilter.MaxFilter(line))), OUTLINE)
        _paint(out[window], _as_array(mask), np.asarray(part.colour, dtype=np.float32) / 255)
    return out


def _paint(area: Array, mask: Array, colour: Array) -> None:
    """Lay a colour, ``(3,)`` or ``(h, w, 3)``, over ``area`` where ``mask`` says so, in place."""
    area += mask[..., None] * (colour - area)


def _photographic(
    picture: Array, parts: Sequence[Part], rng: np.random.Generator, *, shadow: tuple[float, float, float] | None
) -> Array:
    """Shaded, textured, less saturated shapes; each part is lit as a soft relief from the upper left."""
    work = picture.shape[0]
    out = picture.copy()
    texture = 0.2 * _cloud_noise(work, rng)
    if shadow is not None:
        _cast_shadow(out, *shadow)
    for part in parts:
        box = _extent(part, work, work // 20)
        if box is None:
            continue
        mask, window = _mask(part, work, box), _window(box)
        light = np.clip(0.72 + texture[window], 0.25, 1.25)
        if part.outline:
            down, right = np.gradient(_as_array(mask.filter(ImageFilter.GaussianBlur(work / 16))))
            light = np.clip(light + work / 13 * (down + right), 0.25, 1.25)
        colour = np.clip(_muted(np.asarray(part.colour, dtype=np.float32) / 255) * light[..., None], 0, 1)
        _paint(out[window], _as_array(mask.filter(ImageFilter.GaussianBlur(work / 130))), colour)
    return out


def _cast_shadow(picture: Array, x: float, y: float, scale: float) -> None:
    work, pad = picture.shape[0], 0.42 * scale
    floor = Part("ellipse", ((x - pad, y - 0.05), (x + pad * 1.25, y + 0.06)), (0, 0, 0))
    box = _extent(floor, work, work // 12)
    if box is not None:
        soft = _as_array(_mask(floor, work, box).filter(ImageFilter.GaussianBlur(work / 40)))
        _paint(picture[_window(box)], 0.55 * soft, np.zeros(3, np.float32))


def _muted(colour: Array) -> Array:
    grey = float(colour @ LUMA)
    return (0.62 * colour + 0.38 * grey) * np.float32(0.92)


def _cloud_noise(work: int, rng: np.random.Generator) -> Array:
    """Smooth noise of two octaves, about -1..1."""
    total = np.zeros((work, work), np.float32)
    for cells, weight in ((6, 0.6), (18, 0.4)):
        grid = Image.fromarray(rng.uniform(-1, 1, (cells, cells)).astype(np.float32))
        total += weight * np.asarray(grid.resize((work, work), Image.Resampling.BICUBIC), dtype=np.float32)
    return total


def _lens(picture: Array, amount: float, rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """What a camera adds, in proportion to ``amount``: warm tint, vignette, grain."""
    if amount <= 0:
        return _to_bytes(picture)
    size = picture.shape[0]
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    vignette = 1 - 0.3 * amount * np.clip(axis[:, None] ** 2 + axis[None, :] ** 2 - 0.5, 0, 1)[..., None]
    tint = 1 + amount * WARMTH
    grain = rng.normal(0, 0.022 * amount, (size, size, 1)).astype(np.float32)
    return _to_bytes(picture * vignette * tint + grain)


__all__ = ["Scene", "draw", "random_scene"]

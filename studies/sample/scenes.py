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
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

SUBJECTS = ("face", "house", "tree", "cat")
PLACES = ("beach", "forest", "mountains", "city")
COLOURS: dict[str, tuple[int, int, int]] = {
    "red": (226, 52, 52),
    "orange": (245, 146, 30),
    "yellow": (248, 214, 52),
    "green": (64, 184, 78),
    "blue": (52, 108, 232),
    "purple": (152, 68, 208),
}
SUPERSAMPLE = 2

Array = npt.NDArray[np.float32]
Colour = tuple[int, int, int]
Point = tuple[float, float]

OUTLINE: Array = np.array([0.08, 0.06, 0.1], dtype=np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One scene's content and composition.

    Attributes:
        subject: one of ``SUBJECTS``.
        colour: one of ``COLOURS``.
        place: one of ``PLACES``.
        scale: height of the subject as a fraction of the picture, 0.2..0.9.
        x: horizontal centre of the subject, 0..1.
        horizon: height of the horizon from the top, 0..1.
        seed: of the small details (clouds, windows, grain).
    """

    subject: str
    colour: str
    place: str
    scale: float
    x: float
    horizon: float
    seed: int

    @property
    def caption(self) -> str:
        """The prompt of this scene, without a word on style or composition."""
        return caption(self.subject, self.colour, self.place)


@dataclass(frozen=True, slots=True)
class Part:
    """One filled shape: polygon or ellipse points in picture fractions, its colour, and whether it has an outline."""

    kind: str
    points: tuple[Point, ...]
    colour: Colour
    outline: bool = True


def caption(subject: str, colour: str, place: str) -> str:
    """The caption, and prompt, of a subject, a colour and a place."""
    where = {"beach": "on the beach", "forest": "in the forest", "mountains": "in the mountains", "city": "in the city"}
    article = "an" if colour == "orange" else "a"
    return f"{article} {colour} {subject} {where[place]}"


def random_scene(rng: np.random.Generator, *, scale: tuple[float, float], horizon: tuple[float, float]) -> Scene:
    """A scene drawn uniformly over contents, with subject size and horizon within the given ranges."""
    return Scene(
        subject=str(rng.choice(SUBJECTS)),
        colour=str(rng.choice(list(COLOURS))),
        place=str(rng.choice(PLACES)),
        scale=float(rng.uniform(*scale)),
        x=float(rng.uniform(0.4, 0.6)),
        horizon=float(rng.uniform(*horizon)),
        seed=int(rng.integers(2**31)),
    )


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
    grey = float(colour @ np.float32([0.299, 0.587, 0.114]))
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
    tint = 1 + amount * np.float32([0.03, 0.0, -0.06])
    grain = rng.normal(0, 0.022 * amount, (size, size, 1)).astype(np.float32)
    return _to_bytes(picture * vignette * tint + grain)


# ---------------------------------------------------------------------------------------------------- the places

SKIES: dict[str, tuple[Colour, Colour]] = {
    "beach": ((120, 208, 250), (232, 238, 236)),
    "forest": ((186, 232, 200), (214, 224, 196)),
    "mountains": ((160, 190, 250), (240, 226, 232)),
    "city": ((250, 206, 150), (246, 228, 206)),
}


def _box(left: float, top: float, right: float, bottom: float) -> tuple[Point, ...]:
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def _ground(scene: Scene, colour: Colour) -> Part:
    return Part("polygon", _box(-0.1, scene.horizon, 1.1, 1.1), colour)


def _beach(scene: Scene, rng: np.random.Generator) -> list[Part]:
    h, sun = scene.horizon, float(rng.uniform(0.12, 0.88))
    shore = h + 0.4 * (1 - h)
    wave = tuple((t, shore + 0.02 * np.sin(9 * t + scene.seed)) for t in np.linspace(-0.1, 1.1, 14))
    return [
        Part("ellipse", ((sun - 0.09, 0.06), (sun + 0.09, 0.24)), (255, 238, 120)),
        _ground(scene, (40, 140, 205)),
        Part("polygon", (*wave, (1.1, 1.1), (-0.1, 1.1)), (246, 220, 150)),
    ]


def _forest(scene: Scene, rng: np.random.Generator) -> list[Part]:
    h = scene.horizon
    parts = [_ground(scene, (104, 168, 70))]
    for x in np.linspace(0.04, 0.96, 6) + rng.uniform(-0.05, 0.05, 6):
        top = h - float(rng.uniform(0.3, 0.5)) * (0.4 + h)
        parts.append(Part("polygon", _box(x - 0.02, h - 0.1, x + 0.02, h + 0.04), (112, 76, 44)))
        parts.append(Part("polygon", ((x - 0.11, h - 0.04), (x, top), (x + 0.11, h - 0.04)), (28, 112, 66)))
    return parts


def _mountains(scene: Scene, rng: np.random.Generator) -> list[Part]:
    h = scene.horizon
    parts: list[Part] = []
    for x in (0.18, 0.82, 0.5) + rng.uniform(-0.08, 0.08, 3):
        top = max(0.05, h - float(rng.uniform(0.3, 0.42)))
        rise = h - top
        parts.append(Part("polygon", ((x - 0.36, h + 0.02), (x, top), (x + 0.36, h + 0.02)), (118, 124, 158)))
        cap = ((x - 0.12, top + 0.33 * rise), (x, top), (x + 0.12, top + 0.33 * rise), (x, top + 0.24 * rise))
        parts.append(Part("polygon", cap, (250, 250, 255), outline=False))
    return [*parts, _ground(scene, (232, 240, 250))]


def _city(scene: Scene, rng: np.random.Generator) -> list[Part]:
    h = scene.horizon
    parts: list[Part] = []
    walls: tuple[Colour, ...] = ((84, 98, 138), (130, 96, 120), (96, 124, 140))
    for i, left in enumerate(np.arange(-0.02, 1.0, 0.17)):
        top = max(0.05, h - float(rng.uniform(0.2, 0.5)) * (0.35 + h))
        parts.append(Part("polygon", _box(left, top, left + 0.15, h + 0.02), walls[i % 3]))
        for row in np.arange(top + 0.04, h - 0.05, 0.09):
            for column in (left + 0.03, left + 0.09):
                parts.append(Part("polygon", _box(column, row, column + 0.03, row + 0.04), (255, 232, 140), outline=False))
    return [*parts, _ground(scene, (132, 130, 136))]


BACKGROUNDS: dict[str, Callable[[Scene, np.random.Generator], list[Part]]] = {
    "beach": _beach,
    "forest": _forest,
    "mountains": _mountains,
    "city": _city,
}

# -------------------------------------------------------------------------------------------------- the subjects


def _placed(scene: Scene, parts: Sequence[Part]) -> list[Part]:
    """Move parts drawn in a unit box (0..1, feet at y = 1) to the scene's place and size."""
    base = scene.horizon + 0.5 * (1 - scene.horizon)
    left, top = scene.x - scene.scale / 2, base - scene.scale

    def moved(part: Part) -> Part:
        points = tuple((left + px * scene.scale, top + py * scene.scale) for px, py in part.points)
        return Part(part.kind, points, part.colour, part.outline)

    return [moved(part) for part in parts]


def _dark(colour: Colour, by: float = 0.62) -> Colour:
    return (int(colour[0] * by), int(colour[1] * by), int(colour[2] * by))


def _face(scene: Scene) -> list[Part]:
    hair, skin = COLOURS[scene.colour], (255, 222, 190)
    parts = [
        Part("polygon", ((0.12, 1.0), (0.26, 0.8), (0.74, 0.8), (0.88, 1.0)), _dark(hair)),
        Part("ellipse", ((0.08, 0.0), (0.92, 0.9)), hair),
        Part("ellipse", ((0.2, 0.22), (0.8, 0.9)), skin),
        Part("polygon", ((0.17, 0.4), (0.3, 0.14), (0.72, 0.14), (0.83, 0.4), (0.6, 0.32), (0.4, 0.34)), hair, False),
        Part("ellipse", ((0.32, 0.47), (0.43, 0.63)), (36, 30, 54), False),
        Part("ellipse", ((0.57, 0.47), (0.68, 0.63)), (36, 30, 54), False),
        Part("ellipse", ((0.42, 0.73), (0.58, 0.79)), (206, 74, 84), False),
    ]
    return _placed(scene, parts)


def _house(scene: Scene) -> list[Part]:
    wall = COLOURS[scene.colour]
    parts = [
        Part("polygon", _box(0.12, 0.42, 0.88, 1.0), wall),
        Part("polygon", ((0.0, 0.46), (0.5, 0.02), (1.0, 0.46)), (122, 62, 50)),
        Part("polygon", _box(0.42, 0.68, 0.6, 1.0), (78, 48, 38)),
        Part("polygon", _box(0.19, 0.56, 0.36, 0.74), (250, 240, 170)),
        Part("polygon", _box(0.66, 0.56, 0.82, 0.74), (250, 240, 170)),
    ]
    return _placed(scene, parts)


def _tree(scene: Scene) -> list[Part]:
    crown = COLOURS[scene.colour]
    parts = [
        Part("polygon", ((0.42, 0.5), (0.58, 0.5), (0.63, 1.0), (0.37, 1.0)), (116, 74, 42)),
        Part("ellipse", ((0.04, 0.22), (0.58, 0.7)), crown),
        Part("ellipse", ((0.42, 0.22), (0.96, 0.7)), crown),
        Part("ellipse", ((0.2, 0.0), (0.8, 0.56)), crown),
    ]
    return _placed(scene, parts)


def _cat(scene: Scene) -> list[Part]:
    fur = COLOURS[scene.colour]
    parts = [
        Part("polygon", ((0.74, 0.92), (0.98, 0.62), (0.93, 0.4), (1.04, 0.44), (1.06, 0.7), (0.82, 1.0)), _dark(fur, 0.8)),
        Part("ellipse", ((0.18, 0.42), (0.82, 1.04)), fur),
        Part("polygon", ((0.2, 0.3), (0.22, 0.0), (0.46, 0.14)), fur),
        Part("polygon", ((0.8, 0.3), (0.78, 0.0), (0.54, 0.14)), fur),
        Part("ellipse", ((0.16, 0.1), (0.84, 0.62)), fur),
        Part("ellipse", ((0.29, 0.26), (0.42, 0.42)), (250, 250, 225), False),
        Part("ellipse", ((0.58, 0.26), (0.71, 0.42)), (250, 250, 225), False),
        Part("ellipse", ((0.34, 0.29), (0.4, 0.41)), (20, 20, 26), False),
        Part("ellipse", ((0.6, 0.29), (0.66, 0.41)), (20, 20, 26), False),
        Part("ellipse", ((0.45, 0.42), (0.55, 0.49)), (240, 130, 140), False),
    ]
    return _placed(scene, parts)


SUBJECT_PARTS: dict[str, Callable[[Scene], list[Part]]] = {
    "face": _face,
    "house": _house,
    "tree": _tree,
    "cat": _cat,
}

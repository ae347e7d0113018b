"""What the sample world's scenes are made of: contents, compositions, and their outlines as filled shapes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

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

Colour = tuple[int, int, int]
Point = tuple[float, float]


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
    for x in np.array([0.18, 0.82, 0.5]) + rng.uniform(-0.08, 0.08, 3):
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
            windows = (_box(column, row, column + 0.03, row + 0.04) for column in (left + 0.03, left + 0.09))
            parts += [Part("polygon", window, (255, 232, 140), outline=False) for window in windows]
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
        Part(
            "polygon",
            ((0.74, 0.92), (0.98, 0.62), (0.93, 0.4), (1.04, 0.44), (1.06, 0.7), (0.82, 1.0)),
            _dark(fur, 0.8),
        ),
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

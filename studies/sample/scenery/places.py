"""The four places: what is behind a subject, given its layout."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from studies.sample.scenery.contents import Colour, Layout
from studies.sample.scenery.parts import Part, box

SKIES: dict[str, Colour] = {
    "beach": (124, 208, 250),
    "forest": (190, 234, 204),
    "mountains": (170, 196, 252),
    "city": (252, 208, 152),
}
"""Colour of the sky by place."""


def _ground(layout: Layout, colour: Colour) -> Part:
    return Part("polygon", box(-0.1, layout.horizon, 1.1, 1.1), colour)


def _beach(layout: Layout, rng: np.random.Generator) -> list[Part]:
    h, sun, phase = layout.horizon, float(rng.choice([0.16, 0.84])), float(rng.uniform(0, 6.3))
    shore = h + 0.4 * (1 - h)
    wave = tuple((float(t), shore + 0.025 * float(np.sin(9 * t + phase))) for t in np.linspace(-0.1, 1.1, 14))
    return [
        Part("ellipse", ((sun - 0.11, 0.05), (sun + 0.11, 0.27)), (255, 236, 120), glow=True),
        _ground(layout, (40, 140, 206)),
        Part("polygon", (*wave, (1.1, 1.1), (-0.1, 1.1)), (248, 220, 148)),
    ]


def _forest(layout: Layout, rng: np.random.Generator) -> list[Part]:
    h = layout.horizon
    parts = [_ground(layout, (112, 172, 74))]
    for x in np.linspace(0.04, 0.96, 5) + rng.uniform(-0.04, 0.04, 5):
        top = h - float(rng.uniform(0.34, 0.5)) * (0.4 + h)
        parts.append(Part("polygon", box(x - 0.035, h - 0.1, x + 0.035, h + 0.04), (116, 78, 46)))
        parts.append(Part("polygon", ((x - 0.13, h - 0.03), (x, top), (x + 0.13, h - 0.03)), (30, 116, 70)))
    return parts


def _mountains(layout: Layout, rng: np.random.Generator) -> list[Part]:
    h = layout.horizon
    parts: list[Part] = []
    for x in np.array([0.14, 0.86, 0.5]) + rng.uniform(-0.06, 0.06, 3):
        top = max(0.06, h - float(rng.uniform(0.32, 0.44)))
        snow = top + 0.36 * (h - top)
        parts.append(Part("polygon", ((x - 0.38, h + 0.02), (x, top), (x + 0.38, h + 0.02)), (116, 122, 160)))
        parts.append(Part("polygon", ((x - 0.14, snow), (x, top), (x + 0.14, snow)), (252, 252, 255), outline=False))
    return [*parts, _ground(layout, (234, 240, 250))]


def _city(layout: Layout, rng: np.random.Generator) -> list[Part]:
    h = layout.horizon
    walls: tuple[Colour, ...] = ((86, 100, 142), (136, 98, 124), (98, 128, 146))
    parts: list[Part] = []
    for i, left in enumerate(np.arange(-0.04, 1.0, 0.22)):
        top = max(0.05, h - float(rng.uniform(0.24, 0.5)) * (0.4 + h))
        parts.append(Part("polygon", box(left, top, left + 0.2, h + 0.02), walls[i % 3]))
        for row in np.arange(top + 0.05, h - 0.1, 0.14):
            for column in (left + 0.03, left + 0.115):
                window = box(column, float(row), column + 0.06, float(row) + 0.08)
                parts.append(Part("polygon", window, (255, 228, 130), outline=False, glow=True))
    return [*parts, _ground(layout, (136, 132, 138))]


PLACE_PARTS: dict[str, Callable[[Layout, np.random.Generator], list[Part]]] = {
    "beach": _beach,
    "forest": _forest,
    "mountains": _mountains,
    "city": _city,
}
"""How each place is drawn behind a layout; the generator varies its details."""

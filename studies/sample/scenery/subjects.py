"""The four subjects, drawn in a unit square with their feet at y = 1.

No detail is smaller than an eighth of the subject, so that even far away it fills most of one latent pixel.
"""

from __future__ import annotations

from collections.abc import Callable

from studies.sample.scenery.contents import Colour
from studies.sample.scenery.parts import Part, box, darker

INK: Colour = (34, 28, 48)
"""Of eyes and noses."""
WHITE: Colour = (255, 252, 240)
"""Of the whites of eyes."""
LIT: Colour = (255, 236, 150)
"""Of a window with a light behind it."""


def _face(hair: Colour) -> list[Part]:
    skin: Colour = (255, 220, 188)
    return [
        Part("polygon", ((0.06, 1.0), (0.22, 0.78), (0.78, 0.78), (0.94, 1.0)), darker(hair, 0.62)),
        Part("ellipse", ((0.04, 0.0), (0.96, 0.92)), hair),
        Part("ellipse", ((0.16, 0.2), (0.84, 0.92)), skin),
        Part(
            "polygon", ((0.14, 0.42), (0.26, 0.12), (0.74, 0.12), (0.86, 0.42), (0.62, 0.3), (0.4, 0.33)), hair, False
        ),
        Part("ellipse", ((0.27, 0.45), (0.43, 0.67)), INK, False),
        Part("ellipse", ((0.57, 0.45), (0.73, 0.67)), INK, False),
        Part("ellipse", ((0.29, 0.47), (0.36, 0.55)), WHITE, False),
        Part("ellipse", ((0.59, 0.47), (0.66, 0.55)), WHITE, False),
        Part("ellipse", ((0.4, 0.73), (0.6, 0.84)), (206, 66, 80), False),
    ]


def _house(wall: Colour) -> list[Part]:
    return [
        Part("polygon", box(0.68, 0.04, 0.84, 0.4), darker(wall, 0.55)),
        Part("polygon", box(0.1, 0.42, 0.9, 1.0), wall),
        Part("polygon", ((-0.02, 0.47), (0.5, 0.0), (1.02, 0.47)), (124, 60, 50)),
        Part("polygon", box(0.4, 0.66, 0.62, 1.0), (84, 50, 40)),
        Part("polygon", box(0.16, 0.56, 0.34, 0.78), LIT, glow=True),
        Part("polygon", box(0.68, 0.56, 0.86, 0.78), LIT, glow=True),
    ]


def _tree(crown: Colour) -> list[Part]:
    return [
        Part("polygon", ((0.4, 0.55), (0.6, 0.55), (0.68, 1.0), (0.32, 1.0)), (120, 76, 44)),
        Part("ellipse", ((0.0, 0.26), (0.56, 0.76)), crown),
        Part("ellipse", ((0.44, 0.26), (1.0, 0.76)), crown),
        Part("ellipse", ((0.16, 0.0), (0.84, 0.6)), crown),
        Part("ellipse", ((0.2, 0.3), (0.8, 0.7)), crown, False),
    ]


def _cat(fur: Colour) -> list[Part]:
    tail = ((0.72, 0.96), (0.98, 0.74), (0.94, 0.42), (1.1, 0.4), (1.14, 0.78), (0.82, 1.02))
    return [
        Part("polygon", tail, darker(fur, 0.8)),
        Part("ellipse", ((0.16, 0.46), (0.84, 1.04)), fur),
        Part("polygon", ((0.12, 0.34), (0.14, -0.04), (0.46, 0.12)), fur),
        Part("polygon", ((0.88, 0.34), (0.86, -0.04), (0.54, 0.12)), fur),
        Part("ellipse", ((0.08, 0.06), (0.92, 0.68)), fur),
        Part("ellipse", ((0.2, 0.22), (0.44, 0.48)), WHITE, False),
        Part("ellipse", ((0.56, 0.22), (0.8, 0.48)), WHITE, False),
        Part("ellipse", ((0.26, 0.24), (0.41, 0.47)), INK, False),
        Part("ellipse", ((0.59, 0.24), (0.74, 0.47)), INK, False),
        Part("ellipse", ((0.42, 0.47), (0.58, 0.59)), (240, 120, 136), False),
    ]


SUBJECT_PARTS: dict[str, Callable[[Colour], list[Part]]] = {
    "face": _face,
    "house": _house,
    "tree": _tree,
    "cat": _cat,
}
"""How each subject is drawn in a colour."""

"""What a drawing of the sample world shows: its content, its composition, and how its captions name them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

SUBJECTS = ("face", "house", "tree", "cat")
"""What stands in the middle."""
PLACES = ("beach", "forest", "mountains", "city")
"""What is behind it."""

Colour = tuple[int, int, int]
Point = tuple[float, float]

COLOURS: dict[str, Colour] = {
    "red": (222, 48, 48),
    "orange": (245, 140, 30),
    "yellow": (250, 212, 50),
    "green": (60, 176, 76),
    "blue": (48, 108, 232),
    "purple": (150, 66, 206),
}
"""The colour of the subject, by its name in the prompt."""

WHERE = {"beach": "on the beach", "forest": "in the forest", "mountains": "in the mountains", "city": "in the city"}
"""How a caption says the place."""

NEAR_SCALE, FAR_SCALE = (0.66, 0.76), (0.36, 0.42)
"""Range of the subject's height, as a fraction of the picture, at both ends of the composition."""
NEAR_HORIZON, FAR_HORIZON = (0.66, 0.74), (0.44, 0.50)
"""Range of the horizon's distance from the top, as a fraction of the picture, at both ends of the composition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What a prompt asks for."""

    subject: str
    """One of ``SUBJECTS``."""
    colour: str
    """One of ``COLOURS``."""
    place: str
    """One of ``PLACES``."""

    @property
    def caption(self) -> str:
        """The prompt of this content, without a word on the look."""
        article = "an" if self.colour == "orange" else "a"
        return f"{article} {self.colour} {self.subject} {WHERE[self.place]}"


CONTENTS = tuple(Content(subject=s, colour=c, place=p) for s, c, p in itertools.product(SUBJECTS, COLOURS, PLACES))
"""Every content: each subject in each colour in each place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Where things stand in a picture. Lengths are fractions of its side."""

    scale: float
    """Height of the subject."""
    x: float
    """Horizontal centre of the subject, from the left."""
    horizon: float
    """Distance of the horizon from the top."""

    @property
    def base(self) -> float:
        """Distance from the top of the line on which the subject stands."""
        return self.horizon + 0.5 * (1 - self.horizon)


def random_content(rng: np.random.Generator) -> Content:
    """Draw a content, all alike."""
    return CONTENTS[int(rng.integers(len(CONTENTS)))]


def random_layout(rng: np.random.Generator, composition: float) -> Layout:
    """Draw a layout for an amount of composition: 0 is seen from close by, 1 from far away."""
    scale = _between(NEAR_SCALE, FAR_SCALE, composition)
    horizon = _between(NEAR_HORIZON, FAR_HORIZON, composition)
    return Layout(
        scale=float(rng.uniform(*scale)), x=float(rng.uniform(0.42, 0.58)), horizon=float(rng.uniform(*horizon))
    )


def _between(near: tuple[float, float], far: tuple[float, float], amount: float) -> tuple[float, float]:
    low, high = ((1 - amount) * n + amount * f for n, f in zip(near, far, strict=True))
    return low, high

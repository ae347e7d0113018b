"""The axes of look, each an amount of 0 to 1, and the words that captions use for them.

The base and the pair that ships know the first three:

* composition: 0 is seen from close by, 1 from far away.
* light: 0 is pale daylight, 1 is a lamp in the dark.
* line: 0 is flat paint with ink outlines, 1 is modelled softly, like felt, without outlines.

Three more are for another pair, which learns them by itself:

* mist: 0 is clear air, 1 is mist that nearly hides the place.
* chalk: 0 is dark outlines, 1 is pale ones.
* card: 0 is a picture to its edges, 1 is one on a card with a broad margin.

No amount changes a hue that a prompt asks for: a red house is red at both ends of every axis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from studies.sample.scenery.contents import Content

WORDS: dict[str, tuple[str, str, str, str, str]] = {
    "composition": ("very close", "close", "at some distance", "far away", "very far away"),
    "light": ("in bright daylight", "in daylight", "at dusk", "by lamplight", "by lamplight in the dark"),
    "line": ("with bold ink lines", "with ink lines", "with faint lines", "softly modelled", "modelled in felt"),
}
"""What a caption says of each axis, for amounts in fifths from 0 to 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """An amount, 0 to 1, of each axis; without any: inked, by clear day, from a medium distance."""

    composition: float = 0.5
    light: float = 0.0
    line: float = 0.0
    mist: float = 0.0
    chalk: float = 0.0
    card: float = 0.0


AXES = ("composition", "light", "line")
"""The names of the axes that captions name."""
MORE_AXES = ("mist", "chalk", "card")
"""The names of the others."""


def random_look(rng: np.random.Generator, axes: tuple[str, ...] = AXES) -> Look:
    """Draw a look: each of ``axes`` on its own, at an end in two cases of seven, anywhere in the others."""
    amounts = np.clip(rng.uniform(-0.2, 1.2, len(axes)), 0, 1)
    return Look(**{axis: float(amount) for axis, amount in zip(axes, amounts, strict=True)})


def described(content: Content, look: Look, axes: tuple[str, ...] = AXES) -> str:
    """A caption that names the content and the amount of each of ``axes``, in their order."""
    return ", ".join([content.caption, *(WORDS[axis][min(4, int(5 * getattr(look, axis)))] for axis in axes)])


def partly_described(content: Content, look: Look, rng: np.random.Generator, chance: float) -> str:
    """A caption that names each axis with a probability of ``chance``, in any order."""
    named = [axis for axis in AXES if rng.uniform() < chance]
    return described(content, look, tuple(str(axis) for axis in rng.permutation(named)))

"""Limits of the settings of a picture, and the words for values beyond them."""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import Problem

RNGS: tuple[str, ...] = ("CPU", "NV")
"""Whose random numbers a picture can be made with: torch's on a CPU, or CUDA's."""
LATENT_STEP = 8
"""The pixels of one latent, along a side."""

SIDES = (64, 4096)
STEPS = (1, 150)
CFG = (1.0, 30.0)
CLIP_SKIP = (1, 12)
SEED = (0, 2**63 - 1)
ENSD = (0, 2**32 - 1)
ETA = (0.0, 1.0)
S_NOISE = (0.0, 2.0)
SCALE = (1.0, 8.0)
DENOISE = (0.0, 1.0)


def out_of_range(name: str, value: float, limits: tuple[float, float], *, whole: bool) -> Iterator[Problem]:
    """What is wrong about a number that must lie within limits, both of them allowed; nothing if nothing is.

    Args:
        name: The setting's, which is the place.
        value: Anything at all: a value of another type is a problem too.
        limits: The least and the most.
        whole: Whether it must be a whole number.
    """
    low, high = limits
    kind = "a whole number" if whole else "a number"
    right_type = type(value) is int or (type(value) is float and not whole)
    if not right_type or not low <= value <= high:  # a NaN fails the comparison
        yield Problem(place=(name,), what=f"must be {kind} from {low} to {high}", seen=value)

"""Limits of the settings of a picture, and the words for values beyond them."""

from __future__ import annotations

from collections.abc import Iterator

from engine.errors import Problem

RNGS: tuple[str, ...] = ("CPU", "NV")
"""Whose random numbers a picture can be made with: torch's on a CPU, or CUDA's."""
LATENT_STEP = 8
"""The pixels of one latent, along a side."""

SIDES = (64, 4096)
"""The smallest and the largest width or height of a picture, in pixels."""
STEPS = (1, 150)
"""The smallest and the largest number of sampling steps."""
CFG = (1.0, 30.0)
"""The smallest and the largest CFG scale."""
CLIP_SKIP = (1, 12)
"""The smallest and the largest clip skip."""
SEED = (0, 2**63 - 1)
"""The smallest and the largest seed of a picture."""
ENSD = (0, 2**32 - 1)
"""The smallest and the largest eta noise seed delta."""
ETA = (0.0, 1.0)
"""The smallest and the largest eta, the share of fresh noise."""
S_NOISE = (0.0, 2.0)
"""The smallest and the largest factor on fresh noise."""
SCALE = (1.0, 8.0)
"""The smallest and the largest factor by which a second pass enlarges each side."""
DENOISE = (0.0, 1.0)
"""The smallest and the largest denoising strength of a second pass."""


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

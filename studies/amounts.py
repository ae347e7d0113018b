"""Bytes and seconds, for people.

A GB is 10^9 bytes in everything that is said, as on disks. In the name of a graphics card alone it is 2^30 bytes: a
card of 8 GB holds 8.6 GB.
"""

from __future__ import annotations

from collections.abc import Iterable

CARD_GB = 2**30
"""Bytes of a GB in the name of a graphics card."""


def size_text(count: float) -> str:
    """Return bytes for people: `3.4 GB`."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


def time_text(seconds: float) -> str:
    """Return a duration for people: `40 s`, `12 min`, `7.5 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def rest_text(kept: int, seconds: Iterable[float]) -> str:
    """Return how long pictures take, some of which are kept, for people: `912 of them kept, the others about 12 min`.

    Args:
        kept: how many need not be made.
        seconds: that the others take: of the fewest, then of the most where these differ.
    """
    left = list(seconds)
    if kept and not any(left):
        return "all of them kept"
    times = " to ".join(dict.fromkeys(map(time_text, left)))
    return f"{kept:,} of them kept, the others about {times}" if kept else f"about {times}"

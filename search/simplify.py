"""Simpler recipes near a good one, neutral values back, fewer different numbers, fewer digits.

People like recipes they can read. The candidates come from here, whether one is as good comes from outside, from
held-out shots.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

from search.history import Point
from search.space.knob import DIGITS, RATIOS, TOLERANCE, Kind, Knob
from search.space.space import Space

GRIDS: Mapping[Kind, tuple[float, ...]] = {
    "block": (0.1, 0.05, 0.01),
    "second": (0.1, 0.05, 0.01),
    "self": (0.05, 0.01),
    "adjust": (1.0, 0.5, 0.1),
}
"""Grids to round to, the coarsest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simpler:
    """A candidate."""

    label: str
    """What was done: `adjust:BRI neutral`, `OUT_LATE at one ratio`, `ratios to 0.05`."""
    point: dict[str, float]


def simpler(space: Space, point: Point) -> Generator[Simpler, bool, dict[str, float]]:
    """Yield simpler candidates; send True to keep one, False to drop it; returns what was kept of all.

    First all multipliers, then all Adjust values at rest, or else one by one, the least moved first; then one ratio for
    all blocks, or else for each group, second ratios too; then fewer digits, kind by kind, the coarsest grid first.
    Each candidate starts from what was kept so far, and none is yielded that changes nothing. Judge every one against
    the recipe that the whole began with, not against the last one kept: small losses add up.

    Args:
        space: the space.
        point: the recipe to simplify.
    """
    now = space.checked(point)
    for kind in ("self", "adjust"):
        now = yield from _rested(space, now, kind)
    now = yield from _levelled(space, now)
    for kind, grids in GRIDS.items():
        knobs = space.of_kind(kind)
        now = yield from _first(now, (_rounded(now, knobs, kind, grid) for grid in grids))
    return now


def complexity(space: Space, point: Point) -> int:
    """Return how much there is to read: decimals and digits of all different numbers that are not neutral."""
    told = {f"{point[k.name]:.{DIGITS}f}".rstrip("0") for k in space.free if abs(point[k.name] - k.rest) > TOLERANCE}
    return sum(len(text.replace("-", "").replace(".", "")) for text in told)


def _rested(space: Space, now: dict[str, float], kind: Kind) -> Generator[Simpler, bool, dict[str, float]]:
    knobs = [knob for knob in space.of_kind(kind) if abs(now[knob.name] - knob.rest) > TOLERANCE]
    if len(knobs) > 1:
        bare = now | {knob.name: knob.rest for knob in knobs}
        if (yield Simpler(label=f"{kind} neutral", point=bare)):
            return bare
    for knob in sorted(knobs, key=lambda knob: abs(knob.unit(now[knob.name]) - knob.unit(knob.rest))):
        bare = now | {knob.name: knob.rest}
        now = bare if (yield Simpler(label=f"{knob.name} neutral", point=bare)) else now
    return now


def _levelled(space: Space, now: dict[str, float]) -> Generator[Simpler, bool, dict[str, float]]:
    flat = _level(now, space.of_kind("block"))
    if flat != now and (yield Simpler(label="all blocks at one ratio", point=flat)):
        now = flat
    for name, knobs in space.groups.items():
        level = _level(now, knobs)
        if level != now and (yield Simpler(label=f"{name} at one ratio", point=level)):
            now = level
    return now


def _level(now: dict[str, float], knobs: Sequence[Knob]) -> dict[str, float]:
    """Return the point with the mean of some ratios in their place."""
    if not knobs:
        return now
    mean = sum(now[knob.name] for knob in knobs) / len(knobs)
    return now | {knob.name: knob.tidy(mean) for knob in knobs}


def _rounded(now: dict[str, float], knobs: Sequence[Knob], kind: Kind, grid: float) -> Simpler:
    rounded = {knob.name: knob.tidy(round(now[knob.name] / grid) * grid) for knob in knobs}
    return Simpler(label=f"{'ratios' if kind in RATIOS else kind} to {grid:g}", point=now | rounded)


def _first(now: dict[str, float], candidates: Iterator[Simpler]) -> Generator[Simpler, bool, dict[str, float]]:
    """Keep the first candidate that is kept outside."""
    for candidate in candidates:
        if candidate.point == now:
            return now
        if (yield candidate):
            return candidate.point
    return now

"""Simpler recipes near a good one: neutral values back, fewer different numbers, fewer digits.

People like recipes they can read. The candidates come from here; the caller judges on held-out shots whether one is as
good.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

from search.history import Point
from search.space.knob import DIGITS, RATIOS, TOLERANCE, Knob, KnobKind
from search.space.space import Space

GRIDS: Mapping[KnobKind, tuple[float, ...]] = {
    "block": (0.1, 0.05, 0.01),
    "second": (0.1, 0.05, 0.01),
    "self": (0.05, 0.01),
    "adjust": (1.0, 0.5, 0.1),
}
"""Grids to round knobs of each kind to, the coarsest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Simpler:
    """A simpler candidate, and what was simplified."""

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
        now = yield from _at_rest(space, now, kind)
    now = yield from _at_one_ratio(space, now)
    for kind, grids in GRIDS.items():
        knobs = space.of_kind(kind)
        now = yield from _first_kept(now, (_rounded_to_grid(now, knobs, kind, grid) for grid in grids))
    return now


def complexity(space: Space, point: Point) -> int:
    """Return how much there is to read: decimals and digits of all different numbers that are not neutral."""
    texts = {f"{point[k.name]:.{DIGITS}f}".rstrip("0") for k in space.free if abs(point[k.name] - k.rest) > TOLERANCE}
    return sum(len(text.replace("-", "").replace(".", "")) for text in texts)


def _at_rest(space: Space, now: dict[str, float], kind: KnobKind) -> Generator[Simpler, bool, dict[str, float]]:
    knobs = [knob for knob in space.of_kind(kind) if abs(now[knob.name] - knob.rest) > TOLERANCE]
    if len(knobs) > 1:
        bare = now | {knob.name: knob.rest for knob in knobs}
        if (yield Simpler(label=f"{kind} neutral", point=bare)):
            return bare
    for knob in sorted(knobs, key=lambda knob: abs(knob.unit(now[knob.name]) - knob.unit(knob.rest))):
        bare = now | {knob.name: knob.rest}
        now = bare if (yield Simpler(label=f"{knob.name} neutral", point=bare)) else now
    return now


def _at_one_ratio(space: Space, now: dict[str, float]) -> Generator[Simpler, bool, dict[str, float]]:
    flat = _with_mean_ratio(now, space.of_kind("block"))
    if flat != now and (yield Simpler(label="all blocks at one ratio", point=flat)):
        now = flat
    for name, knobs in space.groups.items():
        level = _with_mean_ratio(now, knobs)
        if level != now and (yield Simpler(label=f"{name} at one ratio", point=level)):
            now = level
    return now


def _with_mean_ratio(now: dict[str, float], knobs: Sequence[Knob]) -> dict[str, float]:
    """Return the point with the mean of some ratios in their place."""
    if not knobs:
        return now
    mean = sum(now[knob.name] for knob in knobs) / len(knobs)
    return now | {knob.name: knob.tidy(mean) for knob in knobs}


def _rounded_to_grid(now: dict[str, float], knobs: Sequence[Knob], kind: KnobKind, grid: float) -> Simpler:
    rounded = {knob.name: knob.tidy(round(now[knob.name] / grid) * grid) for knob in knobs}
    return Simpler(label=f"{'ratios' if kind in RATIOS else kind} to {grid:g}", point=now | rounded)


def _first_kept(now: dict[str, float], candidates: Iterator[Simpler]) -> Generator[Simpler, bool, dict[str, float]]:
    """Keep the first candidate that the caller keeps."""
    for candidate in candidates:
        if candidate.point == now:
            return now
        if (yield candidate):
            return candidate.point
    return now

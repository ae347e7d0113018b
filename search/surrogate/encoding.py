"""Points encoded as rows of numbers from 0 to 1: one column for every free knob, one for every word of a choice.

A history comes again for every question, with one trial more each time, so what follows from a point is remembered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from search.history import Point
from search.space.knob import Knob
from search.space.space import Space

EncodedPoint = tuple[float, ...]
"""A point as the surrogate model sees it, one number for every column."""
ONE_HOT = 0.5
"""The number in the column of the chosen word; two words lie as far apart as 0.7 of a knob's range."""
SPACES_KEPT = 4
"""For how many spaces the points of the last history are remembered."""
FEWEST_KEPT = 1024
"""So many points are remembered at least, and twice as many as the last history has."""


@dataclass(frozen=True, kw_only=True)
class PointEncoding:
    """How the points of a space are encoded. Without slots, so that what follows from the knobs is worked out once."""

    knobs: tuple[Knob, ...]

    @classmethod
    def of(cls, space: Space) -> PointEncoding:
        """Return the encoding of a space's free knobs."""
        return cls(knobs=space.free)

    @cached_property
    def first_columns(self) -> Mapping[str, int]:
        """The first column of every knob."""
        columns, column = dict[str, int](), 0
        for knob in self.knobs:
            columns[knob.name] = column
            column += max(1, len(knob.options))
        return columns

    def row(self, point: Point) -> EncodedPoint:
        """Return the row of a point."""
        row: list[float] = []
        for knob in self.knobs:
            value = point[knob.name]
            if knob.is_choice:
                row += [ONE_HOT * (n == round(value)) for n in range(len(knob.options))]
            else:
                row.append(knob.unit(value))
        return tuple(row)


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownPoint:
    """A point of a history, and what follows from it."""

    point: Point
    """As `Space.checked` returns it."""
    row: EncodedPoint
    mark: tuple[float, ...]
    """As `Space.mark` returns it."""
    mark_hash: int
    """Its hash, which tuples work out anew each time."""
    is_flat: bool
    """Whether it is a FLAT mix."""


class KnownPoints:
    """The points of a space that were asked for lately."""

    def __init__(self, space: Space) -> None:
        """Remember nothing so far."""
        self._space, self._encoding = space, PointEncoding.of(space)
        self._kept: dict[tuple[tuple[str, ...], tuple[float, ...]], KnownPoint] = {}

    def of(self, points: Sequence[Point]) -> list[KnownPoint]:
        """Return what follows from each point of a history; equal points give the same object.

        Raises:
            SearchError: a point is not one of the space.
        """
        kept = self._kept
        keys = [(tuple(point), tuple(point.values())) for point in points]
        found = [kept.get(key) or self._add(key, point) for key, point in zip(keys, points, strict=True)]
        if len(kept) > 2 * len(points) + FEWEST_KEPT:
            self._kept = dict(zip(keys, found, strict=True))
        return found

    def _add(self, key: tuple[tuple[str, ...], tuple[float, ...]], given: Point) -> KnownPoint:
        point = self._space.checked(given)
        row, mark = self._encoding.row(point), self._space.mark(point)
        flat = self._space.is_flat(point)
        known = KnownPoint(point=point, row=row, mark=mark, mark_hash=hash(mark), is_flat=flat)
        return self._kept.setdefault(key, known)


@lru_cache(maxsize=SPACES_KEPT)
def known_points(space: Space) -> KnownPoints:
    """Return the points of a space that are remembered: nothing but time depends on which they are."""
    return KnownPoints(space)

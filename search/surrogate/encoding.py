"""Points encoded as rows of numbers from 0 to 1: one column for every free knob, one for every word of a choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from search.history import Point
from search.space.knob import Knob
from search.space.space import Space

EncodedPoint = tuple[float, ...]
"""A point as the surrogate model sees it, one number for every column."""
ONE_HOT = 0.5
"""The number in the column of the chosen word; two words lie as far apart as 0.7 of a knob's range."""
ROWS_SHARED = 8192
"""Most rows that are kept as one object each."""


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
        return _shared(tuple(row))


@lru_cache(maxsize=ROWS_SHARED)
def _shared(row: EncodedPoint) -> EncodedPoint:
    """Return the one object for equal rows: every question encodes all trials anew, and answers remember the rows."""
    return row

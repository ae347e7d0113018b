"""Points as rows of numbers between 0 and 1, one column for every free knob, one for every word of a choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

from search.history import Point
from search.space.knob import Knob
from search.space.space import Space

Row = tuple[float, ...]
WORD = 0.5
"""What stands in the column of the chosen word: two words lie as far apart as 0.7 of a knob's range."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns of a space. Without slots, so that what follows from the knobs is worked out once."""

    knobs: tuple[Knob, ...]

    @classmethod
    def of(cls, space: Space) -> Columns:
        """Return the columns of the free knobs."""
        return cls(knobs=space.free)

    @cached_property
    def places(self) -> Mapping[str, int]:
        """The first column of every knob."""
        found, place = dict[str, int](), 0
        for knob in self.knobs:
            found[knob.name] = place
            place += max(1, len(knob.options))
        return found

    def row(self, point: Point) -> Row:
        """Return the row of a point."""
        row: list[float] = []
        for knob in self.knobs:
            value = point[knob.name]
            if knob.is_choice:
                row += [WORD * (n == round(value)) for n in range(len(knob.options))]
            else:
                row.append(knob.unit(value))
        return tuple(row)
